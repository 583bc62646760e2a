package graph_test

import (
	"testing"
)

// TestSelectedSettings asks for the settings of mailboxes with $select of users,
// as applications and as users that see each other.
func TestSelectedSettings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	adele, bob := twoMailboxes(t, dir, "", guarded()[0])
	adele.must("", "PATCH", "/v1.0/me/mailboxSettings", map[string]any{"timeZone": "Asia/Tokyo"})
	bob.must("", "PATCH", "/v1.0/me/mailboxSettings", map[string]any{"timeZone": "Europe/Rome"})
	m := newMint(t, dir, adele.bearer())
	user := func(scopes string) map[string]any { return map[string]any{"scp": scopes} }
	app := func(roles ...string) map[string]any {
		return map[string]any{"idtyp": "app", "oid": nil, "scp": nil, "roles": roles}
	}
	for _, test := range []struct {
		name   string
		claims map[string]any
		of     *world
		zone   string // empty: 403
	}{
		{"own", user("User.Read MailboxSettings.Read"), adele, "Asia/Tokyo"},
		{"own, of a writer", user("User.Read MailboxSettings.ReadWrite"), adele, "Asia/Tokyo"},
		{"own without the permission", user("User.Read User.Read.All Tasks.ReadWrite"), adele, ""},
		{"another's", user("User.Read.All MailboxSettings.ReadWrite"), bob, ""},
		{"an application", app("User.Read.All", "MailboxSettings.Read"), bob, "Europe/Rome"},
		{"an application without the permission", app("User.Read.All", "Tasks.ReadWrite.All"), bob, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			sender := *adele
			sender.t, sender.token = t, m.token(t, test.claims)
			r := sender.send(call{Method: "GET", URL: "/v1.0/users/" + test.of.user.ID + "?$select=id,mailboxSettings"})
			switch got := r.text("mailboxSettings", "timeZone"); {
			case test.zone == "" && (r.Status != 403 || r.text("error", "code") != "ErrorAccessDenied"):
				t.Errorf("got %d %v, want 403", r.Status, r.Body)
			case got != test.zone:
				t.Errorf("got %d %v, want %s", r.Status, r.Body, test.zone)
			}
		})
	}
}

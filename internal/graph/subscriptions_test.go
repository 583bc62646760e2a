package graph_test

import (
	"crypto/ecdh"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/duly-todo/duly"
)

// An application without a user has subscriptions of its own in the mailboxes
// that it names, and sees those of nobody else.
func TestSubscriptionsOfApplication(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	adele := newWorldIn(t, dir, "", duly.User{})
	bob := worldOf(t, adele.server, duly.User{UserPrincipalName: "bob@example.org"})
	m := newMint(t, dir, adele.bearer())
	app := *adele
	app.token = m.token(t, map[string]any{"idtyp": "app", "oid": nil, "scp": nil, "roles": []string{"Tasks.Read.All"}})
	adele.must("subscription", "POST", "/v1.0/subscriptions", adele.newSubscription("adele's"))
	to := func(resource string) map[string]any {
		s := adele.newSubscription("the application's")
		s["resource"] = resource
		return s
	}
	wantRefused := func(w *world, method, url string, body any, status int, code string) {
		t.Helper()
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		if r := w.send(call{Method: method, URL: url, Body: text}); r.Status != status || r.text("error", "code") != code {
			t.Errorf("%s %s %s: %d %v", method, url, text, r.Status, r.Body)
		}
	}
	wantRefused(&app, "POST", "/v1.0/subscriptions", to("/me/todo/lists/Tasks/tasks"), 400, "BadRequest")
	wantRefused(&app, "POST", "/v1.0/subscriptions", to("/users/nobody@example.org/todo/lists/Tasks/tasks"), 404, "Request_ResourceNotFound")
	var own []string
	for _, w := range []*world{adele, bob} {
		app.ids = map[string]string{}
		r := app.must("subscription", "POST", "/v1.0/subscriptions", to("/users/"+w.user.UserPrincipalName+"/todo/lists/"+w.ids["list"]+"/tasks"))
		if r.text("creatorId") != r.text("applicationId") {
			t.Errorf("made by %v", r.Body)
		}
		own = append(own, r.text("id"))
	}
	wantIDs := func(w *world, ids ...string) {
		t.Helper()
		var got []string
		items, _ := w.get("/v1.0/subscriptions").member("value").([]any)
		for _, item := range items {
			got = append(got, reply{Body: item}.text("id"))
		}
		if fmt.Sprint(got) != fmt.Sprint(ids) {
			t.Errorf("sees %v, want %v", got, ids)
		}
	}
	wantIDs(&app, own...)
	wantIDs(adele, adele.ids["subscription"])
	wantIDs(bob)
	for _, method := range []string{"GET", "PATCH", "DELETE"} {
		body := map[string]any{"expirationDateTime": adele.soon()}
		wantRefused(adele, method, "/v1.0/subscriptions/"+own[0], body, 404, "ErrorItemNotFound")
		wantRefused(&app, method, subscriptionURL[:len("/v1.0/subscriptions/")]+adele.ids["subscription"], body, 404, "ErrorItemNotFound")
	}
	app.must("", "PATCH", "/v1.0/subscriptions/"+own[0], map[string]any{"expirationDateTime": "2026-09-24T12:30:00Z"})
	adele.clock.Add(time.Hour.Milliseconds())
	app.token = m.token(t, map[string]any{"idtyp": "app", "oid": nil, "scp": nil, "roles": []string{"Tasks.Read.All"}, "exp": time.Date(2026, 9, 24, 14, 0, 0, 0, time.UTC).Unix()})
	wantIDs(&app, own[1])
	app.must("", "POST", "/v1.0/subscriptions/"+own[1]+"/reauthorize", nil)
	app.must("", "DELETE", "/v1.0/subscriptions/"+own[1], nil)
	wantIDs(&app)
}

// There are only so many subscriptions.
func TestSubscriptionLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", duly.User{})
	for range 100 {
		w.must("subscription", "POST", "/v1.0/subscriptions", w.newSubscription(""))
	}
	text, err := json.Marshal(w.newSubscription(""))
	if err != nil {
		t.Fatal(err)
	}
	one := call{Method: "POST", URL: "/v1.0/subscriptions", Body: text}
	if r := w.send(one); r.Status != 403 || r.text("error", "code") != "ExtensionError" {
		t.Errorf("the next one: %d %v", r.Status, r.Body)
	}
	w.must("", "DELETE", subscriptionURL, nil)
	if r := w.send(one); r.Status != 201 {
		t.Errorf("after one was removed: %d %v", r.Status, r.Body)
	}
}

// The key for web push is a point of its curve, and stays.
func TestWebPushKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const url = "/beta/subscriptions/getVapidPublicKey()"
	first := newWorldIn(t, dir, "", duly.User{})
	key := first.get(url).text("value")
	point, err := base64.RawURLEncoding.DecodeString(key)
	if err == nil {
		_, err = ecdh.P256().NewPublicKey(point)
	}
	if err != nil || len(point) != 65 || point[0] != 4 {
		t.Errorf("the key %q: %v", key, err)
	}
	if err := first.server.Close(); err != nil {
		t.Fatal(err)
	}
	if again := newWorldIn(t, dir, "", duly.User{UserPrincipalName: "bob@example.org"}).get(url).text("value"); again != key {
		t.Errorf("the key was %s and is %s", key, again)
	}
	if other := newWorld(t, "", duly.User{}).get(url).text("value"); other == key {
		t.Error("another server has the same key")
	}
}

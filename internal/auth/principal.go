package auth

import (
	"slices"
	"time"
)

// A Principal is the caller that a checked access token speaks for.
//
// Its slices are shared by all requests with the same token: nobody may change
// them.
type Principal struct {
	User    string    // the object id of the mailbox owner; empty for an app-only token
	App     string    // the client id of the application that holds the token
	Tenant  string    // the tenant id of the issuer
	Scopes  []string  // the delegated permissions; nil for an app-only token
	Roles   []string  // the application permissions; nil for a user's token
	AppOnly bool      // the application acts as itself, not for a user
	Expires time.Time // the end of the token, in UTC and whole seconds, without any leeway
}

// Has says whether the token carries the permission: among the scopes of a
// user's token, among the roles of an app-only one. Names are compared exactly
// and with their case (RFC 6749 section 3.3).
func (p Principal) Has(scope string) bool {
	if p.AppOnly {
		return slices.Contains(p.Roles, scope)
	}
	return slices.Contains(p.Scopes, scope)
}

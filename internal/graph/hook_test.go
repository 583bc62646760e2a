package graph_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
)

// receiver is the URL of an endpoint on loopback that validates, but for the path
// /refuses, and takes all notifications. It outlives the tests, and serves those
// with a clock of their own from outside.
var receiver = sync.OnceValue(func() string {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := r.URL.Query().Get("validationToken")
		switch {
		case strings.HasPrefix(r.URL.Path, "/refuses"):
			w.WriteHeader(http.StatusInternalServerError)
		case token != "":
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, token) // the server under test may have left
		default:
			w.WriteHeader(http.StatusAccepted)
		}
	})).URL
})

// allowReceiver opens the receiver's host.
func allowReceiver() []string { return []string{"127.0.0.1"} }

// subscriptionURL is that of the world's own subscription.
const subscriptionURL = "/v1.0/subscriptions/{subscription}"

// newSubscription is the body of one to the default list.
func (w *world) newSubscription(clientState string) map[string]any {
	return map[string]any{
		"changeType": "created,updated", "notificationUrl": receiver() + "/notify", "lifecycleNotificationUrl": receiver() + "/life",
		"resource": "/me/todo/lists/Tasks/tasks", "expirationDateTime": w.soon(), "clientState": clientState,
	}
}

// soon is a time until which a subscription may live.
func (w *world) soon() string { return "2026-09-26T12:00:00Z" }

// hooked puts what a subscription of this server can have in place of what one of
// the collections has: URLs, resource, and its end.
func (w *world) hooked(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			switch name {
			case "notificationUrl", "lifecycleNotificationUrl", "resource", "expirationDateTime":
				own := w.newSubscription("")[name]
				if _, ok := value.(string); ok {
					v[name] = own
				}
			case "applicationId", "creatorId":
				delete(v, name) // some GUID, or "string"
			default:
				v[name] = w.hooked(value)
			}
		}
	case []any:
		for i := range v {
			v[i] = w.hooked(v[i])
		}
	}
	return v
}

// hookedBody is hooked for the body of a request.
func (w *world) hookedBody(body json.RawMessage) json.RawMessage {
	w.t.Helper()
	var v any
	if len(body) == 0 || string(body) == "null" {
		return body
	}
	if err := json.Unmarshal(body, &v); err != nil {
		w.t.Fatal(err)
	}
	text, err := json.Marshal(w.hooked(v))
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

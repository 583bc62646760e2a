package duly_test

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// FuzzRequest sends whole requests to a server: whatever comes, it answers
// without a 5xx (but for what it says is not there yet), and with JSON or nothing.
func FuzzRequest(f *testing.F) {
	c := newCaller(f)
	task := c.create(`{"title": "Milk", "checklistItems": [{"displayName": "a"}], "linkedResources": [{"applicationName": "m"}]}`)
	for _, path := range []string{
		"/v1.0/me", "/beta/users", "/v1.0/me/todo/lists('Tasks')/tasks/?$top=1", task, task + "/checklistItems", task + "/linkedResources", task + "/attachments", task + "/attachments/createUploadSession", task + "/attachmentSessions",
		"/v1.0/linkedResources", "/v1.0/ME/toDo", "/v2/%zz", "/v1.0/users/x/todo/lists", "/", "/v1.0/me/todo/lists/%2F..%2F",
	} {
		for _, method := range []string{"GET", "POST", "PATCH", "DELETE", "PUT", "OPTIONS"} {
			f.Add(method, path, `{"title":"x"}`, "Prefer", "return=minimal")
		}
	}
	f.Fuzz(func(t *testing.T, method, path, body, header, value string) {
		u, err := url.ParseRequestURI(path)
		if err != nil || method == "" || strings.ContainsFunc(method, func(r rune) bool { return r < 'A' || r > 'Z' }) {
			return // no request that net/http would pass on
		}
		r := httptest.NewRequest("GET", "/", strings.NewReader(body))
		r.Method, r.URL, r.RequestURI = method, u, path
		r.Header.Set(header, value)
		r.Header.Set("Authorization", c.token)
		w := httptest.NewRecorder()
		c.server.ServeHTTP(w, r)
		if w.Code >= 500 && w.Code != 501 {
			t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
		if b := w.Body.Bytes(); len(b) > 0 && !bytes.HasPrefix(b, []byte{0x1f, 0x8b}) && !json.Valid(b) {
			t.Fatalf("%s %s: %d, the body is not JSON: %s", method, path, w.Code, b)
		}
	})
}

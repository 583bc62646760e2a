package graph_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
)

// What the replays need of attachments and upload sessions.

// newFile attaches a file with a size, whose bytes are JSON.
func (w *world) newFile(name, contentType string, size int) reply {
	w.t.Helper()
	content := []byte(`"` + strings.Repeat("x", max(0, size-2)) + `"`)
	return w.must("attachment", "POST", filesURL, map[string]any{"name": name, "contentType": contentType, "contentBytes": base64.StdEncoding.EncodeToString(content)})
}

// newSession begins the upload of a file.
func (w *world) newSession(size int64) {
	w.t.Helper()
	r := w.must("", "POST", filesURL+"/createUploadSession", map[string]any{"attachmentInfo": map[string]any{"attachmentType": "file", "name": "f", "size": size}})
	at := r.text("uploadUrl")
	w.ids["session"] = at[strings.LastIndexByte(at, '/')+1:]
}

// presumeUpload makes the session that a request to one presumes, with what was
// sent before, and gives the request its bytes.
func (w *world) presumeUpload(c *call) {
	w.t.Helper()
	w.must("task", "POST", tasksURL, map[string]any{"title": "x"})
	size := int64(10)
	var first, last int64
	if text := c.Headers["Content-Range"]; text != "" {
		if _, err := fmt.Sscanf(text, "bytes %d-%d/%d", &first, &last, &size); err != nil {
			w.t.Fatal(err)
		}
		c.Body = bytes.Repeat([]byte("x"), int(last-first+1))
	}
	w.newSession(size)
	w.sendSlice(0, first, size)
}

// sendSlice sends the bytes from first up to end.
func (w *world) sendSlice(first, end, size int64) {
	w.t.Helper()
	for next := first; first < end; first = next {
		next = min(first+(4<<20), end)
		r := w.send(call{
			Method: "PUT", URL: taskURL + "/attachmentSessions/{session}/content", Body: bytes.Repeat([]byte("x"), int(next-first)),
			Headers: map[string]string{"Content-Range": fmt.Sprintf("bytes %d-%d/%d", first, next-1, size)},
		})
		if r.Status/100 != 2 {
			w.t.Fatalf("sending the bytes from %d to %d: %d %v", first, next, r.Status, r.Body)
		}
	}
}

// uploadObservations are those of attachments and upload sessions.
func uploadObservations() []observed {
	upload := func(w *world, c *call) { w.presumeUpload(c) }
	return []observed{
		{line: 92, request: "POST attachments/createUploadSession", setup: withTask(`{"title": "x"}`)},
		{line: 93, request: "PUT {session}/content", setup: upload},
		{line: 94, request: "PUT {session}/content", setup: func(w *world, c *call) {
			w.presumeUpload(c)
			w.sendSlice(0, 3276800, 7352377)
		}},
		{line: 95, request: "PUT {session}/content", setup: upload, then: wants(taskURL, true, "hasAttachments")},
		{line: 96, request: "PUT attachmentSessions/{session}", setup: func(w *world, c *call) {
			c.Headers = map[string]string{"Content-Range": "bytes 0-3/10"}
			w.presumeUpload(c)
		}, friendly: other{"the upload helpers of the SDKs send the bytes there", 200, ""}},
		{line: 97, request: "GET attachmentSessions/{session}", setup: upload, friendly: other{"the upload helpers of the SDKs ask it where to go on", 200, ""}},
		{line: 98, request: "DELETE attachments/{attachment}", setup: stale(func(w *world, c *call) {
			withTask(`{"title": "x"}`)(w, c)
			w.newFile("f", "", 5)
		}), then: wants(taskURL, false, "hasAttachments")},
	}
}

// uploadDifferences are those of the examples.
func uploadDifferences() []expectedDifference {
	const (
		observedStatus = "the example says 200; the service and the prose of the documentation say 201"
		otherSize      = "the size in the example is that of another file than its bytes"
	)
	files := "/users/{user}/todo/lists/{list}/tasks/{task}/attachments"
	return []expectedDifference{
		{"POST " + files, "size: 9 for 1008", otherSize},
		{"GET " + files + "/{attachment}", "value: around one entity", wrapped},
		{"GET " + files + "/{attachment}", "size: 18 for 29068", otherSize},
		{"POST " + files + "/createUploadSession", "status: 201 for 200", observedStatus},
	}
}

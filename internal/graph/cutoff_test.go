package graph

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// TestCutOff has a file replaced while it is sent: the client learns that it has
// not got all of it.
func TestCutOff(t *testing.T) {
	t.Parallel()
	db, err := store.Open(t.Context(), store.Memory, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	first := strings.Repeat("x", 64<<10) // more than is kept until the next one
	var log strings.Builder
	s := New(Options{DB: db, Log: slog.New(slog.NewTextHandler(&log, nil)), Now: time.Now})
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
		r := &request{Request: hr, w: w, header: w.Header(), now: time.Now()}
		s.run(r, func(r *request) error {
			r.header.Set("Content-Length", strconv.Itoa(2*len(first)))
			d := download{to: int64(2 * len(first)), piece: []byte(first), first: new([store.PieceSize]byte), file: todo.Attachment{ID: "gone"}}
			s.send(r, &d, r.w)
			return nil
		})
	}))
	answer, err := h.Client().Get(h.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err == nil || len(b) >= 2*len(first) {
		t.Errorf("%d bytes are read, and the error is %v", len(b), err)
	}
	h.Close() // when the handler has returned
	if !strings.Contains(log.String(), "an answer was cut off") {
		t.Errorf("the log is\n%s", log.String())
	}
}

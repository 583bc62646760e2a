package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// A disk that is really full: writes are refused in Graph's form, what was
// answered stays, reads go on, and writes too once there is space. The same
// without root, on a limited database: TestFullDisk of package store.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	disk := filepath.Join(s.dir, "data")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("duly-test", disk, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("a small disk cannot be mounted, which root may: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	addAda(t, s)
	token := strings.TrimSpace(s.must(t, "token", "--user", "ada"))
	p := s.start(t)
	var kept []string
	refused := 0
	for n := 0; refused < 20; n++ {
		title := fmt.Sprintf("Task %d", n)
		switch status, body := p.post(t, token, title); status {
		case http.StatusCreated:
			kept = append(kept, title)
		case http.StatusInsufficientStorage:
			refused++
			const want = `{"error":{"code":"quotaLimitReached","message":"The server has no space left. Nothing was changed.","innerError":{"date":`
			if !strings.HasPrefix(body, want) {
				t.Errorf("a refused write is answered %s", body)
			}
		default:
			t.Fatalf("%s: %d: %s", title, status, body)
		}
	}
	slices.Reverse(kept) // as they are listed
	p.expectTitles(t, token, kept)
	p.awaitGet(t, "/readyz", http.StatusServiceUnavailable, "No space is left for the database.\n")
	if err := syscall.Mount("duly-test", disk, "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	if status, body := p.post(t, token, "After"); status != http.StatusCreated {
		t.Errorf("with space again: %d: %s", status, body)
	}
	p.awaitGet(t, "/readyz", http.StatusOK, "ok\n")
	kept = slices.Insert(kept, 0, "After")
	p.expectTitles(t, token, kept)
	p.stop(t)
	p = s.start(t)
	p.expectTitles(t, token, kept)
	p.stop(t)
	findings := s.run(t, "doctor").Stdout // which has a word on so small a disk
	if strings.Count(findings, "problem ") != 1 || !strings.Contains(findings, "problem  space ") {
		t.Errorf("the doctor says:\n%s", findings)
	}
	t.Logf("%d tasks were answered on the small disk", len(kept)-1)
}

func (p *process) expectTitles(t *testing.T, token string, want []string) {
	t.Helper()
	var got []string
	for _, task := range p.call(t, token, "GET", tasksPath+"?$top=1000&$select=title", "", http.StatusOK)["value"].([]any) {
		got = append(got, task.(map[string]any)["title"].(string))
	}
	if !slices.Equal(got, want) {
		t.Errorf("there are %d tasks, and %d were answered", len(got), len(want))
	}
}

// post makes a task of some 50 kB.
func (p *process) post(t *testing.T, token, title string) (status int, body string) {
	t.Helper()
	text := fmt.Sprintf(`{"title": %q, "body": {"contentType": "text", "content": %q}}`, title, strings.Repeat(title+" is long. ", 3000))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+tasksPath, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	out, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(out)
}

package main

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A running server takes over the keys of a rotation: what it gave out before
// goes on as long as it is said to, delta links for good.
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	s, p, token := servingAda(t)
	const delta = "/v1.0/me/todo/lists/delta"
	link, _ := p.call(t, token, "GET", delta, "", 200)["@odata.deltaLink"].(string)
	if !strings.HasPrefix(link, p.url) {
		t.Fatalf("the link is %q", link)
	}
	link = strings.TrimPrefix(link, p.url)
	list := func() string { return strings.Join(strings.Fields(s.must(t, "key", "list")), " ") }
	one := regexp.MustCompile(`^KEY ALGORITHM SIGNS GOOD UNTIL ([-\w]{43}) RS256 now -$`).FindStringSubmatch(list())
	if one == nil {
		t.Fatalf("at first: %s", list())
	}
	s.must(t, "key", "rotate", "--delay", "1h")
	if now := list(); !regexp.MustCompile(`^KEY ALGORITHM SIGNS GOOD UNTIL ` + one[1] + ` RS256 now \S+ \S+ UTC [-\w]{43} RS256 from \S+ \S+ UTC -$`).MatchString(now) {
		t.Errorf("after a rotation: %s", now)
	}
	if out := s.must(t, "doctor"); !strings.Contains(out, one[1][:8]+" signs") || !strings.Contains(out, "signs from") {
		t.Errorf("doctor does not tell of the rotation:\n%s", out)
	}
	keys := func() int {
		_, body := get(t, p.url+"/common/discovery/v2.0/keys")
		return strings.Count(body, `"kid"`)
	}
	p.eventually(t, "two keys", func() bool { return keys() == 2 })
	p.call(t, token, "GET", delta, "", 200)
	next := regexp.MustCompile(` UTC ([-\w]{43}) RS256 from`).FindStringSubmatch(list())
	s.must(t, "key", "retire", "--", next[1])
	if now := list(); now != one[0] {
		t.Errorf("after the next key was retired: %s", now)
	}

	s.must(t, "key", "rotate", "--delay", "0s", "--keep", "0s") // as after a leak
	p.eventually(t, "the token of before ends", func() bool { return p.getStatus(t, token, delta) == 401 })
	fresh := strings.TrimSpace(s.must(t, "token", "--user", "ada"))
	p.call(t, fresh, "GET", link, "", 200)
	if keys() != 1 {
		t.Errorf("%d keys are published", keys())
	}
}

// eventually waits until something holds.
func (p *process) eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("it does not come to: %s", what)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// getStatus is the status of a GET.
func (p *process) getStatus(t *testing.T, token, path string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", p.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", fmt.Sprint("Bearer ", token))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

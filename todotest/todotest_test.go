package todotest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/duly-todo/duly/todotest"
)

func TestStart(t *testing.T) {
	t.Parallel()
	s := todotest.Start(t)
	client := s.Client("")
	res, err := client.Post(s.URL+"/v1.0/me/todo/lists/Tasks/tasks", "application/json", strings.NewReader(`{"title": "Milk"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusCreated {
		t.Fatalf("POST: %s", res.Status)
	}
	res, err = client.Get(res.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var task struct{ Title string }
	if err := json.NewDecoder(res.Body).Decode(&task); err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK || task.Title != "Milk" {
		t.Errorf("GET of the new task: %s, title %q", res.Status, task.Title)
	}
}

func TestUsersAreApart(t *testing.T) {
	t.Parallel()
	s := todotest.Start(t)
	bob := s.AddUser("bob@example.org")
	res, err := s.Client("").Get(s.URL + "/v1.0/users/" + bob + "/todo/lists")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("another user's lists: %s, want 403", res.Status)
	}
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		todotest.Start(b)
	}
}

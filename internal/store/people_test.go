package store_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

const idp = "https://login.example.org/main"

// A person is the pair of issuer and subject: the same subject of another issuer is
// somebody else, and the parts cannot be moved across.
func TestPeople(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		ada, _ := addUser(t, db, "ada")
		grace, _ := addUser(t, db, "grace")
		person := func(issuer, subject, user string) store.Person {
			return store.Person{Issuer: issuer, Subject: subject, User: user}
		}
		kind := func(err error) any {
			if e, ok := errors.AsType[*todo.Error](err); ok {
				return e.Kind
			}
			return err
		}
		for _, step := range []struct {
			name string
			err  error
			want any
		}{
			{"link", db.LinkPerson(ctx, person(idp, "1", ada.User)), nil},
			{"link again", db.LinkPerson(ctx, person(idp, "1", ada.User)), nil},
			{"link to another", db.LinkPerson(ctx, person(idp, "1", grace.User)), todo.Conflict},
			{"link to nobody", db.LinkPerson(ctx, person(idp, "2", store.NewGUID())), todo.NoSuchUser},
			{"another issuer", db.LinkPerson(ctx, person(idp+"2", "1", grace.User)), nil},
			{"unlink from another", db.UnlinkPerson(ctx, person(idp, "1", grace.User)), todo.NotFound},
			{"unlink", db.UnlinkPerson(ctx, person(idp, "1", ada.User)), nil},
			{"unlink again", db.UnlinkPerson(ctx, person(idp, "1", ada.User)), todo.NotFound},
			{"link to another now", db.LinkPerson(ctx, person(idp, "1", grace.User)), nil},
		} {
			if got := kind(step.err); got != step.want {
				t.Errorf("%s: %v, want %v", step.name, step.err, step.want)
			}
		}
		for _, p := range []store.Person{person(idp, "1", grace.User), person(idp+"2", "1", grace.User), person(idp, "21", ""), person(idp, "", "")} {
			user, err := db.Person(ctx, p)
			if user != p.User || (p.User == "") != errors.Is(err, todo.ErrNotFound) {
				t.Errorf("%v is %q, %v", p, user, err)
			}
		}
		if s, err := db.UserStanding(ctx, ada.User); err != nil || s.TokensFrom.IsZero() {
			t.Errorf("ada was not signed out: %v, %v", s, err)
		}
		for n := range 20 {
			if err := db.LinkPerson(ctx, person(idp, fmt.Sprint("many ", n), ada.User)); err != nil {
				t.Fatalf("link %d: %v", n, err)
			}
		}
		first, err := db.People(ctx, 0, 15)
		rest, err2 := db.People(ctx, 15, 15)
		if err := errors.Join(err, err2); err != nil || len(first) != 15 || len(rest) != 7 {
			t.Errorf("%d and %d links, %v", len(first), len(rest), err)
		}
	})
}

// Of many who make the same person at once, one does; a name that is taken is
// nobody's way into that mailbox.
func TestAddPersonRace(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		ada, _ := addUser(t, db, "ada")
		var (
			at    sync.WaitGroup
			mu    sync.Mutex
			users = map[string]int{}
			added int
		)
		for range 8 {
			at.Go(func() {
				u, err := todo.NewUser(store.NewGUID(), "ADA", "Another Ada", "", time.Now())
				if err != nil {
					t.Error(err)
				}
				user, isNew, err := db.AddPerson(ctx, store.Person{Issuer: idp, Subject: "1"}, u, "spare@"+u.ID, "app")
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				users[user]++
				if isNew {
					added++
				}
			})
		}
		at.Wait()
		all, err := db.Users(ctx, 0, 10)
		if len(users) != 1 || users[ada.User] != 0 || added != 1 || len(all) != 2 || err != nil {
			t.Fatalf("users %v, added %d, all %v, %v", users, added, all, err)
		}
		for id := range users {
			u, err := db.User(ctx, id)
			if err != nil || u.UserPrincipalName == "ADA" || u.DisplayName != "Another Ada" {
				t.Errorf("the new user is %v, %v", u, err)
			}
		}
	})
}

// A sign-in elsewhere comes back once, in time, and in the browser that it began in.
func TestExternalSignIns(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		put := func(state string, life time.Duration) {
			t.Helper()
			s := store.ExternalSignIn{State: state, Browser: "browser", Issuer: idp, Path: "/account", Expires: time.Now().Add(life).UTC().Truncate(time.Microsecond)}
			if err := db.PutExternalSignIn(ctx, s); err != nil {
				t.Fatal(err)
			}
			if life < 0 {
				return
			}
			if _, err := db.TakeExternalSignIn(ctx, state, "other"); !errors.Is(err, todo.ErrNotFound) {
				t.Errorf("another browser: %v", err)
			}
			got, err := db.TakeExternalSignIn(ctx, state, "browser")
			if diff := cmp.Diff(s, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got)\n%s", err, diff)
			}
		}
		put("one", time.Minute)
		put("late", -time.Minute)
		for _, state := range []string{"one", "late", "never"} {
			if s, err := db.TakeExternalSignIn(ctx, state, "browser"); !errors.Is(err, todo.ErrNotFound) {
				t.Errorf("%s: %v, %v", state, s, err)
			}
		}
	})
}

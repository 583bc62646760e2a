package webhook_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// inBubble runs a test on a clock of its own, with a rig that is closed after it.
func inBubble(t *testing.T, net hosts, test func(t *testing.T, r *rig)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, store.Memory, net)
		r.run()
		defer r.close()
		test(t, r)
	})
}

// What is told of a change, and what of it is asked for.
func TestPayload(t *testing.T) {
	hook := &endpoint{}
	inBubble(t, hosts{"hook": hook}, func(t *testing.T, r *rig) {
		sub := r.subscribe(nil)
		made := r.addTask("Milk")
		changed := r.patchTask(made, "Bread")
		r.deleteTask(changed)
		synctest.Wait()
		got := hook.all()
		if kinds(got) != "created updated deleted" {
			t.Fatalf("told %q", kinds(got))
		}
		resource := "Users/" + r.user + "/todo/lists/" + r.list.ID + "/tasks/" + made.ID
		n := got[1]
		if n.SubscriptionID != sub.ID || !n.SubscriptionExpirationDateTime.Equal(sub.Expires) || *n.ClientState != "state" || n.Resource != resource || n.TenantID != tenant || n.SequenceNumber != 0 {
			t.Errorf("got %+v", n)
		}
		if d := n.ResourceData; d.Type != "#Microsoft.Graph.todoTask" || d.Name != resource || d.ID != made.ID || d.ETag != odata.NewETag(changed.Version, changed.Modified).String() {
			t.Errorf("got %+v", d)
		}
		if !store.ValidGUID(n.ID) || n.ID == got[0].ID {
			t.Errorf("ids %s and %s", got[0].ID, n.ID)
		}
	})
}

func TestScopes(t *testing.T) {
	hook := &endpoint{}
	inBubble(t, hosts{"hook": hook}, func(t *testing.T, r *rig) {
		task := r.addTask("before")
		scopes := map[string]func(*store.Subscription){
			"created":     func(s *store.Subscription) { s.Ops = store.Created.Of() },
			"one task":    func(s *store.Subscription) { s.TaskID = task.ID },
			"lists":       func(s *store.Subscription) { s.Kind, s.ListID = store.ListChange, "" },
			"other list":  func(s *store.Subscription) { s.ListID = "other" },
			"beta":        func(s *store.Subscription) { s.Beta = true; s.Ops = store.Deleted.Of() },
			"stateless":   func(s *store.Subscription) { s.ClientState = ""; s.Ops = store.Deleted.Of() },
			"all updates": func(s *store.Subscription) { s.ListID = ""; s.Ops = store.Updated.Of() },
		}
		names := map[string]string{}
		for name, scope := range scopes {
			names[r.subscribe(scope).ID] = name
		}
		other := r.addTask("other")
		task = r.patchTask(task, "changed")
		old := r.list
		r.newList()
		r.list = old
		r.deleteTask(other)
		r.deleteTask(task)
		synctest.Wait()
		got := map[string]string{}
		for _, n := range hook.all() {
			name := names[n.SubscriptionID]
			got[name] += n.ChangeType + " "
			if (n.SequenceNumber > 0) != (name == "beta") || (n.ClientState == nil) != (name == "stateless") {
				t.Errorf("%s: %+v", name, n)
			}
		}
		want := map[string]string{
			"created": "created ", "one task": "updated deleted ", "lists": "created ", "beta": "deleted deleted ", "stateless": "deleted deleted ", "all updates": "updated ",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// What an endpoint refuses is sent again later, the same and in the same order.
func TestRetry(t *testing.T) {
	hook := &endpoint{}
	var refused []notified
	inBubble(t, hosts{"hook": hook}, func(t *testing.T, r *rig) {
		hook.set(func(w http.ResponseWriter, _ *http.Request, n []notified) {
			refused = append(refused, n...)
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		sub := r.subscribe(nil)
		task := r.addTask("a")
		synctest.Wait()
		r.patchTask(task, "b")
		synctest.Wait()
		if row, err := r.row(sub); err != nil || row.Attempts != 1 || row.Told != sub.Told || !row.NextAttempt.Equal(time.Now().Add(10*time.Second)) {
			t.Errorf("after a refusal %+v, %v", row.Delivery, err)
		}
		hook.set(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		got := hook.all()
		if kinds(got) != "created updated" || len(refused) != 1 || got[0].ID != refused[0].ID {
			t.Errorf("told %q after %q", kinds(got), kinds(refused))
		}
		if row, err := r.row(sub); err != nil || row.Attempts != 0 || !row.FailingSince.IsZero() {
			t.Errorf("after success %+v, %v", row.Delivery, err)
		}
	})
}

// An endpoint that is dead for four hours is told no more of what it has missed,
// but of what comes later.
func TestGiveUp(t *testing.T) {
	hook, life := &endpoint{}, &endpoint{}
	inBubble(t, hosts{"hook": hook, "life": life}, func(t *testing.T, r *rig) {
		hook.set(stall)
		life.set(status(http.StatusInternalServerError))
		sub := r.subscribe(func(s *store.Subscription) { s.LifecycleURL = "https://life/" })
		begin := time.Now()
		r.addTask("missed")
		time.Sleep(3*time.Hour + 59*time.Minute)
		if row, err := r.row(sub); err != nil || row.Lifecycle != 0 || row.FailingSince.IsZero() {
			t.Errorf("before four hours %+v, %v", row.Delivery, err)
		}
		r.addTask("missed too")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if row, err := r.row(sub); err != nil || row.Lifecycle != store.Missed || !row.FailingSince.IsZero() || row.Told == sub.Told {
			t.Errorf("after four hours %+v, %v", row.Delivery, err)
		}
		calls := hook.callTimes()
		for i, want := range []time.Duration{10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute, time.Hour} {
			gap := calls[i+1].Sub(calls[i]) - 10*time.Second // for the timeout
			if gap < want || gap > want+15*time.Second {
				t.Errorf("%v between the calls %d and %d, want %v", gap, i, i+1, want)
			}
		}
		if last := calls[len(calls)-1].Sub(begin); last < 4*time.Hour {
			t.Errorf("the last call came after %v", last)
		}
		hook.set(nil)
		life.set(nil)
		task := r.addTask("later")
		synctest.Wait()
		if got := hook.all(); len(got) != 1 || got[0].ResourceData.ID != task.ID {
			t.Errorf("told %q later", kinds(got))
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if got := life.all(); kinds(got) != "missed" || got[0].SubscriptionID != sub.ID || got[0].ResourceData != nil {
			t.Errorf("the lifecycle URL was told %q", kinds(got))
		}
	})
}

// Those who stall do not keep others waiting.
func TestSlowEndpoints(t *testing.T) {
	good := &endpoint{}
	net := hosts{"good": good}
	for i := range 40 {
		net[fmt.Sprintf("bad%d", i)] = &endpoint{answer: stall}
	}
	inBubble(t, net, func(t *testing.T, r *rig) {
		for host := range net {
			for range 5 {
				r.subscribe(func(s *store.Subscription) { s.App, s.NotificationURL = host, "https://"+host+"/" })
			}
		}
		r.addTask("first") // 200 stall, more than all slots
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		for n := range 20 {
			begin := time.Now()
			r.addTask("next")
			synctest.Wait()
			if got := len(good.all()); got != 5*(n+2) {
				t.Fatalf("%d were told at once, want %d", got, 5*(n+2))
			}
			if took := time.Since(begin); took > 0 {
				t.Fatalf("it took %v", took)
			}
			time.Sleep(time.Duration(n) * time.Second)
		}
		net["bad7"].(*endpoint).set(nil)
		time.Sleep(2 * time.Hour)
		r.addTask("well again")
		synctest.Wait()
		if got := len(net["bad7"].(*endpoint).all()); got != 5*22 {
			t.Errorf("an endpoint that is well again was told %d changes, want %d", got, 5*22)
		}
	})
}

func TestLifecycle(t *testing.T) {
	hook, life := &endpoint{}, &endpoint{}
	inBubble(t, hosts{"hook": hook, "life": life}, func(t *testing.T, r *rig) {
		sub := r.subscribe(func(s *store.Subscription) {
			s.LifecycleURL = "https://life/"
			s.ReauthorizeAt = todo.ReauthorizeAt(s.Created, s.Expires)
		})
		time.Sleep(time.Until(sub.ReauthorizeAt) - time.Second)
		synctest.Wait()
		if got := life.all(); len(got) != 0 {
			t.Fatalf("told %q too early", kinds(got))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := life.all(); kinds(got) != "reauthorizationRequired" || *got[0].ClientState != "state" || got[0].TenantID != tenant {
			t.Fatalf("told %q", kinds(got))
		}
		r.update(func(tx *store.Tx) error { // renewal
			sub, err := tx.Subscription(sub.ID)
			if err != nil {
				return err
			}
			sub.Expires = tx.Now().Add(48 * time.Hour)
			sub.ReauthorizeAt = todo.ReauthorizeAt(tx.Now(), sub.Expires)
			return tx.UpdateSubscription(sub)
		})
		time.Sleep(47 * time.Hour)
		r.addTask("in the last hour")
		synctest.Wait()
		if got := life.all(); kinds(got) != "reauthorizationRequired reauthorizationRequired" || kinds(hook.all()) != "created" {
			t.Errorf("told %q and %q", kinds(got), kinds(hook.all()))
		}
		time.Sleep(time.Hour + time.Minute)
		synctest.Wait()
		r.addTask("too late")
		synctest.Wait()
		if _, err := r.row(sub); !errors.Is(err, todo.ErrNotFound) || kinds(hook.all()) != "created" {
			t.Errorf("after the end: %v, told %q", err, kinds(hook.all()))
		}
		mailboxes, err := r.db.SubscribedMailboxes(t.Context())
		if err != nil || len(mailboxes) != 0 {
			t.Errorf("the expired subscription is still stored: %v, %v", mailboxes, err)
		}
	})
}

// A subscription that is moved to another URL while its lifecycle URL is being
// called is told at once from then on.
func TestMovedMeanwhile(t *testing.T) {
	hook, other, life := &endpoint{answer: status(500)}, &endpoint{}, &endpoint{answer: stall}
	inBubble(t, hosts{"hook": hook, "other": other, "life": life}, func(t *testing.T, r *rig) {
		sub := r.subscribe(func(s *store.Subscription) {
			s.LifecycleURL = "https://life/"
			s.ReauthorizeAt = s.Created.Add(2 * time.Hour)
		})
		r.addTask("a")
		for len(life.callTimes()) == 0 {
			time.Sleep(time.Second)
			synctest.Wait()
		}
		r.update(func(tx *store.Tx) error {
			sub, err := tx.Subscription(sub.ID)
			if err != nil {
				return err
			}
			if sub.NextAttempt.Before(tx.Now().Add(time.Minute)) {
				t.Errorf("the next attempt is at %v, too early for this test", sub.NextAttempt)
			}
			sub.NotificationURL, sub.Attempts, sub.FailingSince, sub.NextAttempt = "https://other/", 0, time.Time{}, time.Time{}
			return tx.UpdateSubscription(sub)
		})
		time.Sleep(15 * time.Second) // the call of the lifecycle URL is over
		synctest.Wait()
		r.addTask("b")
		synctest.Wait()
		if got := other.all(); kinds(got) != "created created" {
			t.Errorf("told %q", kinds(got))
		}
	})
}

// An endpoint that was allowed once, and is no more, is not called.
func TestClosedSince(t *testing.T) {
	hook := &endpoint{}
	inBubble(t, hosts{"hook": hook, "10.0.0.1": hook}, func(t *testing.T, r *rig) {
		for _, url := range []string{"http://hook/", "https://10.0.0.1/"} {
			sub := r.subscribe(func(s *store.Subscription) { s.NotificationURL = url })
			r.addTask("a")
			synctest.Wait()
			if row, err := r.row(sub); err != nil || row.Attempts != 1 || len(hook.callTimes()) != 0 {
				t.Errorf("%s: %+v, %v, %d calls", url, row.Delivery, err, len(hook.callTimes()))
			}
		}
	})
}

// The end of a list comes after the changes that were waiting.
func TestListDeleted(t *testing.T) {
	for _, lifecycle := range []string{"https://life/", ""} {
		t.Run("lifecycle URL "+lifecycle, func(t *testing.T) {
			hook, life := &endpoint{answer: status(500)}, &endpoint{}
			inBubble(t, hosts{"hook": hook, "life": life}, func(t *testing.T, r *rig) {
				r.newList()
				sub := r.subscribe(func(s *store.Subscription) { s.LifecycleURL = lifecycle })
				r.addTask("a")
				r.update(func(tx *store.Tx) error { return tx.DeleteList(r.list) })
				synctest.Wait()
				if len(life.all()) != 0 {
					t.Fatal("the end was told before the changes")
				}
				hook.set(nil)
				time.Sleep(time.Minute)
				synctest.Wait()
				want := map[bool]string{true: "subscriptionRemoved"}[lifecycle != ""]
				if kinds(hook.all()) != "created" || kinds(life.all()) != want {
					t.Errorf("told %q, and %q of its life", kinds(hook.all()), kinds(life.all()))
				}
				if _, err := r.row(sub); !errors.Is(err, todo.ErrNotFound) {
					t.Errorf("the subscription: %v", err)
				}
			})
		})
	}
}

// What is given up with its list is both missed and removed.
func TestListDeletedAndGivenUp(t *testing.T) {
	hook, life := &endpoint{answer: status(500)}, &endpoint{}
	inBubble(t, hosts{"hook": hook, "life": life}, func(t *testing.T, r *rig) {
		r.newList()
		r.subscribe(func(s *store.Subscription) { s.LifecycleURL = "https://life/" })
		r.addTask("a")
		r.update(func(tx *store.Tx) error { return tx.DeleteList(r.list) })
		time.Sleep(5 * time.Hour)
		synctest.Wait()
		if kinds(life.all()) != "missed subscriptionRemoved" {
			t.Errorf("told %q", kinds(life.all()))
		}
	})
}

// What is committed before a stop is told after the next start.
func TestRestart(t *testing.T) {
	t.Parallel()
	path := dataFile(t)
	synctest.Test(t, func(t *testing.T) {
		hook := &endpoint{answer: stall}
		r := newRig(t, path, hosts{"hook": hook})
		r.run()
		r.subscribe(nil)
		r.addTask("in flight")
		synctest.Wait()
		begin := time.Now()
		r.close()
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("the stop took %v", took)
		}
		r.open()
		r.addTask("nobody looks")
		hook.set(nil)
		r.run()
		synctest.Wait()
		if kinds(hook.all()) != "created created" || len(hook.callTimes()) != 2 {
			t.Errorf("told %q", kinds(hook.all()))
		}
		r.close() // which writes what is told
		r.open()
		r.run()
		synctest.Wait()
		if len(hook.callTimes()) != 2 {
			t.Errorf("after a stop %q is told again", kinds(hook.all()[2:]))
		}
		r.close()
	})
}

// How far a subscription has come never goes back, and whoever has given up
// goes on from there.
func TestToldGoesOn(t *testing.T) {
	hook := &endpoint{}
	inBubble(t, hosts{"hook": hook}, func(t *testing.T, r *rig) {
		sub := r.subscribe(nil)
		for range 3 {
			r.addTask("a")
			synctest.Wait()
		}
		time.Sleep(time.Second) // it is written with others
		row, err := r.row(sub)
		if log := r.log(); err != nil || row.Told != log[len(log)-1].Version {
			t.Fatalf("after a second %+v, %v", row.Delivery, err)
		}
		r.update(func(tx *store.Tx) error { return tx.SetTold(sub.ID, row.Told-1) })
		if now, err := r.row(sub); err != nil || now.Told != row.Told {
			t.Errorf("from %d to %d, %v", row.Told, now.Told, err)
		}
		if len(hook.callTimes()) != 3 {
			t.Errorf("told %q", kinds(hook.all()))
		}
	})
}

// Random writers and an endpoint that fails at random: in the end it has been
// told of each change, in the order of the log.
func TestRandomDeliveries(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			hook := &endpoint{}
			inBubble(t, hosts{"hook": hook}, func(t *testing.T, r *rig) {
				random, chance := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2))
				hook.set(func(w http.ResponseWriter, req *http.Request, n []notified) {
					switch chance.IntN(4) {
					case 0:
						w.WriteHeader(http.StatusInternalServerError)
					case 1:
						stall(w, req, n)
					case 2:
						time.Sleep(time.Duration(chance.IntN(9000)) * time.Millisecond)
					}
				})
				sub := r.subscribe(nil)
				var tasks []todo.Task
				for range 400 {
					switch k := random.IntN(10); {
					case k < 4 || len(tasks) == 0:
						tasks = append(tasks, r.addTask("new"))
					case k < 8:
						i := random.IntN(len(tasks))
						tasks[i] = r.patchTask(tasks[i], fmt.Sprint(random.Int()))
					default:
						i := random.IntN(len(tasks))
						r.deleteTask(tasks[i])
						tasks = slices.Delete(tasks, i, i+1)
					}
					if random.IntN(5) == 0 {
						time.Sleep(time.Duration(random.IntN(20_000)) * time.Millisecond)
					}
				}
				for begin := time.Now(); ; time.Sleep(time.Minute) {
					synctest.Wait()
					if row, err := r.row(sub); err != nil || time.Since(begin) > 3*time.Hour {
						t.Fatalf("not all is told: %+v, %v", row.Delivery, err)
					} else if log := r.log(); row.Told == log[len(log)-1].Version {
						break
					}
				}
				var want, got []string
				for _, c := range r.log() {
					if c.Version > sub.Told {
						want = append(want, c.ItemID+odata.NewETag(c.Version, c.At).String())
					}
				}
				for _, n := range hook.all() {
					got = append(got, n.ResourceData.ID+n.ResourceData.ETag)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

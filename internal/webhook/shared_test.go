package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/pgtest"
	"github.com/duly-todo/duly/internal/store"
)

// Two servers on one database tell each change once, in the order of the log,
// whichever of them has committed it. They find it by looking: no hint wakes them.
func TestServersTellOnce(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Lend(t, func(dsn string) error {
		db, err := store.Open(context.Background(), dsn, time.Now)
		if err != nil {
			return err
		}
		return db.Close()
	})
	synctest.Test(t, func(t *testing.T) {
		hook, life := &endpoint{}, &endpoint{}
		r := newRig(t, dsn+"&hints=off", hosts{"hook": hook, "life": life})
		r.run()
		defer r.close()
		other := &rig{t: t, path: dsn + "&hints=off", net: r.net, user: r.user, list: r.list}
		other.open()
		other.run()
		defer other.close()
		slow := func(_ http.ResponseWriter, _ *http.Request, n []notified) { time.Sleep(200 * time.Millisecond) }
		hook.set(slow)
		life.set(slow)
		sub := r.subscribe(func(s *store.Subscription) {
			s.LifecycleURL, s.ReauthorizeAt = "https://life/", s.Created.Add(10*time.Second)
		})
		time.Sleep(15 * time.Second) // until both know of it
		for n := range 60 {
			[]*rig{r, other}[n%2].addTask(fmt.Sprint(n))
			if n%7 == 0 {
				time.Sleep(time.Duration(n) * 10 * time.Millisecond)
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
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
		if kinds(life.all()) != "reauthorizationRequired" {
			t.Errorf("its life was told %q", kinds(life.all()))
		}

		// What a server was telling when it crashed, another one tells once its lease
		// has run out.
		r.update(func(tx *store.Tx) error {
			_, err := tx.TakeLease(store.Lease{Subscription: sub.ID, By: "crashed"}, tx.Now().Add(30*time.Second))
			return err
		})
		r.addTask("left behind")
		time.Sleep(29 * time.Second)
		synctest.Wait()
		if len(hook.all()) != len(got) {
			t.Error("it was told while another server had the lease")
		}
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if len(hook.all()) != len(got)+1 {
			t.Errorf("after the lease %d were told", len(hook.all())-len(got))
		}
	})
}

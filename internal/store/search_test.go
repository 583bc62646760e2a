package store_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/duly-todo/duly/internal/odata"
	"github.com/duly-todo/duly/internal/store"
	"github.com/duly-todo/duly/internal/todo"
)

// TestSearchAgrees compares the full-text index, after a random history of
// writes, with a look at the words of every task.
func TestSearchAgrees(t *testing.T) {
	t.Parallel()
	eachDatabase(t, testSearchAgrees)
}

func testSearchAgrees(t *testing.T, db *store.DB) {
	as, list := addUser(t, db, "adele")
	other, otherList := addUser(t, db, "bob")
	r := rand.New(rand.NewPCG(5, 5))
	words := strings.Fields("milk bread butter milkshake tea teapot green red blue call mail 42 answer list")
	phrase := func() string {
		n := 1 + r.IntN(4)
		picked := make([]string, n)
		for i := range picked {
			picked[i] = words[r.IntN(len(words))]
		}
		return strings.Join(picked, " ")
	}
	model := map[string]string{} // all words by id
	for range 120 {
		update(t, db, as, func(tx *store.Tx) error {
			task := todo.Task{
				ID: tx.NewID(), ListID: list, Title: phrase(), Body: todo.Body{Content: phrase()}, Created: tx.Now(), Modified: tx.Now(),
				ChecklistItems:  []todo.ChecklistItem{{ID: tx.NewGUID(), Name: phrase(), Created: tx.Now()}},
				LinkedResources: []todo.LinkedResource{{ID: tx.NewGUID(), ApplicationName: phrase()}},
			}
			if err := tx.InsertTask(&task); err != nil {
				return err
			}
			if r.IntN(4) == 0 {
				return tx.DeleteTask(list, task.ID)
			}
			next := task
			if r.IntN(2) == 0 {
				next.Title, next.ChecklistItems = phrase(), nil
			}
			model[task.ID] = next.Title + " " + next.Body.Content + " " + next.LinkedResources[0].ApplicationName
			for _, c := range next.ChecklistItems {
				model[task.ID] += " " + c.Name
			}
			return tx.UpdateTask(task, &next)
		})
		update(t, db, other, func(tx *store.Tx) error {
			return tx.InsertTask(&todo.Task{ID: tx.NewID(), ListID: otherList, Title: strings.Join(words, " "), Created: tx.Now(), Modified: tx.Now()})
		})
	}
	found := 0
	for range 400 {
		a, b := words[r.IntN(len(words))], words[r.IntN(len(words))]
		text, match := a, func(s string) bool { return hasWord(s, a) }
		switch r.IntN(5) {
		case 0:
			text, match = a+" "+b, func(s string) bool { return hasWord(s, a) && hasWord(s, b) }
		case 1:
			text, match = a+" OR "+b, func(s string) bool { return hasWord(s, a) || hasWord(s, b) }
		case 2:
			text, match = a+" NOT "+b, func(s string) bool { return hasWord(s, a) && !hasWord(s, b) }
		case 3:
			text, match = "NOT "+a, func(s string) bool { return !hasWord(s, a) }
		}
		search, err := odata.ParseSearch(text)
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for id, all := range model {
			if match(all) {
				want = append(want, id)
			}
		}
		slices.Sort(want)
		view(t, db, as, func(tx *store.Tx) error {
			got, err := tx.QueryTasks(store.TaskQuery{Search: search, Limit: 1000})
			if err != nil {
				return err
			}
			ids := idsOf(got)
			slices.Sort(ids)
			if diff := cmp.Diff(want, ids); diff != "" {
				t.Errorf("%s (-words +index):\n%s", text, diff)
			}
			n, err := tx.CountTasks(store.TaskQuery{List: list, Search: search})
			if n != len(want) {
				t.Errorf("%s: count %d, want %d", text, n, len(want))
			}
			found += n
			return err
		})
	}
	t.Logf("400 searches over %d tasks agree; %d found", len(model), found)
}

// hasWord says whether a word of s begins with prefix.
func hasWord(s, prefix string) bool {
	return slices.ContainsFunc(strings.Fields(s), func(w string) bool { return strings.HasPrefix(w, prefix) })
}

func TestSearchRanksAndTakesAnyText(t *testing.T) {
	t.Parallel()
	eachDatabase(t, testSearchRanksAndTakesAnyText)
}

func testSearchRanksAndTakesAnyText(t *testing.T, db *store.DB) {
	as, list := addUser(t, db, "adele")
	update(t, db, as, func(tx *store.Tx) error {
		for _, task := range []todo.Task{{Title: "Tea", Body: todo.Body{Content: "<p>buy <b>Bröt</b></p>", Type: todo.HTML}}, {Title: "Brot kaufen"}} {
			task.ID, task.ListID, task.Created, task.Modified = tx.NewID(), list, time.Now().UTC(), time.Now().UTC()
			if err := tx.InsertTask(&task); err != nil {
				return err
			}
		}
		return nil
	})
	for text, want := range map[string][]string{
		"brot": {"Brot kaufen", "Tea"}, "BRÖT": {"Brot kaufen", "Tea"}, `"buy brot"`: {"Tea"}, "nothing": nil,
		`a*b`: nil, `title:brot`: nil, `"`: nil, `^`: nil, "brot\x00": {"Brot kaufen", "Tea"}, `NEAR(a b)`: nil, `{x} : y`: nil, `')--`: nil,
	} {
		search, err := odata.ParseSearch(text)
		if err != nil {
			continue // refused as it should be, with a message
		}
		view(t, db, as, func(tx *store.Tx) error {
			got, err := tx.QueryTasks(store.TaskQuery{List: list, Search: search, Limit: 10})
			if err != nil {
				t.Errorf("%q: %v", text, err)
			}
			var titles []string
			for _, task := range got {
				titles = append(titles, task.Title)
			}
			if want != nil && !slices.Equal(titles, want) {
				t.Errorf("%q finds %q, want %q", text, titles, want)
			}
			return nil
		})
	}
}

package store_test

import (
	"fmt"
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

// TestSearchesAgree asks SQLite and PostgreSQL for the same, with phrases, signs
// between words, and accents, and compares what they find.
func TestSearchesAgree(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(9, 9))
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	word := func() string {
		return pick("milk", "Milch", "BRÖT", "brot", "tea-pot", "teapot", "e.g.", "a", "über", "Σίσυφος", "42", "№5", "日本", "it's", "x_y", "🎉", "\\", "'", ":*", "&", "!", "<->", "\x00", "ı", "café")
	}
	texts := make([]todo.Task, 150)
	for i := range texts {
		text := func() string {
			words := make([]string, r.IntN(6))
			for i := range words {
				words[i] = word()
			}
			return strings.Join(words, pick(" ", " ", "-", ", ", "\n", ""))
		}
		texts[i] = todo.Task{
			Title: text(), Body: todo.Body{Content: text()}, ChecklistItems: []todo.ChecklistItem{{Name: text()}, {Name: text()}},
			LinkedResources: []todo.LinkedResource{{ApplicationName: text(), DisplayName: text()}},
		}
	}
	var searches []odata.Search
	var asked []string
	for len(searches) < 500 {
		text := pick("", "", "NOT ") + pick(word(), `"`+word()+pick(" ", "-", "")+word()+`"`) + pick("", "", " OR ", " AND ", " ", " NOT ") + word()
		if s, err := odata.ParseSearch(text); err == nil {
			searches, asked = append(searches, s), append(asked, text)
		}
	}
	var found [2][][]int
	for i, dsn := range []string{store.Memory, postgres(t)} {
		db := open(t, dsn)
		as, list := addUser(t, db, "adele")
		place := map[string]int{}
		update(t, db, as, func(tx *store.Tx) error {
			for n, task := range texts {
				task.ID, task.ListID, task.Created, task.Modified = tx.NewID(), list, tx.Now(), tx.Now()
				for c := range task.ChecklistItems {
					task.ChecklistItems[c].ID, task.ChecklistItems[c].Created = tx.NewGUID(), tx.Now()
				}
				task.ChecklistItems = slices.Clone(task.ChecklistItems)
				task.LinkedResources = []todo.LinkedResource{task.LinkedResources[0]}
				task.LinkedResources[0].ID = tx.NewGUID()
				place[task.ID] = n
				if err := tx.InsertTask(&task); err != nil {
					return err
				}
			}
			return nil
		})
		found[i] = make([][]int, len(searches))
		view(t, db, as, func(tx *store.Tx) error {
			for n, s := range searches {
				tasks, err := tx.QueryTasks(store.TaskQuery{Search: s, Limit: 1000})
				if err != nil {
					return err
				}
				found[i][n] = nil
				for _, task := range tasks {
					found[i][n] = append(found[i][n], place[task.ID])
				}
				slices.Sort(found[i][n])
			}
			return nil
		})
	}
	total := 0
	for n := range searches {
		if diff := cmp.Diff(found[0][n], found[1][n]); diff != "" {
			t.Errorf("%q (-SQLite +PostgreSQL):\n%s", asked[n], diff)
		}
		total += len(found[0][n])
	}
	t.Logf("%d searches over %d tasks agree; %d found", len(searches), len(texts), total)
}

// TestLargeTexts writes the largest texts that a task can have, which are more
// words than an index of PostgreSQL's takes.
func TestLargeTexts(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, db *store.DB) {
		as, list := addUser(t, db, "adele")
		var b strings.Builder
		for n := 0; b.Len() < todo.MaxBody-20; n++ {
			fmt.Fprintf(&b, "word%dword ", n)
		}
		task := todo.Task{ListID: list, Title: strings.Repeat("ſ", todo.MaxTitle), Body: todo.Body{Content: b.String()}}
		update(t, db, as, func(tx *store.Tx) error {
			task.ID, task.Created, task.Modified = tx.NewID(), tx.Now(), tx.Now()
			return tx.InsertTask(&task)
		})
		update(t, db, as, func(tx *store.Tx) error {
			next := task
			next.Body.Content = strings.Repeat("same ", todo.MaxBody/5)
			next.Title = "word0word"
			if err := tx.UpdateTask(task, &next); err != nil {
				return err
			}
			return tx.UpdateTask(next, &task)
		})
		view(t, db, as, func(tx *store.Tx) error {
			for _, text := range []string{"word100word", `"word100word word101word"`, strings.Repeat("s", 2000)} {
				search, err := odata.ParseSearch(text)
				if err != nil {
					return err
				}
				got, err := tx.QueryTasks(store.TaskQuery{Search: search, Limit: 10})
				if err != nil || len(got) != 1 || got[0].Body != task.Body {
					t.Errorf("%.20s finds %d tasks, %v; want the large one", text, len(got), err)
				}
			}
			return nil
		})
	})
}

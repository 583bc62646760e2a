package compat_test

import (
	"errors"
	"strings"
	"testing"

	core "github.com/microsoftgraph/msgraph-sdk-go-core"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
)

var letters = []string{"a", "b", "c", "d", "e", "f", "g"}

// iterate reads all pages that follow the first one and returns the titles.
func iterate(t *testing.T, first models.TodoTaskCollectionResponseable, h ...string) (seen []string, err error) {
	iterator, err := core.NewPageIterator[models.TodoTaskable](first, shared.ada.adapter, models.CreateTodoTaskCollectionResponseFromDiscriminatorValue)
	if err != nil {
		return nil, err
	}
	iterator.SetHeaders(headers(h...))
	err = iterator.Iterate(t.Context(), func(task models.TodoTaskable) bool {
		seen = append(seen, value(task.GetTitle()))
		return true
	})
	return seen, err
}

func TestPageIterator(t *testing.T) {
	list, _ := newList(t, shared.ada, "Pages", titled(letters...)...)
	for _, row := range []struct {
		name    string
		options taskOptions
		headers []string
		page    int
	}{
		{"top", taskOptions{Top: new(int32(2))}, nil, 2},
		{"maxpagesize", taskOptions{}, []string{"Prefer", "odata.maxpagesize=3"}, 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			first, err := find(t.Context(), list, row.options, row.headers...)
			must(t, err)
			must(t, want("tasks on the first page", len(first.GetValue()), row.page))
			seen, err := iterate(t, first, row.headers...)
			must(t, err)
			must(t, wantAll("titles", sorted(seen), letters))
			if link := value(first.GetOdataNextLink()); !strings.Contains(link, "$skip=") {
				t.Errorf("the nextLink has no $skip, which clients look for: %s", link)
			}
		})
	}

	t.Run("pause", func(t *testing.T) {
		first, err := find(t.Context(), list, taskOptions{Top: new(int32(3))})
		must(t, err)
		iterator, err := core.NewPageIterator[models.TodoTaskable](first, shared.ada.adapter, models.CreateTodoTaskCollectionResponseFromDiscriminatorValue)
		must(t, err)
		var seen []string
		upTo := func(count int) func(models.TodoTaskable) bool {
			return func(task models.TodoTaskable) bool {
				seen = append(seen, value(task.GetTitle()))
				return len(seen) < count
			}
		}
		must(t, iterator.Iterate(t.Context(), upTo(4)), want("seen", len(seen), 4))
		must(t, iterator.Iterate(t.Context(), upTo(100)), wantAll("titles", sorted(seen), letters))
	})

	t.Run("skip", func(t *testing.T) {
		page, err := find(t.Context(), list, taskOptions{Skip: new(int32(5))})
		must(t, err)
		must(t, want("tasks", len(page.GetValue()), 2))
	})

	runChecks(t, []check{{"page iterator with all options", func(t *testing.T, _ *account) error {
		page, err := find(t.Context(), list, taskOptions{
			Filter: new("title ne 'c'"), Orderby: []string{"title desc"}, Select: []string{"title"}, Count: new(true), Top: new(int32(2)),
		})
		if err != nil {
			return err
		}
		seen, err := iterate(t, page)
		return errors.Join(err, want("count", value(page.GetOdataCount()), 6), wantAll("titles", seen, []string{"g", "f", "e", "d", "b", "a"}))
	}}})
}

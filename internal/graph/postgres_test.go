package graph_test

import (
	"context"
	"strings"
	"testing"

	"github.com/duly-todo/duly"
	"github.com/duly-todo/duly/internal/pgtest"
	"github.com/duly-todo/duly/internal/store"
)

// TestPostgres runs the conversations and the replays on PostgreSQL.
func TestPostgres(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(*testing.T){
		"script": testScript, "examples": testExamples, "observed": testObserved, "wild": testWild, "seeds": testSeedPages,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
	for name, test := range map[string]func(*testing.T){ // which run in parallel by themselves
		"odd tokens": TestEveryRouteWithOddTokens, "walk": TestRouteWalk, "subscriptions of an application": TestSubscriptionsOfApplication,
		"largest upload": TestUploadLargest, "cut upload": TestUploadCut, "upload race": TestUploadRace, "replace race": TestReplaceRace,
		"batched file": TestBatchedFile, "extensions": TestExtensionLimits, "settings": TestSelectedSettings,
	} {
		t.Run(name, test)
	}
}

// database is the Database of a test: below TestPostgres an empty one of
// PostgreSQL's, elsewhere the default.
func database(t testing.TB) string {
	t.Helper()
	switch on, _, _ := strings.Cut(t.Name(), "/"); on {
	case "TestPostgres":
		return pgtest.Lend(t, makeSchema) + noHints
	case "TestPostgres18":
		return pgtest.Lend18(t, makeSchema) + noHints
	case "TestSplit":
		return pgtest.LendSplit(t, makeSchema, splitKeys) + noHints
	}
	return ""
}

// noHints is the end of a DSN without hints: the time of a conversation's bubble would
// stand still for as long as a connection waits for one.
const noHints = "&hints=off"

func makeSchema(dsn string) error {
	s, err := duly.New(context.Background(), duly.Config{Database: dsn})
	if err != nil {
		return err
	}
	return s.Close()
}

// splitKeys are the columns that tables are spread by.
func splitKeys(dsn string) (map[string]string, error) {
	placements, _, err := store.Placements(context.Background(), dsn)
	keys := map[string]string{}
	for _, p := range placements {
		if p.Key != "" {
			keys[p.Table] = p.Key
		}
	}
	return keys, err
}

func onPostgres(t testing.TB) bool {
	return strings.HasPrefix(t.Name(), "TestPostgres") || strings.HasPrefix(t.Name(), "TestSplit")
}

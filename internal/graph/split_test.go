//go:build !race

package graph_test

import "testing"

// The race detector finds on these databases what it finds on that of TestPostgres.

// TestPostgres18 runs the conversations on PostgreSQL 18.
func TestPostgres18(t *testing.T) {
	t.Parallel()
	testScript(t)
}

// TestSplit runs the conversations and the replays on tables that are split as
// Citus splits them: each statement of each request asks one partition.
func TestSplit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(*testing.T){"script": testScript, "examples": testExamples, "observed": testObserved} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
	t.Run("uploads", TestUploadCut)
	t.Run("extensions", TestExtensionLimits)
	t.Run("settings", TestSelectedSettings)
	t.Run("subscriptions of an application", TestSubscriptionsOfApplication)
}

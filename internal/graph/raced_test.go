//go:build race

package graph_test

// raced says that the race detector is on, which makes the walks of all routes ten
// times as long: they try a part of the routes then. `make test` runs them in full
// without it.
const raced = true

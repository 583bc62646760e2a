//go:build race

package store_test

// raced says that the race detector is on, which finds on one PostgreSQL what it
// finds on all.
const raced = true

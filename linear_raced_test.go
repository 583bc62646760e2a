//go:build race

package duly_test

// historyLength is how many requests each client of a checked history makes.
const historyLength = 40

//go:build !race

package duly_test

const historyLength = 120

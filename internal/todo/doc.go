// Package todo holds the To Do domain: its types, and the rules that Microsoft's
// service applies to them. It does no I/O, reads no clock and makes no id, so
// that every rule is a pure function with a table of cases.
package todo

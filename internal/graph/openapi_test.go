package graph_test

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/duly-todo/duly/internal/graph"
)

//go:generate go test -run ^TestOpenAPI$ . -args -update

const openAPIFile = "../../docs/openapi.yaml"

// TestOpenAPI compares docs/openapi.yaml with what the table of routes and the
// metadata say; -update writes it, before the tests that run in parallel read it.
func TestOpenAPI(t *testing.T) {
	want := openAPI(graph.Routes(), readCSDL(t, getMetadata(t, "v1.0")))
	if *update {
		if err := os.WriteFile(openAPIFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(openAPIFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		gotLines, wantLines := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
		for i := range min(len(gotLines), len(wantLines)) {
			if gotLines[i] != wantLines[i] {
				t.Fatalf("docs/openapi.yaml is not what it is made from: run go generate ./internal/graph; line %d is\n%s\nfor\n%s", i+1, gotLines[i], wantLines[i])
			}
		}
		t.Fatal("docs/openapi.yaml is not what it is made from: run go generate ./internal/graph")
	}
}

// operationsOf reads the operations off the lines of the file, each as its
// method and path, with the name of it.
func operationsOf(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(openAPIFile)
	if err != nil {
		t.Fatal(err)
	}
	_, paths, _ := strings.Cut(string(text), "\npaths:\n")
	paths, _, _ = strings.Cut(paths, "\ncomponents:\n")
	out := map[string]string{}
	path, operation := "", ""
	for line := range strings.SplitSeq(paths, "\n") {
		level := len(line) - len(strings.TrimLeft(line, " "))
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch {
		case level == 2:
			path = strings.ReplaceAll(strings.Trim(key, "'"), "''", "'")
		case level == 4 && key != "parameters":
			operation = strings.ToUpper(key) + " " + path
			out[operation] = ""
		case level == 6 && key == "operationId":
			out[operation] = strings.Trim(value, " '")
		}
	}
	return out
}

// TestOpenAPIRoutes wants each route in the file, and each operation of the file
// among the routes.
func TestOpenAPIRoutes(t *testing.T) {
	t.Parallel()
	found := operationsOf(t)
	parameter := regexp.MustCompile(`\{[^}]*\}`)
	plain := map[string]bool{} // without the names of parameters
	for operation := range found {
		plain[parameter.ReplaceAllString(strings.Replace(operation, "()", "", 1), "{}")] = true
	}
	count := 0
	for _, r := range graph.Routes() {
		paths := []string{r.Path}
		if rest, ok := strings.CutPrefix(r.Path, "/users/{user}"); ok {
			paths = append(paths, "/me"+rest)
		}
		for _, p := range paths {
			count++
			if operation := r.Method + " " + parameter.ReplaceAllString(p, "{}"); !plain[operation] {
				t.Errorf("%s is not in docs/openapi.yaml", operation)
			}
		}
	}
	if len(found) != count {
		t.Errorf("docs/openapi.yaml has %d operations, and there are %d", len(found), count)
	}
	names := map[string]string{}
	for operation, name := range found {
		if name == "" || names[name] != "" {
			t.Errorf("%s and %s have the name %q", operation, names[name], name)
		}
		names[name] = operation
	}
}

// TestOpenAPIReferences follows every reference in the file.
func TestOpenAPIReferences(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(openAPIFile)
	if err != nil {
		t.Fatal(err)
	}
	_, components, _ := strings.Cut(string(text), "\ncomponents:\n")
	defined := map[string]bool{}
	section := ""
	for line := range strings.SplitSeq(components, "\n") {
		name := strings.TrimSuffix(strings.TrimSpace(line), ":")
		switch len(line) - len(strings.TrimLeft(line, " ")) {
		case 2:
			section = name
		case 4:
			defined["#/components/"+section+"/"+name] = false
		}
	}
	for _, ref := range regexp.MustCompile(`'\$ref': '([^']*)'`).FindAllStringSubmatch(string(text), -1) {
		if _, ok := defined[ref[1]]; !ok {
			t.Errorf("there is no %s", ref[1])
		}
		defined[ref[1]] = true
	}
	for name, used := range defined {
		if !used && !strings.Contains(name, "/securitySchemes/") {
			t.Errorf("nothing refers to %s", name)
		}
	}
}

// TestOpenAPIAsGraph compares the paths and names of operations with Graph's.
func TestOpenAPIAsGraph(t *testing.T) {
	t.Parallel()
	theirs := map[string]string{}
	for line := range strings.Lines(string(specFile(t, "routes.csv"))) {
		cells := strings.Split(strings.TrimSpace(line), ",")
		name, _, _ := strings.Cut(cells[3], "-") // the hash of a path
		theirs[cells[0]+" "+cells[1]] = name
	}
	notThere := []string{ // whole paths, or with "…" those below as well
		"/me/mailboxSettings/…", "/users/{user-id}/mailboxSettings/…", "/me/translateExchangeIds", "/users/{user-id}/translateExchangeIds", // not in the list
		"/", "/$metadata", "/$batch", // not in Graph's description
		"/me", "/users", "/users/{user-id}", // not in the list
		"/linkedResources", "/linkedResources/{linkedResource-id}",
		"/applications/…", // not in the list
		"/me/todo/tasks", "/users/{user-id}/todo/tasks", "/me/todo/tasks/$count", "/users/{user-id}/todo/tasks/$count",
	}
	const session = "/todo/lists/{todoTaskList-id}/tasks/{todoTask-id}/attachmentSessions/{attachmentSession-id}"
	added := []string{"PUT /me" + session, "PUT /users/{user-id}" + session} // what the SDKs do
	for operation, name := range operationsOf(t) {
		_, path, _ := strings.Cut(operation, " ")
		plain, _, _ := strings.Cut(name, "-")
		known := slices.ContainsFunc(notThere, func(p string) bool {
			below, ok := strings.CutSuffix(p, "…")
			return path == p || ok && strings.HasPrefix(path+"/", below)
		})
		if theirs[operation] != plain && !known && !slices.Contains(added, operation) {
			t.Errorf("%s is %s, and Graph's is %q", operation, name, theirs[operation])
		}
	}
}

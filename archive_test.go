package duly_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/duly-todo/duly"
)

func quiet(string, int64, int64) {}

// A mailbox is a server with one user.
type mailbox struct {
	*duly.Server
	t     *testing.T
	token string
}

func newMailbox(t *testing.T, database string) *mailbox {
	t.Helper()
	s, err := duly.New(t.Context(), duly.Config{Database: database})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := s.AddUser(t.Context(), duly.User{UserPrincipalName: "ada"}); err != nil {
		t.Fatal(err)
	}
	token, err := s.Token(t.Context(), "ada", "Tasks.ReadWrite MailboxSettings.ReadWrite User.ReadWrite", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return &mailbox{s, t, token}
}

// call sends a request below /v1.0/me, or below /v1.0 where the path is of linked
// resources, and returns the answer.
func (m *mailbox) call(method, path, body string) map[string]any {
	m.t.Helper()
	if !strings.HasPrefix(path, "/linkedResources") {
		path = "/me" + path
	}
	r := httptest.NewRequestWithContext(m.t.Context(), method, "/v1.0"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+m.token)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	m.ServeHTTP(w, r)
	var out map[string]any
	if w.Code/100 != 2 || w.Body.Len() > 0 && json.Unmarshal(w.Body.Bytes(), &out) != nil {
		m.t.Fatalf("%s %s: %d: %s", method, path, w.Code, w.Body)
	}
	return out
}

// fill makes something of everything.
func (m *mailbox) fill() {
	m.t.Helper()
	m.call("PATCH", "/mailboxSettings", `{"timeZone": "Europe/Berlin", "dateFormat": "yyyy-MM-dd", "language": {"locale": "de-DE"}}`)
	m.call("PATCH", "", `{"preferredLanguage": "tlh"}`)
	m.call("POST", "/outlook/masterCategories", `{"displayName": "Ärger \u0000 \"x\"", "color": "preset7"}`)
	m.call("DELETE", "/outlook/masterCategories/"+m.call("GET", "/outlook/masterCategories", "")["value"].([]any)[0].(map[string]any)["id"].(string), "")
	list := m.call("POST", "/todo/lists", `{"displayName": "Work\nshop"}`)["id"].(string)
	m.call("POST", "/todo/lists/"+list+"/extensions", "{\"extensionName\": \"com.x\",\n \"n\": 1, \"deep\": {\"a\": [1,\n2]}}")
	m.call("POST", "/todo/lists", `{"displayName": "Empty"}`)
	for n, body := range []string{
		`{"title": "Milk \ud83d\ude00", "importance": "high", "categories": ["Red category", "own"], "checklistItems": [{"displayName": "oats"}, {"displayName": "soy", "isChecked": true}],
			"linkedResources": [{"applicationName": "Mail", "webUrl": "https://x.example/1", "externalId": "7"}],
			"extensions": [{"@odata.type": "microsoft.graph.openTypeExtension", "extensionName": "b", "when@odata.type": "#DateTimeOffset", "when": "2026-01-01T00:00:00Z"}, {"extensionName": "a", "i": 3}]}`,
		`{"title": "Series", "dueDateTime": {"dateTime": "2026-10-25T00:00:00", "timeZone": "Europe/Berlin"}, "reminderDateTime": {"dateTime": "2026-10-25T02:30:00.1234567", "timeZone": "Europe/Berlin"},
			"recurrence": {"pattern": {"type": "weekly", "interval": 2, "daysOfWeek": ["sunday", "monday"]}, "range": {"type": "numbered", "startDate": "2026-10-25", "numberOfOccurrences": 5}}}`,
		`{"title": "Ending", "dueDateTime": {"dateTime": "2026-10-25", "timeZone": "UTC"},
			"recurrence": {"pattern": {"type": "daily", "interval": 1}, "range": {"type": "endDate", "startDate": "2026-10-25", "endDate": "2026-10-26"}}}`,
		`{"title": "Done", "status": "completed", "completedDateTime": {"dateTime": "2001-02-03", "timeZone": "Pacific Standard Time"}}`,
		`{"title": "HTML", "body": {"contentType": "html", "content": "<p>a <b>b</b>&amp;</p>\n"}, "startDateTime": {"dateTime": "2026-01-01", "timeZone": "Tokyo Standard Time"}}`,
	} {
		list := map[bool]string{true: list, false: "Tasks"}[n%2 == 0]
		task := m.call("POST", "/todo/lists/"+list+"/tasks", body)["id"].(string)
		if strings.Contains(body, "recurrence") { // its first occurrence is done
			m.call("PATCH", "/todo/lists/"+list+"/tasks/"+task, `{"status": "completed"}`)
		}
		if n > 1 {
			continue
		}
		for name, content := range map[string]string{"../a.txt": "aGVsbG8=", "empty": ""} {
			m.call("POST", "/todo/lists/"+list+"/tasks/"+task+"/attachments", fmt.Sprintf(`{"@odata.type": "#microsoft.graph.taskFileAttachment", "name": %q, "contentType": "text/plain", "contentBytes": %q}`, name, content))
		}
	}
	m.call("POST", "/linkedResources", `{"applicationName": "Loose", "displayName": "end"}`)
}

// export writes the archive and returns its file.
func (m *mailbox) export() string {
	m.t.Helper()
	path := filepath.Join(m.t.TempDir(), "ada.zip")
	if _, err := m.Export(m.t.Context(), "ada", path, "v1", quiet); err != nil {
		m.t.Fatal(err)
	}
	return path
}

// mustImport imports and returns what was added.
func (m *mailbox) mustImport(path string, newIDs bool) duly.ArchiveCounts {
	m.t.Helper()
	report, err := m.Import(m.t.Context(), path, "ada", newIDs, quiet)
	if err != nil {
		m.t.Fatal(err)
	}
	return report.Added
}

// unzipped are the files of an archive.
func unzipped(t *testing.T, path string) map[string]string {
	t.Helper()
	z, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	out := map[string]string{}
	for _, f := range z.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		out[f.Name] = string(text)
	}
	return out
}

// content is unzipped without the manifest, which says when and by whom.
func content(t *testing.T, path string) map[string]string {
	t.Helper()
	files := unzipped(t, path)
	delete(files, "manifest.json")
	return files
}

// TestArchive brings a mailbox from SQLite to PostgreSQL and back: the archives are
// the same to the byte, and an import may be repeated.
func TestArchive(t *testing.T) {
	t.Parallel()
	source := newMailbox(t, "")
	source.fill()
	first := source.export()
	want := content(t, first)
	if !strings.Contains(want["tasks.jsonl"], `"@duly.occurrence":2`) || len(want) != 9 {
		t.Fatalf("the archive holds %q", want)
	}
	path := first
	for _, database := range []string{postgres(t), ""} {
		m := newMailbox(t, database)
		added := m.mustImport(path, false)
		if want := (duly.ArchiveCounts{Categories: 6, Lists: 3, Tasks: 7, ChecklistItems: 2, LinkedResources: 2, Extensions: 3, Attachments: 4}); added != want {
			t.Errorf("added %+v, want %+v", added, want)
		}
		again := m.export()
		if diff := cmp.Diff(want, content(t, again)); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if added := m.mustImport(again, false); added != (duly.ArchiveCounts{}) {
			t.Errorf("a second import adds %+v", added)
		}
		found := m.call("GET", "/todo/lists/Tasks/tasks?$search=series", "")["value"].([]any)
		if len(found) == 0 {
			t.Error("what was imported is not found by its words")
		}
		path = again
	}
	if diff := cmp.Diff(want, content(t, path)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestImportBeside brings an archive into a mailbox that is in use: what is there
// stays, and with other ids all comes once more.
func TestImportBeside(t *testing.T) {
	t.Parallel()
	source := newMailbox(t, "")
	source.fill()
	path := source.export()
	m := newMailbox(t, "")
	mine := m.call("POST", "/todo/lists/Tasks/tasks", `{"title": "mine"}`)["id"].(string)
	m.call("POST", "/todo/lists", `{"displayName": "empty"}`)
	added := m.mustImport(path, false)
	if added.Tasks != 7 || added.Lists != 2 || added.Attachments != 4 || added.Categories != 1 {
		t.Errorf("added %+v", added)
	}
	if got := m.call("GET", "/todo/lists/Tasks/tasks/"+mine, "")["title"]; got != "mine" {
		t.Errorf("the task that was there is %v", got)
	}
	var names []string
	for _, l := range m.call("GET", "/todo/lists", "")["value"].([]any) {
		names = append(names, l.(map[string]any)["displayName"].(string))
	}
	slices.Sort(names)
	if diff := cmp.Diff([]string{"Empty (1)", "Tasks", "Work\nshop", "empty"}, names); diff != "" {
		t.Errorf("lists (-want +got)\n%s", diff)
	}
	for n, want := range []duly.ArchiveCounts{{Lists: 2, Tasks: 7, ChecklistItems: 2, LinkedResources: 2, Extensions: 3, Attachments: 4}, {}} {
		if added := m.mustImport(path, true); added != want {
			t.Errorf("import %d with other ids adds %+v, want %+v", n, added, want)
		}
	}
	task := m.call("GET", "/todo/lists/Tasks/tasks?$filter=title%20eq%20'Series'", "")["value"].([]any)[0].(map[string]any)
	m.call("DELETE", "/todo/lists/Tasks/tasks/"+task["id"].(string), "")
	if added := m.mustImport(path, false); added.Tasks > 1 {
		t.Errorf("an import after one was deleted adds %+v", added)
	}
}

// TestImportGoesOn cuts an import off, at a moment that its progress names: the next
// one adds what is missing.
func TestImportGoesOn(t *testing.T) {
	t.Parallel()
	source := newMailbox(t, "")
	source.fill()
	path := source.export()
	m := newMailbox(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	_, err := m.Import(ctx, path, "ada", false, func(step string, _, _ int64) {
		if step == "importing tasks" {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("cut off: %v", err)
	}
	m.mustImport(path, false)
	if diff := cmp.Diff(content(t, path), content(t, m.export())); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// An archiveFile is a file of an archive that a test makes.
type archiveFile struct{ name, text string }

func zipOf(t *testing.T, files ...archiveFile) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, f := range files {
		w, err := z.CreateHeader(&zip.FileHeader{Name: f.name, Method: zip.Deflate})
		if err == nil {
			_, err = io.WriteString(w, f.text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// rezip writes files as an archive, with a manifest that fits unless one is given.
func rezip(t *testing.T, files map[string]string, editManifest func(map[string]any)) []byte {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(files["manifest.json"]), &m); err != nil {
		t.Fatal(err)
	}
	var out []archiveFile
	named := []any{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if name == "manifest.json" {
			continue
		}
		sum := sha256.Sum256([]byte(files[name]))
		named = append(named, map[string]any{"name": name, "size": len(files[name]), "sha256": hex.EncodeToString(sum[:])})
		out = append(out, archiveFile{name: name, text: files[name]})
	}
	m["files"] = named
	if editManifest != nil {
		editManifest(m)
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return zipOf(t, append(out, archiveFile{name: "manifest.json", text: string(text)})...)
}

// TestImportRefuses tries archives that are not as they should be: each is refused
// in one line, and nothing is changed.
func TestImportRefuses(t *testing.T) {
	t.Parallel()
	source := newMailbox(t, "")
	source.fill()
	path := source.export()
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	with := func(edit func(map[string]string)) []byte {
		files := unzipped(t, path)
		edit(files)
		return rezip(t, files, nil)
	}
	replace := func(name, old, new string) []byte {
		return with(func(files map[string]string) {
			if !strings.Contains(files[name], old) {
				t.Errorf("%s holds no %q: %s", name, old, files[name])
			}
			files[name] = strings.Replace(files[name], old, new, 1)
		})
	}
	manifest := func(edit func(map[string]any)) []byte { return rezip(t, unzipped(t, path), edit) }
	attachment := ""
	for name, text := range unzipped(t, path) {
		if text == "hello" {
			attachment = name
		}
	}
	firstLine := func(s string) string { return s[:strings.Index(s, "\n")+1] }
	files := unzipped(t, path)
	m := newMailbox(t, "")
	before := content(t, m.export())
	for name, tt := range map[string]struct {
		text []byte
		want string
	}{
		"nothing":        {nil, "no zip file"},
		"text":           {[]byte("hello"), "no zip file"},
		"cut off":        {good[:len(good)/2], "no zip file"},
		"cut in front":   {good[100:], "cannot be read"},
		"no manifest":    {zipOf(t, archiveFile{name: "x"}), "holds no manifest.json"},
		"bad manifest":   {zipOf(t, archiveFile{name: "manifest.json", text: "{"}), "manifest.json cannot be read"},
		"two manifests":  {zipOf(t, archiveFile{name: "manifest.json"}, archiveFile{name: "manifest.json"}), "twice"},
		"another kind":   {manifest(func(m map[string]any) { m["kind"] = "x" }), `of the kind "x"`},
		"newer format":   {manifest(func(m map[string]any) { m["format"] = 2 }), "format 2 and this program reads 1"},
		"wrong hash":     {manifest(func(m map[string]any) { m["files"].([]any)[0].(map[string]any)["sha256"] = "00" }), "its hash is another one"},
		"wrong size":     {manifest(func(m map[string]any) { m["files"].([]any)[0].(map[string]any)["size"] = 1 }), "bytes and not 1"},
		"negative size":  {manifest(func(m map[string]any) { m["files"].([]any)[0].(map[string]any)["size"] = -1 }), "bytes and not -1"},
		"wrong counts":   {manifest(func(m map[string]any) { m["counts"].(map[string]any)["tasks"] = 1 }), "the manifest says"},
		"unnamed file":   {manifest(func(m map[string]any) { m["files"] = m["files"].([]any)[1:] }), "the manifest names"},
		"path upwards":   {with(func(f map[string]string) { f["../x"] = "" }), `"../x" is no name of a file`},
		"path upwards 2": {with(func(f map[string]string) { f["attachments/../../x"] = "" }), "is no name of a file"},
		"absolute path":  {with(func(f map[string]string) { f["/etc/passwd"] = "" }), "is no name of a file"},
		"missing file":   {with(func(f map[string]string) { delete(f, "lists.jsonl") }), "lists.jsonl is missing"},
		"missing bytes":  {with(func(f map[string]string) { delete(f, attachment) }), "There is no file"},
		"other bytes":    {with(func(f map[string]string) { f[attachment] += "x" }), "There is no file"},
		"idle bytes":     {with(func(f map[string]string) { f[strings.Replace(attachment, "=", "", 1)[:34]+"A="] = "x" }), "files that no task has"},
		"large file":     {with(func(f map[string]string) { f[attachment] = strings.Repeat("x", 25<<20+1) }), "more than the 26214400 allowed"},
		"bomb":           {with(func(f map[string]string) { f["tasks.jsonl"] = strings.Repeat(" ", 65<<20) }), "longer than the 67108864 bytes allowed"},
		"no JSON":        {replace("tasks.jsonl", "{", "["), "tasks.jsonl, line 1: Unable to read JSON"},
		"no object":      {with(func(f map[string]string) { f["lists.jsonl"] = "7\n" }), "lists.jsonl, line 1: Invalid JSON"},
		"empty line":     {replace("lists.jsonl", "\n", "\n\n"), "lists.jsonl, line 2: Empty Payload"},
		"no end":         {with(func(f map[string]string) { f["lists.jsonl"] = strings.TrimSuffix(f["lists.jsonl"], "\n") }), "does not end"},
		"two lists":      {with(func(f map[string]string) { f["lists.jsonl"] = firstLine(f["lists.jsonl"]) + f["lists.jsonl"] }), "lists.jsonl, line 2: id: The id"},
		"two tasks":      {with(func(f map[string]string) { f["tasks.jsonl"] = firstLine(f["tasks.jsonl"]) + f["tasks.jsonl"] }), "tasks.jsonl, line 2: id: The id"},
		"two categories": {with(func(f map[string]string) { f["masterCategories.jsonl"] += firstLine(f["masterCategories.jsonl"]) }), "is there twice"},
		"two defaults":   {replace("lists.jsonl", `"none"`, `"defaultList"`), "2 default lists"},
		"two settings":   {with(func(f map[string]string) { f["mailboxSettings.json"] += f["mailboxSettings.json"] }), "2 lines and not one"},
		"dangling list":  {with(func(f map[string]string) { f["lists.jsonl"] = firstLine(f["lists.jsonl"]) }), "There is no list"},
		"bad list kind":  {replace("lists.jsonl", `"none"`, `"flaggedEmails"`), "no such list as 'flaggedEmails'"},
		"bad id":         {replace("tasks.jsonl", `"id":"`, `"id":"../`), "is no id of Duly's"},
		"bad GUID":       {replace("linkedResources.jsonl", `"id":"`, `"id":"x`), "no GUID in lower case"},
		"no title":       {replace("tasks.jsonl", `"title":"Milk `, `"titel":"`), "title"},
		"long title":     {replace("tasks.jsonl", `"title":"Milk `, `"title":"`+strings.Repeat("x", 4001)), "longer than the 4000 characters"},
		"bad date":       {replace("tasks.jsonl", `"createdDateTime":"2`, `"createdDateTime":"x2`), "Edm.DateTimeOffset"},
		"bad status":     {replace("tasks.jsonl", `"status":"notStarted"`, `"status":"half"`), "taskStatus"},
		"done when":      {replace("tasks.jsonl", `"status":"notStarted"`, `"status":"completed"`), "goes with the status"},
		"bad zone":       {replace("mailboxSettings.json", "Europe/Berlin", "Atlantis"), "Atlantis"},
		"bad recurrence": {replace("tasks.jsonl", `"interval":2`, `"interval":0`), "interval"},
		"no count":       {replace("tasks.jsonl", `"@duly.occurrence"`, `"@duly.x"`), "@duly.occurrence"},
		"double link":    {with(func(f map[string]string) { f["linkedResources.jsonl"] += f["linkedResources.jsonl"] }), "is there twice"},
		"deep extension": {replace("lists.jsonl", `[1,2]`, strings.Repeat("[", 100)+strings.Repeat("]", 100)), "lists.jsonl, line"},
		"double category": {with(func(f map[string]string) {
			f["masterCategories.jsonl"] = strings.ReplaceAll(f["masterCategories.jsonl"], "Blue", "Green")
		}), "already exists"},
	} {
		path := filepath.Join(t.TempDir(), "bad.zip")
		if err := os.WriteFile(path, tt.text, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := m.Import(t.Context(), path, "ada", false, quiet)
		if !errors.Is(err, duly.ErrBadArchive) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 600 {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	if diff := cmp.Diff(before, content(t, m.export())); diff != "" {
		t.Errorf("a refused archive changes (-before +after)\n%s", diff)
	}
	if _, err := m.Import(t.Context(), path, "bob", false, quiet); !errors.Is(err, duly.ErrNoUser) {
		t.Errorf("for nobody: %v", err)
	}
	if _, err := m.Export(t.Context(), "ada", path, "", quiet); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); len(entries) != 1 || err != nil {
		t.Errorf("an export leaves %v, %v", entries, err)
	}
	if len(files) == 0 {
		t.Error("there are no files")
	}
}

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A process is a running "duly serve".
type process struct {
	cmd    *exec.Cmd
	url    string      // from the line that says where it listens
	lines  chan string // the rest of its stdout
	stderr bytes.Buffer
	client *http.Client // for calls
	exited chan struct{}
}

// start runs "duly serve" on a free port and waits until it listens. The
// process is killed when the test ends, if it still runs then.
func (s *shell) start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{client: http.DefaultClient, lines: make(chan string, 1000), exited: make(chan struct{})}
	p.cmd = s.command(t.Context(), append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	p.cmd.Stderr = &p.stderr
	stdout, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.exited)
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			p.lines <- lines.Text()
		}
		close(p.lines)
		_ = p.cmd.Wait() // ProcessState says how it ended
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.exited
	})
	first := p.line(t)
	url, ok := strings.CutPrefix(first, "Duly listens on ")
	if !ok {
		t.Fatalf("the first line is %q", first)
	}
	p.url = url
	return p
}

// line is the next line of stdout.
func (p *process) line(t *testing.T) string {
	t.Helper()
	select {
	case line, ok := <-p.lines:
		if !ok {
			<-p.exited
			t.Fatalf("duly serve has ended with %v:\n%s", p.cmd.ProcessState, p.stderr.String())
		}
		return line
	case <-time.After(time.Minute):
		t.Fatal("duly serve prints nothing")
	}
	return ""
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// stop ends the process as a service manager does, and checks that it takes
// that well.
func (p *process) stop(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGTERM)
	<-p.exited
	if got := p.cmd.ProcessState; got.ExitCode() != 0 {
		t.Errorf("duly serve ended with %v:\n%s", got, p.stderr.String())
	}
}

// call sends a request and decodes the answer, whose status must be want.
func (p *process) call(t *testing.T, token, method, path, body string, want int) map[string]any {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := p.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != want {
		t.Fatalf("%s %s: %s, %v: %s", method, path, answer.Status, err, text)
	}
	var out map[string]any
	if len(text) > 0 {
		if err := json.Unmarshal(text, &out); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

const tasksPath = "/v1.0/me/todo/lists/Tasks/tasks"

// titles are the titles of the tasks in the default list.
func (p *process) titles(t *testing.T, token string) (titles []string) {
	t.Helper()
	for _, task := range p.call(t, token, "GET", tasksPath, "", http.StatusOK)["value"].([]any) {
		titles = append(titles, task.(map[string]any)["title"].(string))
	}
	return titles
}

// Users and tokens can be made while the server runs; a restart keeps the data
// and the tokens.
func TestTokenWhileServing(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	p := s.start(t)
	if got, want := p.line(t), "Nobody can sign in yet. Make the first account with this link, within 24 hours:"; got != want {
		t.Errorf("the second line is %q, not %q", got, want)
	}
	if got, want := p.line(t), p.url+"/setup/dulysu_"; !strings.HasPrefix(got, want) {
		t.Errorf("the third line is %q, not %q…", got, want)
	}
	s.must(t, "user", "add", "ada@example.org", "--display-name", "Ada Lovelace")
	printed := s.must(t, "token", "--user", "ada@example.org")
	token := strings.TrimSpace(printed)
	if printed != token+"\n" || strings.Count(token, ".") != 2 {
		t.Errorf("duly token prints %q", printed)
	}
	if got := p.call(t, token, "GET", "/v1.0/me", "", http.StatusOK)["displayName"]; got != "Ada Lovelace" {
		t.Errorf("/me is called %v", got)
	}
	p.call(t, token, "POST", tasksPath, `{"title": "Stay"}`, http.StatusCreated)
	p.stop(t)
	s.setPassword(t, "ada@example.org", "four words in a row")
	kept := strings.TrimSpace(s.must(t, "token", "--user", "ada@example.org"))

	p = s.start(t)
	p.call(t, token, "GET", tasksPath, "", http.StatusUnauthorized) // the password has signed her out
	if diff := cmp.Diff([]string{"Stay"}, p.titles(t, kept)); diff != "" {
		t.Errorf("tasks after a restart (-want +got)\n%s", diff)
	}
	reader := strings.TrimSpace(s.must(t, "token", "--user", "ADA@example.org", "--scope", "Tasks.Read", "--expires", "1m"))
	p.call(t, reader, "GET", tasksPath, "", http.StatusOK)
	p.call(t, reader, "POST", tasksPath, `{"title": "No"}`, http.StatusForbidden)
	p.call(t, reader, "GET", "/v1.0/me", "", http.StatusForbidden)
	p.stop(t)
	if _, more := <-p.lines; more {
		t.Error("a server where somebody can sign in prints more than one line")
	}
}

// The commands that --dev prints work when they are pasted, also after a restart.
func TestDev(t *testing.T) {
	t.Parallel()
	curl := "curl is not installed"
	if _, err := exec.LookPath("curl"); err == nil {
		curl = ""
	}
	s := newShell(t)
	for round := 1; round <= 2; round++ {
		p := s.start(t, "--dev", "--data", "my data")
		token, commands := p.devBanner(t)
		if got := p.call(t, token, "GET", "/v1.0/me", "", http.StatusOK)["userPrincipalName"]; got != "adele@localhost" {
			t.Errorf("/me is %v", got)
		}
		if curl == "" {
			created, listed := paste(t, commands[0]), paste(t, commands[1])
			if created["title"] != "Try Duly" || len(created["linkedResources"].([]any)) != 1 {
				t.Errorf("the first command answers %v", created)
			}
			if tasks := listed["value"].([]any); len(tasks) != round {
				t.Errorf("the second command answers %d tasks, not %d", len(tasks), round)
			}
		}
		p.stop(t)
	}
	if curl != "" {
		t.Skip(curl + ": the printed commands were not tried")
	}
}

// devBanner reads what --dev prints.
func (p *process) devBanner(t *testing.T) (token string, commands []string) {
	t.Helper()
	var text string
	for len(commands) < 2 {
		line := p.line(t)
		text += line + "\n"
		if strings.HasPrefix(line, "eyJ") {
			token = line
		}
		if strings.HasPrefix(line, "curl ") {
			command := line
			for strings.HasSuffix(line, `\`) {
				line = p.line(t)
				command += "\n" + line
			}
			commands = append(commands, command)
		}
	}
	if want := "\nUser:  adele@localhost (Adele Vance)\nToken, good for 24 hours:\n\n" + token + "\n\n"; !strings.HasPrefix(text, want) || token == "" {
		t.Errorf("--dev prints:\n%s", text)
	}
	return token, commands
}

// paste runs a command in a shell and decodes what it prints.
func paste(t *testing.T, command string) (out map[string]any) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh")
	cmd.Stdin = strings.NewReader(command + "\n")
	text, err := cmd.CombinedOutput()
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		t.Fatalf("%s\n%v: %s", command, err, text)
	}
	return out
}

// Other settings reach the server.
func TestServeSettings(t *testing.T) {
	t.Parallel()
	s := newShell(t, "DULY_LOG_FORMAT=json", "DULY_TRUSTED_PROXY=127.0.0.0/8,::1")
	addAda(t, s)
	token := strings.TrimSpace(s.must(t, "token", "--user", "ada"))
	s.file(t, "duly.json", `{"base-url": "https://todo.example.org", "profile": "strict", "listen": "127.0.0.1:1"}`)
	p := s.start(t, "--config", "duly.json")
	got := p.call(t, token, "GET", "/v1.0/me/todo/lists", "", http.StatusOK)["@odata.context"]
	if link, _ := got.(string); !strings.HasPrefix(link, "https://todo.example.org/v1.0/") {
		t.Errorf("the context is %v", got)
	}
	p.call(t, token, "GET", "/v1.0/me/todo", "", http.StatusNotFound) // as the strict profile does
	p.stop(t)
	for line := range strings.Lines(p.stderr.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("the log has the line %q", line)
		}
	}
	if strings.Contains(p.stderr.String(), token) || !strings.Contains(p.stderr.String(), `"status":200`) {
		t.Errorf("log:\n%s", p.stderr.String())
	}
}

// Plain HTTP where other machines reach it is for a proxy that was named.
func TestListenEverywhere(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	addAda(t, s)
	p := s.start(t, "--listen", "0.0.0.0:0", "--trusted-proxy", "10.0.0.0/8", "--log-level", "error")
	if !strings.HasPrefix(p.url, "http://0.0.0.0:") || strings.HasSuffix(p.url, ":0") {
		t.Errorf("it listens on %s", p.url)
	}
	p.stop(t)
	if p.stderr.Len() > 0 {
		t.Errorf("stderr:\n%s", p.stderr.String())
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	address := l.Addr().String()
	want := result{Status: 1, Stderr: fmt.Sprintf("duly: cannot listen on %s, because another program does: stop it, or choose another port with --listen\n", address)}
	if diff := cmp.Diff(want, newShell(t).run(t, "serve", "--listen", address)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// A request in flight is answered after SIGTERM.
func TestGracefulStop(t *testing.T) {
	t.Parallel()
	s, p, token := servingAda(t)
	c := p.halfRequest(t, token)
	p.signal(t, syscall.SIGTERM)
	p.awaitClosed(t)
	if _, err := io.WriteString(c, restOfTask); err != nil {
		t.Fatal(err)
	}
	c.expect(t, http.StatusCreated)
	<-p.exited
	if got := p.cmd.ProcessState; got.ExitCode() != 0 {
		t.Errorf("it ended with %v:\n%s", got, p.stderr.String())
	}
	p = s.start(t)
	if diff := cmp.Diff([]string{"Just in time"}, p.titles(t, token)); diff != "" {
		t.Errorf("tasks after a restart (-want +got)\n%s", diff)
	}
}

// So are the slice of an upload and a batch, which has not begun its parts.
func TestGracefulStopOfUploadAndBatch(t *testing.T) {
	t.Parallel()
	s, p, token := servingAda(t)
	task := tasksPath + "/" + p.call(t, token, "POST", tasksPath, `{"title": "With a file"}`, http.StatusCreated)["id"].(string)
	session := p.call(t, token, "POST", task+"/attachments/createUploadSession", `{"attachmentInfo": {"attachmentType": "file", "name": "f", "size": 10}}`, http.StatusCreated)
	_, path, _ := strings.Cut(strings.TrimPrefix(session["uploadUrl"].(string), "http://"), "/")
	slice := p.half(t, token, "PUT /"+path, "Content-Range: bytes 0-9/10", "01234", "56789")
	const batch, parts = `{"requests": [{"id": "1", "method": "POST", "url": "/me/todo/lists/Tasks/tasks", `, `"body": {"title": "From a batch"}}]}`
	several := p.half(t, token, "POST /v1.0/$batch", "Content-Type: application/json", batch, parts)
	p.signal(t, syscall.SIGTERM)
	p.awaitClosed(t)
	for _, rest := range []struct {
		of     *halfRequest
		body   string
		status int
	}{{slice, "56789", http.StatusCreated}, {several, parts, http.StatusOK}} {
		if _, err := io.WriteString(rest.of, rest.body); err != nil {
			t.Fatal(err)
		}
		rest.of.expect(t, rest.status)
	}
	<-p.exited
	if got := p.cmd.ProcessState; got.ExitCode() != 0 {
		t.Errorf("it ended with %v:\n%s", got, p.stderr.String())
	}
	p = s.start(t)
	if got := p.titles(t, token); len(got) != 2 || got[0] != "From a batch" && got[1] != "From a batch" {
		t.Errorf("tasks after a restart: %q", got)
	}
	if files := p.call(t, token, "GET", task+"/attachments", "", http.StatusOK)["value"].([]any); len(files) != 1 {
		t.Errorf("files after a restart: %v", files)
	}
}

// The second signal does not wait for the requests in flight.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	_, p, token := servingAda(t)
	p.halfRequest(t, token)
	start := time.Now()
	p.signal(t, syscall.SIGINT)
	p.awaitClosed(t)
	for running := true; running; {
		if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
			break
		}
		select {
		case <-p.exited:
			running = false
		case <-time.After(10 * time.Millisecond):
		}
	}
	<-p.exited
	status, _ := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if took := time.Since(start); !status.Signaled() || took > 8*time.Second {
		t.Errorf("it ended with %v after %v", p.cmd.ProcessState, took)
	}
}

func servingAda(t *testing.T) (s *shell, p *process, token string) {
	t.Helper()
	s = newShell(t)
	addAda(t, s)
	return s, s.start(t), strings.TrimSpace(s.must(t, "token", "--user", "ada"))
}

// A halfRequest is a request that the server has begun to read.
type halfRequest struct {
	net.Conn
	answers *bufio.Reader
}

// halfRequest sends a request that makes a task, up to the last half of its
// body, which is restOfTask.
func (p *process) halfRequest(t *testing.T, token string) *halfRequest {
	t.Helper()
	return p.half(t, token, "POST "+tasksPath, "Content-Type: application/json", `{"title"`, restOfTask)
}

// half sends a request but for the rest of its body.
func (p *process) half(t *testing.T, token, line, header, body, rest string) *halfRequest {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_, err = fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s\r\n%s\r\n"+
		"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n%s", line, token, header, len(body+rest), body)
	if err != nil {
		t.Fatal(err)
	}
	h := &halfRequest{c, bufio.NewReader(c)}
	h.expect(t, http.StatusContinue)
	return h
}

const restOfTask = `: "Just in time"}`

// expect reads an answer that has to have a status.
func (h *halfRequest) expect(t *testing.T, status int) {
	t.Helper()
	answer, err := http.ReadResponse(h.answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != status {
		t.Errorf("answer %s, not %d", answer.Status, status)
	}
}

// awaitClosed waits until the server takes no more connections.
func (p *process) awaitClosed(t *testing.T) {
	t.Helper()
	for {
		c, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
		if errors.Is(err, syscall.ECONNREFUSED) {
			return
		}
		if err == nil {
			_ = c.Close()
		}
		select {
		case <-p.exited:
			t.Fatalf("it ended with %v", p.cmd.ProcessState)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

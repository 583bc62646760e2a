package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The tests run the real program, which TestMain builds once.
func TestMain(m *testing.M) {
	out, err := exec.Command("go", "build", "-buildvcs=false", "-ldflags", "-X main.version=v9.8.7 -X main.commit=0123abc", "-o", program(), ".").CombinedOutput()
	if err != nil {
		fmt.Fprintf(os.Stderr, "building duly: %v\n%s", err, out)
		os.Exit(1)
	}
	status := m.Run()
	_ = os.RemoveAll(filepath.Dir(program()))
	os.Exit(status)
}

// program is the file of the program under test.
func program() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("duly-test-%d", os.Getpid()), "duly")
}

// A result is what a command did.
type result struct {
	Stdout, Stderr string
	Status         int
}

// A shell is a folder and an environment to run commands in.
type shell struct {
	dir string
	env []string
}

func newShell(t *testing.T, env ...string) *shell {
	t.Helper()
	return &shell{dir: t.TempDir(), env: env}
}

// file writes a file into the folder.
func (s *shell) file(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// remove removes a file from the folder.
func (s *shell) remove(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(s.dir, name)); err != nil {
		t.Fatal(err)
	}
}

func (s *shell) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program(), args...)
	cmd.Dir = s.dir
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "DULY_") {
			cmd.Env = append(cmd.Env, pair)
		}
	}
	cmd.Env = append(cmd.Env, s.env...)
	return cmd
}

// run runs a command to its end.
func (s *shell) run(t *testing.T, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := s.command(ctx, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// must runs a command that has to succeed without a word on stderr, and returns
// what it prints.
func (s *shell) must(t *testing.T, args ...string) string {
	t.Helper()
	r := s.run(t, args...)
	if r.Status != 0 || r.Stderr != "" {
		t.Fatalf("duly %s: status %d, stderr:\n%s", strings.Join(args, " "), r.Status, r.Stderr)
	}
	return r.Stdout
}

const noAddress = `the address of the database makes no sense: use postgres://USER:PASSWORD@HOST:PORT/NAME, with what is special in the password as %XX, and after a ? parameters that PostgreSQL knows, such as sslmode=verify-full`

// Mistakes on the command line and in settings: one line, status 2, and nothing
// is made.
func TestUsageErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		args string
		env  string
		want string // on stderr, after "duly: "
	}{
		{name: "no verb", want: `expected one of "serve", "user", "app", "token", "key", .... See duly --help.`},
		{name: "unknown verb", args: "sirve", want: `unexpected argument sirve, did you mean "serve"? See duly --help.`},
		{name: "verb of another program", args: "frobnicate", want: `unexpected argument frobnicate. See duly --help.`},
		{name: "half a verb", args: "user", want: `expected one of "add", "list", "password", "setup-link", "sign-out", .... See duly user --help.`},
		{name: "unknown flag", args: "serve --liste :0", want: `unknown flag --liste, did you mean "--listen"? See duly serve --help.`},
		{name: "unknown short flag", args: "serve -x", want: `unknown flag -x, did you mean "-h"? See duly serve --help.`},
		{name: "flag of another verb", args: "user list --listen :0", want: `unknown flag --listen. See duly user list --help.`},
		{name: "argument too many", args: "serve now", want: `unexpected argument now. See duly serve --help.`},
		{name: "no value", args: "serve --listen", want: `--listen needs a value. See duly serve --help.`},
		{name: "no name", args: "user add", want: `expected "<name>". See duly user add --help.`},
		{name: "no backup", args: "backup", want: `expected "<file>". See duly backup --help.`},
		{name: "no backup to restore", args: "restore", want: `expected "<file>". See duly restore --help.`},
		{name: "admin-listen, no port", args: "serve --admin-listen 127.0.0.1", want: `--admin-listen: "127.0.0.1" is not HOST:PORT, such as 127.0.0.1:8080. See duly serve --help.`},
		{name: "no user", args: "token", want: `missing flags: --user=NAME. See duly token --help.`},

		{name: "no data folder", args: "user list --data=", want: `--data: name a folder, such as /var/lib/duly. See duly user list --help.`},
		{name: "database of another kind", args: "user list --db mysql://h/n", want: `--db: a database cannot have the scheme "mysql": use sqlite:PATH or postgres://USER@HOST/NAME. See duly user list --help.`},
		{name: "database without a name", args: "user list --db sqlite:", want: `--db: the database has no name: use sqlite:PATH or postgres://USER@HOST/NAME. See duly user list --help.`},
		{name: "database in a variable", args: "serve", env: "DULY_DB=postgres://u:secret@h:port/n", want: `DULY_DB: ` + noAddress + `. See duly serve --help.`},
		{name: "listen, no port", args: "serve --listen 127.0.0.1", want: `--listen: "127.0.0.1" is not HOST:PORT, such as 127.0.0.1:8080. See duly serve --help.`},
		{name: "listen, port alone", args: "serve --listen 8080", want: `--listen: "8080" is not HOST:PORT, such as 127.0.0.1:8080. See duly serve --help.`},
		{name: "listen, port too high", args: "serve --listen :65536", want: `--listen: ":65536" is not HOST:PORT, such as 127.0.0.1:8080. See duly serve --help.`},
		{name: "listen, named port", args: "serve --listen localhost:http", want: `--listen: "localhost:http" is not HOST:PORT, such as 127.0.0.1:8080. See duly serve --help.`},
		{name: "base URL without scheme", args: "serve --base-url todo.example.org", want: `--base-url: the base URL "todo.example.org" must be a scheme and a host, such as https://todo.example.org. See duly serve --help.`},
		{name: "base URL with path", args: "serve --base-url https://h/duly", want: `--base-url: the base URL "https://h/duly" must be a scheme and a host, such as https://todo.example.org. See duly serve --help.`},
		{name: "CIDR", args: "serve --trusted-proxy 10.0.0.0/8,10.1", want: `--trusted-proxy: "10.1" is not a range of addresses, such as 10.0.0.0/8, or an address. See duly serve --help.`},
		{name: "CIDR too long", args: "serve --trusted-proxy 10.0.0.0/33", want: `--trusted-proxy: "10.0.0.0/33" is not a range of addresses, such as 10.0.0.0/8, or an address. See duly serve --help.`},
		{name: "profile", args: "serve --profile lax", want: `--profile must be one of "friendly","strict" but got "lax". See duly serve --help.`},
		{name: "bench for nobody", args: "bench", want: `say for whom: with --token (or $DULY_TOKEN), or with --user and --data. See duly bench --help.`},
		{name: "bench for two", args: "bench --token x --user ada", want: `say for whom: with --token (or $DULY_TOKEN), or with --user and --data. See duly bench --help.`},
		{name: "bench, no URL", args: "bench --user ada --url 127.0.0.1:8080", want: `--url: "127.0.0.1:8080" is not a scheme and a host, such as http://127.0.0.1:8080. See duly bench --help.`},
		{name: "bench, a path", args: "bench --user ada --url http://h/v1.0", want: `--url: "http://h/v1.0" is not a scheme and a host, such as http://127.0.0.1:8080. See duly bench --help.`},
		{name: "bench, no clients", args: "bench --user ada --clients 0", want: `--clients: 0 is not a number from 1 to 1000. See duly bench --help.`},
		{name: "bench, fewer", args: "bench --user ada --clients=-3", want: `--clients: -3 is not a number from 1 to 1000. See duly bench --help.`},
		{name: "bench, too many clients", args: "bench --user ada --clients 1001", want: `--clients: 1001 is not a number from 1 to 1000. See duly bench --help.`},
		{name: "bench, no time", args: "bench --user ada --duration 0s", want: `--duration: 0s is not a time from 1s to 1h. See duly bench --help.`},
		{name: "bench, a day", args: "bench --user ada --duration 24h", want: `--duration: 24h0m0s is not a time from 1s to 1h. See duly bench --help.`},
		{name: "bench, no tasks", args: "bench --user ada --tasks=-1", want: `--tasks: -1 is not a number from 1 to 100000. See duly bench --help.`},
		{name: "bench, unknown operation", args: "bench --user ada --mix get,put", want: `--mix: there is no operation "put": use some of get, page, filter, create, patch, delta, delta10, batch. See duly bench --help.`},
		{name: "ready, no URL", args: "ready --url localhost", want: `--url: "localhost" is not a scheme and a host, such as http://127.0.0.1:8080. See duly ready --help.`},
		{name: "limits", args: "serve --throttle entra", want: `--throttle: there is no limit "entra": use off, graph, or some of requests=10000/10m,concurrent=4,upload=150MB/5m,app=130000/10s. See duly serve --help.`},
		{name: "limits, a bad one", args: "serve", env: "DULY_THROTTLE=graph,concurrent=0", want: `DULY_THROTTLE: the limit concurrent=0 must be a number from 1 to 10000. See duly serve --help.`},
		{name: "log format", args: "serve --log-format xml", want: `--log-format must be one of "text","json" but got "xml". See duly serve --help.`},
		{name: "log level", args: "serve --log-level loud", want: `--log-level must be one of "debug","info","warn","error" but got "loud". See duly serve --help.`},
		{name: "dev on all addresses", args: "serve --dev --listen :0", want: `--dev is for loopback addresses only, because it shows a token: leave it out, or use --listen 127.0.0.1:8080. See duly serve --help.`},
		{name: "dev on another address", args: "serve --dev --listen 192.0.2.1:0", want: `--dev is for loopback addresses only, because it shows a token: leave it out, or use --listen 127.0.0.1:8080. See duly serve --help.`},
		{name: "plain HTTP on all addresses", args: "serve --listen 0.0.0.0:0", want: `other machines reach 0.0.0.0:0, and access tokens must not travel in clear: listen on 127.0.0.1, or turn on TLS with --tls or with --tls-cert and --tls-key, or name the proxy in front that does TLS with --trusted-proxy. See duly serve --help.`},
		{name: "plain HTTP on all addresses of both versions", args: "serve --listen :0", want: `other machines reach :0, and access tokens must not travel in clear: listen on 127.0.0.1, or turn on TLS with --tls or with --tls-cert and --tls-key, or name the proxy in front that does TLS with --trusted-proxy. See duly serve --help.`},
		{name: "plain HTTP on another host", args: "serve --listen box.example:0 --tls off", want: `other machines reach box.example:0, and access tokens must not travel in clear: listen on 127.0.0.1, or turn on TLS with --tls or with --tls-cert and --tls-key, or name the proxy in front that does TLS with --trusted-proxy. See duly serve --help.`},
		{name: "TLS, unknown way", args: "serve --tls on", want: `--tls must be one of "off","local","acme" but got "on". See duly serve --help.`},
		{name: "TLS, no key", args: "serve --tls-cert c.pem", want: `--tls-cert and --tls-key go together: name the file of the certificate and that of its key. See duly serve --help.`},
		{name: "TLS, no certificate", args: "serve --tls-key k.pem", want: `--tls-cert and --tls-key go together: name the file of the certificate and that of its key. See duly serve --help.`},
		{name: "TLS, two certificates", args: "serve --tls local --tls-cert c.pem --tls-key k.pem", want: `--tls-cert and --tls-key bring a certificate of your own: leave out either them or --tls local. See duly serve --help.`},
		{name: "TLS, links without", args: "serve --tls local --base-url http://todo.example.org", want: `--base-url must begin with https, because TLS is on. See duly serve --help.`},
		{name: "TLS, bad name", args: "serve --tls local --tls-name a,*.example.org", want: `--tls-name: "*.example.org" is not the name of a host, such as todo.example.org, or an address. See duly serve --help.`},
		{name: "TLS, bad host", args: "serve --tls local --base-url https://tödo.example.org", want: `--tls local makes no certificate for this host: "tödo.example.org" is not the name of a host, such as todo.example.org, or an address. See duly serve --help.`},
		{name: "ACME, no host", args: "serve --tls acme --acme-accept-terms", want: `--tls acme gets a certificate for a host with a public name: say which with --base-url, such as https://todo.example.org. See duly serve --help.`},
		{name: "ACME, host of this machine", args: "serve --tls acme --acme-accept-terms --base-url https://localhost", want: `--tls acme gets a certificate for a host with a public name: say which with --base-url, such as https://todo.example.org. See duly serve --help.`},
		{name: "ACME, address", args: "serve --tls acme --acme-accept-terms --base-url https://192.0.2.1", want: `--tls acme gets a certificate for a host with a public name: say which with --base-url, such as https://todo.example.org. See duly serve --help.`},
		{name: "ACME, terms", args: "serve --tls acme --base-url https://todo.example.org", want: `--tls acme gets certificates only on the terms of the authority: read them, and add --acme-accept-terms. See duly serve --help.`},
		{name: "ACME, directory in clear", args: "serve --acme-directory http://ca.example/dir", want: `--acme-directory: "http://ca.example/dir" is not the https URL of a directory, such as https://acme-v02.api.letsencrypt.org/directory. See duly serve --help.`},
		{name: "half a verb of TLS", args: "tls", want: `expected "ca". See duly tls --help.`},
		{name: "name of a user", args: "user add a/b", want: `<name>: A user's name is a name or an address of at most 256 characters, without white space or any of /\'"()<>#?%&. See duly user add --help.`},
		{name: "display name too long", args: "user add a --display-name " + strings.Repeat("x", 257), want: `The property 'displayName' is longer than the 256 characters allowed. See duly user add --help.`},
		{name: "expires, none", args: "token --user a --expires 0", want: `--expires: "0" is not a lifetime above 0 and of at most 24h, such as 30m or 1h. See duly token --help.`},
		{name: "expires, negative", args: "token --user a --expires=-1h", want: `--expires: "-1h" is not a lifetime above 0 and of at most 24h, such as 30m or 1h. See duly token --help.`},
		{name: "expires, too late", args: "token --user a --expires 48h", want: `--expires: "48h" is not a lifetime above 0 and of at most 24h, such as 30m or 1h. See duly token --help.`},
		{name: "expires, no unit", args: "token --user a --expires 60", want: `--expires: "60" is not a lifetime above 0 and of at most 24h, such as 30m or 1h. See duly token --help.`},
		{name: "scope", args: "token --user a --scope Mail.Read", want: `--scope: unknown permission "Mail.Read": the known ones are Tasks.Read, Tasks.ReadWrite, Tasks.Read.Shared, Tasks.ReadWrite.Shared, User.Read, User.ReadWrite, User.ReadBasic.All, User.Read.All, MailboxSettings.Read, MailboxSettings.ReadWrite. See duly token --help.`},
		{name: "days of no personal token", args: "token --user a --days 3", want: `--days is for a personal access token, which --personal names; use --expires. See duly token --help.`},
		{name: "personal token by hours", args: "token --user a --personal x --expires 1h", want: `--expires is for tokens that are not personal; use --days. See duly token --help.`},
		{name: "personal token by hours in a variable", args: "token --user a --personal x", env: "DULY_EXPIRES=1h", want: `--expires is for tokens that are not personal; use --days. See duly token --help.`},
		{name: "personal token, too many days", args: "token --user a --personal x --days 367", want: `--days must be from 1 to 366, not 367. See duly token --help.`},
		{name: "personal token, negative days", args: "token --user a --personal x --days=-1", want: `--days must be from 1 to 366, not -1. See duly token --help.`},
		{name: "personal token, half a day", args: "token --user a --personal x --days 0.5", want: `--days: expected a valid 64 bit int but got "0.5". See duly token --help.`},
		{name: "personal token, no name", args: "token --user a --personal=", want: `--personal: Give the token a name of at most 120 characters, so that you know it again. See duly token --help.`},
		{name: "personal token, long name", args: "token --user a --personal " + strings.Repeat("é", 121), want: `--personal: Give the token a name of at most 120 characters, so that you know it again. See duly token --help.`},
		{name: "personal token, unknown scope", args: "token --user a --personal x --scope Tasks", want: `--scope: unknown permission "Tasks": the known ones are Tasks.Read, Tasks.ReadWrite, Tasks.Read.Shared, Tasks.ReadWrite.Shared, User.Read, User.ReadWrite, User.ReadBasic.All, User.Read.All, MailboxSettings.Read, MailboxSettings.ReadWrite. See duly token --help.`},
		{name: "personal tokens of nobody", args: "user tokens", want: `expected "<name>". See duly user tokens --help.`},
		{name: "no personal token to end", args: "user revoke-token ada", want: `expected "<id>". See duly user revoke-token --help.`},

		{name: "half a verb of keys", args: "key", want: `expected one of "list", "rotate", "retire". See duly key --help.`},
		{name: "key delay, negative", args: "key rotate --delay=-1s", want: `--delay and --keep must be from 0s to 720h. See duly key rotate --help.`},
		{name: "key delay, too long", args: "key rotate --delay 721h", want: `--delay and --keep must be from 0s to 720h. See duly key rotate --help.`},
		{name: "key kept, negative", args: "key rotate --keep=-1s", want: `--delay and --keep must be from 0s to 720h. See duly key rotate --help.`},
		{name: "key kept, no unit", args: "key rotate --keep 24", want: `--keep: expected duration but got "24": time: missing unit in duration "24". See duly key rotate --help.`},
		{name: "no key to retire", args: "key retire", want: `expected "<key>". See duly key retire --help.`},

		{name: "variable", args: "serve", env: "DULY_LISTEN=8080", want: `DULY_LISTEN: "8080" is not HOST:PORT, such as 127.0.0.1:8080. See duly serve --help.`},
		{name: "variable of a choice", args: "serve", env: "DULY_PROFILE=lax", want: `DULY_PROFILE: must be one of friendly, strict but got "lax". See duly serve --help.`},
		{name: "variable of a switch", args: "serve", env: "DULY_DEV=maybe", want: `DULY_DEV: bool value must be true, 1, yes, false, 0 or no but got "maybe". See duly serve --help.`},
		{name: "variable of a file", args: "serve", env: "DULY_CONFIG=nowhere.json", want: `the configuration file nowhere.json cannot be read: no such file or directory. See duly serve --help.`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newShell(t, tt.env)
			want := result{Stderr: "duly: " + tt.want + "\n", Status: 2}
			if diff := cmp.Diff(want, s.run(t, strings.Fields(tt.args)...)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if left, err := os.ReadDir(s.dir); len(left) > 0 || err != nil {
				t.Errorf("it leaves %v, %v", left, err)
			}
		})
	}
}

// What cannot be done: one line, status 1.
func TestFailures(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		args  string
		setUp func(*testing.T, *shell)
		want  string
	}{
		{name: "token without data", args: "token --user ada", want: `there is no data in data: name the folder of the server with --data or DULY_DATA, or begin with "duly user add NAME --data data"`},
		{name: "list without data", args: "user list --data nowhere", want: `there is no data in nowhere: name the folder of the server with --data or DULY_DATA, or begin with "duly user add NAME --data nowhere"`},
		{name: "doctor without data", args: "doctor --data nowhere", want: `there is no data in nowhere: name the folder of the server with --data or DULY_DATA`},
		{name: "backup without data", args: "backup nowhere --data nowhere", want: `there is no data in nowhere: name the folder of the server with --data or DULY_DATA`},
		{name: "backup without keys", args: "backup b", setUp: func(t *testing.T, s *shell) {
			addAda(t, s)
			s.remove(t, "data/issuer.json")
		}, want: `cannot back up data: open the token issuer: open data/issuer.json: no such file or directory`},
		{
			name: "backup over a file", args: "backup file", setUp: func(t *testing.T, s *shell) { addAda(t, s); s.file(t, "file", "") },
			want: `file exists already, and a backup replaces nothing: choose another name, or remove it`,
		},
		{
			name: "restore into data", args: "restore b", setUp: func(t *testing.T, s *shell) { addAda(t, s); s.must(t, "backup", "b") },
			want: `cannot restore into data: the folder is not empty: there is duly.db in data: move that away, or name another folder with --data`,
		},
		{
			name: "restore what is no backup", args: "restore file --data nowhere", setUp: func(t *testing.T, s *shell) { s.file(t, "file", "no") },
			want: `cannot restore file: this is no sound backup of Duly's: it is no tar file, or cut off`,
		},
		{name: "restore nothing", args: "restore none --data nowhere", want: `cannot restore none: open none: no such file or directory`},
		{
			name: "token in a folder without data", args: "token --user ada --data .",
			want: `there is no data in .: name the folder of the server with --data or DULY_DATA, or begin with "duly user add NAME --data ."`,
		},
		{name: "no authority", args: "tls ca", want: `there is no local authority in data: "duly serve --tls local --data data" makes one`},
		{
			name: "TLS below a file", args: "serve --listen 127.0.0.1:0 --tls local --data file/data", setUp: func(t *testing.T, s *shell) { s.file(t, "file", "") },
			want: `cannot use the data folder file/data: reading the local authority: open file/data/ca-key.pem: not a directory: choose another one with --data, or let this account write to it`,
		},
		{
			name: "unknown user", args: "token --user bob", setUp: addAda,
			want: `there is no user bob: see who there is with "duly user list --data data"`,
		},
		{
			name: "personal token of nobody", args: "token --user bob --personal x", setUp: addAda,
			want: `there is no user bob: see who there is with "duly user list --data data"`,
		},
		{
			name: "personal tokens of nobody", args: "user tokens bob", setUp: addAda,
			want: `there is no user bob: see who there is with "duly user list --data data"`,
		},
		{
			name: "no such personal token", args: "user revoke-token ada 0123", setUp: addAda,
			want: `there is no such personal access token: 0123: see which there are with "duly user tokens ada --data data"`,
		},
		{name: "keys without data", args: "key list --data nowhere", want: `there are no keys in nowhere: name the folder of the server with --data or DULY_DATA`},
		{name: "rotation without data", args: "key rotate --data nowhere", want: `there are no keys in nowhere: name the folder of the server with --data or DULY_DATA`},
		{
			name: "no such key", args: "key retire x/y", setUp: addAda,
			want: `change the keys: there is no such key: x/y: see which there are with "duly key list --data data"`,
		},
		{
			name: "rotation of damaged keys", args: "key rotate", setUp: func(t *testing.T, s *shell) { addAda(t, s); s.file(t, "data/issuer.json", "{") },
			want: `change the keys: the token issuer in data/issuer.json is damaged (unexpected end of JSON input): restore the file from a backup, or move it away to start with new keys, which invalidates every token given out so far`,
		},
		{
			name: "user twice", args: "user add ADA", setUp: addAda,
			want: `there is a user ADA already: choose another name, or see all with "duly user list --data data"`,
		},
		{
			name: "data is a file", args: "user add bob --data file", setUp: func(t *testing.T, s *shell) { s.file(t, "file", "") },
			want: `cannot use the data folder file: making the data folder: mkdir file: not a directory: choose another one with --data, or let this account write to it`,
		},
		{
			name: "serve below a file", args: "serve --listen 127.0.0.1:0 --data file/data", setUp: func(t *testing.T, s *shell) { s.file(t, "file", "") },
			want: `cannot use the data folder file/data: making the data folder: mkdir file: not a directory: choose another one with --data, or let this account write to it`,
		},
		{
			name: "not an address of this machine", args: "serve --listen 192.0.2.1:0 --trusted-proxy 192.0.2.2",
			want: `cannot listen on 192.0.2.1:0: bind: cannot assign requested address: choose an address of this machine with --listen`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newShell(t)
			if tt.setUp != nil {
				tt.setUp(t, s)
			}
			got := s.run(t, strings.Fields(tt.args)...)
			if diff := cmp.Diff(result{Stderr: "duly: " + tt.want + "\n", Status: 1}, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if _, err := os.Stat(filepath.Join(s.dir, "nowhere")); err == nil {
				t.Error("it makes a folder")
			}
		})
	}
}

func addAda(t *testing.T, s *shell) {
	t.Helper()
	s.must(t, "user", "add", "ada")
}

// The data folder of another account cannot be used.
func TestUnwritableFolder(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Log("root may write everywhere: trying a folder of the kernel's instead")
		got := newShell(t).run(t, "user", "add", "ada", "--data", "/proc/duly")
		if got.Status != 1 || !strings.HasPrefix(got.Stderr, "duly: cannot use the data folder /proc/duly: ") {
			t.Errorf("got %+v", got)
		}
		return
	}
	s := newShell(t)
	if err := os.Mkdir(filepath.Join(s.dir, "data"), 0o500); err != nil {
		t.Fatal(err)
	}
	got := s.run(t, "user", "add", "ada")
	if got.Status != 1 || !strings.HasPrefix(got.Stderr, "duly: cannot use the data folder data: ") || !strings.Contains(got.Stderr, "permission denied") || strings.Count(got.Stderr, "\n") != 1 {
		t.Errorf("got %+v", got)
	}
}

// The help of every verb names its flags, their variables, and examples.
func TestHelp(t *testing.T) {
	t.Parallel()
	for args, words := range map[string][]string{
		"tls ca --help":      {"Usage: duly tls ca", "--path", "Examples:\n  duly tls ca"},
		"backup --help":      {"Usage: duly backup <file>", "$DULY_DATA", "Examples:\n  duly backup duly-"},
		"restore --help":     {"Usage: duly restore <file>", "Examples:\n  duly restore duly-"},
		"doctor --help":      {"Usage: duly doctor", "Examples:\n  duly doctor"},
		"--help":             {"Usage: duly <command>", "user add", "$DULY_CONFIG", "Examples:\n  duly serve --dev"},
		"serve --help":       {"Usage: duly serve", "--listen=HOST:PORT", "$DULY_TRUSTED_PROXY", "default friendly", "Examples:\n  duly serve --dev"},
		"user --help":        {"Usage: duly user", "user list"},
		"user add -h":        {"Usage: duly user add <name>", "$DULY_DATA", "--display-name=TEXT", "Examples:\n  duly user add ada"},
		"user list --help":   {"Usage: duly user list", "--json", "Examples:\n  duly user list"},
		"user password -h":   {"Usage: duly user password <name>", "--stdin", "Examples:\n  duly user password"},
		"user setup-link -h": {"Usage: duly user setup-link <name>", "$DULY_BASE_URL", "Examples:\n  duly user setup-link"},
		"user sign-out -h":   {"Usage: duly user sign-out <name>", "Examples:\n  duly user sign-out"},
		"user disable -h":    {"Usage: duly user disable <name>", "Examples:\n  duly user disable"},
		"user enable -h":     {"Usage: duly user enable <name>", "Examples:\n  duly user enable"},
		"app --help":         {"Usage: duly app", "app rotate"},
		"app add --help":     {"Usage: duly app add <name>", "--redirect-uri=URI", "--certificate=FILE", "Examples:\n  duly app add"},
		"app list --help":    {"Usage: duly app list", "Examples:\n  duly app list"},
		"app rotate -h":      {"Usage: duly app rotate <client-id>", "default 24h", "Examples:\n  duly app rotate"},
		"app sign-out -h":    {"Usage: duly app sign-out <client-id>", "Examples:\n  duly app sign-out"},
		"app remove -h":      {"Usage: duly app remove <client-id>", "Examples:\n  duly app remove"},
		"ready --help":       {"Usage: duly ready", "Examples:\n  duly ready"},
		"bench --help":       {"Usage: duly bench", "$DULY_TOKEN", "--clients=N", "Examples:\n  duly bench"},
		"token --help":       {"Usage: duly token --user=NAME", "$DULY_EXPIRES", "Tasks.ReadWrite User.Read, $DULY_SCOPE", "Examples:\n  TOKEN=$(duly token"},
		"version --help":     {"Usage: duly version", "Examples:\n  duly version"},

		"user reset-factors -h": {"Usage: duly user reset-factors <name>", "Examples:\n  duly user reset-factors"},
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			help := newShell(t).must(t, strings.Fields(args)...)
			for _, word := range words {
				if !strings.Contains(help, word) {
					t.Errorf("there is no %q in:\n%s", word, help)
				}
			}
		})
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	got := newShell(t).must(t, "version")
	if !strings.HasPrefix(got, "duly v9.8.7 (commit 0123abc, go1.") || strings.Count(got, "\n") != 1 {
		t.Errorf("got %q", got)
	}
}

func TestUserList(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.must(t, "user", "add", "bob@example.org", "--mail", "bob@example.org")
	added := s.must(t, "user", "add", "ada", "--display-name", "Ada\tLove\nlace")
	_, id, _ := strings.Cut(strings.TrimSpace(added), "id ")
	if want := fmt.Sprintf("Added ada (Ada\tLove\nlace), id %s\n", id); added != want {
		t.Errorf("user add prints %q, not %q", added, want)
	}
	table := strings.Split(s.must(t, "user", "list"), "\n")
	if len(table) != 4 || strings.Join(strings.Fields(table[0]), " ") != "NAME DISPLAY NAME MAIL ID" ||
		strings.Join(strings.Fields(table[1]), " ") != "ada Ada Love lace - "+id ||
		!strings.HasPrefix(strings.Join(strings.Fields(table[2]), " "), "bob@example.org bob bob@example.org ") {
		t.Errorf("table:\n%s", strings.Join(table, "\n"))
	}
	want := fmt.Sprintf("[\n  {\n    \"id\": %q,\n    \"userPrincipalName\": \"ada\",\n    \"displayName\": \"Ada\\tLove\\nlace\"\n  },\n", id)
	if got := s.must(t, "user", "list", "--json"); !strings.HasPrefix(got, want) {
		t.Errorf("JSON:\n%s", got)
	}
}

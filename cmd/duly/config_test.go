package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A flag counts before a variable, a variable before the file, and the file
// before the default.
func TestPrecedence(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		args string
		env  []string
		want string // the only user of the folder that was read
	}{
		{name: "default", want: "default"},
		{name: "file by flag", args: "--config duly.json", want: "file"},
		{name: "file by variable", env: []string{"DULY_CONFIG=duly.json"}, want: "file"},
		{name: "file by both", args: "--config duly.json", env: []string{"DULY_CONFIG=broken.json"}, want: "file"},
		{name: "variable", env: []string{"DULY_DATA=variable"}, want: "variable"},
		{name: "variable before file", args: "--config duly.json", env: []string{"DULY_DATA=variable"}, want: "variable"},
		{name: "empty variable", args: "--config duly.json", env: []string{"DULY_DATA="}, want: "file"},
		{name: "empty variables", env: []string{"DULY_DATA=", "DULY_CONFIG="}, want: "default"},
		{name: "flag before all", args: "--data flag --config duly.json", env: []string{"DULY_DATA=variable"}, want: "flag"},
		{name: "flag before variable", args: "--data=flag", env: []string{"DULY_DATA=variable"}, want: "flag"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newShell(t, tt.env...)
			s.file(t, "duly.json", `{"data": "file", "listen": "127.0.0.1:9", "trusted-proxy": ["10.0.0.0/8"], "dev": true}`)
			s.file(t, "broken.json", `{`)
			folder := tt.want
			if folder == "default" {
				folder = "data"
			}
			s.must(t, "user", "add", tt.want, "--data", folder, "--config", "duly.json")
			got := s.must(t, append([]string{"user", "list"}, strings.Fields(tt.args)...)...)
			if !strings.Contains(got, "\n"+tt.want+" ") {
				t.Errorf("got:\n%s", got)
			}
		})
	}
}

// A mistake in the file is one line that names the file and the key.
func TestConfigFileErrors(t *testing.T) {
	t.Parallel()
	const keys = "acme-accept-terms, acme-directory, acme-email, admin-listen, base-url, data, db, dev, expires, issuers, listen, log-format, log-level, password-sign-in, profile, scope, throttle, tls, tls-cert, tls-key, tls-name, token, trusted-proxy, user, webhook-allow"
	for _, tt := range []struct{ name, file, want string }{
		{"unknown key", `{"lisen": ":1"}`, `duly.json: unknown key "lisen": the keys are ` + keys},
		{"key in capitals", `{"Data": "d"}`, `duly.json: unknown key "Data": the keys are ` + keys},
		{"key with underscore", `{"base_url": "https://h"}`, `duly.json: unknown key "base_url": the keys are ` + keys},
		{"flag that is no setting", `{"help": true}`, `duly.json: unknown key "help": the keys are ` + keys},
		{"file in the file", `{"config": "other.json"}`, `duly.json: unknown key "config": the keys are ` + keys},
		{"number for a string", `{"listen": 8080}`, `duly.json: listen: it must be a string`},
		{"null", `{"listen": null}`, `duly.json: listen: it must be a string`},
		{"list for a string", `{"data": ["a"]}`, `duly.json: data: it must be a string`},
		{"string for a switch", `{"dev": "true"}`, `duly.json: dev: it must be true or false`},
		{"switch for a list", `{"trusted-proxy": true}`, `duly.json: trusted-proxy: it must be an array of strings`},
		{"number in a list", `{"trusted-proxy": ["10.0.0.0/8", 7]}`, `duly.json: trusted-proxy: it must be an array of strings`},
		{"wrong type for another verb", `{"expires": 3600}`, `duly.json: expires: it must be a string`},
		{"bad value", `{"listen": "8080"}`, `duly.json: listen: "8080" is not HOST:PORT, such as 127.0.0.1:8080`},
		{"bad value in a list", `{"trusted-proxy": ["10.0.0.0/8", "x"]}`, `duly.json: trusted-proxy: "x" is not a range of addresses, such as 10.0.0.0/8, or an address`},
		{"bad choice", `{"profile": "lax"}`, `duly.json: profile: must be one of friendly, strict but got "lax"`},
		{"bad name in a list", `{"tls-name": ["box", "-"]}`, `duly.json: tls-name: "-" is not the name of a host, such as todo.example.org, or an address`},
		{"empty folder", `{"data": ""}`, `duly.json: data: name a folder, such as /var/lib/duly`},
		{"no JSON", "{\n  \"data\": \"d\",\n  listen: 1\n}", `duly.json: line 3: invalid character 'l' looking for beginning of object key string`},
		{"end missing", "{\n\"data\": \"d\"\n", `duly.json: line 3: unexpected end of JSON input`},
		{"empty", "", `duly.json: line 1: unexpected end of JSON input`},
		{"array", "[]", `duly.json: it must hold a JSON object, such as {"data": "/var/lib/duly"}`},
		{"null file", "null", `duly.json: it must hold a JSON object, such as {"data": "/var/lib/duly"}`},
		{"two objects", "{}\n{}", `duly.json: line 2: invalid character '{' after top-level value`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newShell(t)
			s.file(t, "duly.json", tt.file)
			want := result{Stderr: "duly: " + tt.want + ". See duly serve --help.\n", Status: 2}
			if diff := cmp.Diff(want, s.run(t, "serve", "--config", "duly.json")); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestUnreadableConfigFile(t *testing.T) {
	t.Parallel()
	want := result{Stderr: "duly: the configuration file . cannot be read: is a directory. See duly serve --help.\n", Status: 2}
	if diff := cmp.Diff(want, newShell(t).run(t, "serve", "--config", ".")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// A variable that looks like a setting is named, and all goes on.
func TestUnknownVariables(t *testing.T) {
	t.Parallel()
	s := newShell(t, "DULY_LISTN=:1", "DULY_DATA=d", "DULY_HELP=1", "DULY=1")
	want := result{
		Stderr: "duly: warning: DULY_HELP names no setting and is ignored; see duly --help\n" +
			"duly: warning: DULY_LISTN names no setting and is ignored; see duly --help\n",
	}
	got := s.run(t, "user", "add", "ada")
	got.Stdout = ""
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

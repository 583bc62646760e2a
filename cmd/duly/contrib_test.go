package main

import (
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/duly-todo/duly"
)

// ours finds the settings of Duly that a file makes.
func ours(t *testing.T, path, pattern string) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../" + path)
	if err != nil {
		t.Fatal(err)
	}
	set := map[string]string{}
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
		set[m[1]] = m[2]
	}
	if len(set) == 0 {
		t.Fatalf("%s sets nothing", path)
	}
	return set
}

// What the files for services and containers set, the binary knows and starts
// with, but for the address, the folder and the database, which are the test's.
func TestContrib(t *testing.T) {
	t.Parallel()
	image := ours(t, "Dockerfile", `(DULY_\w+)=(\S+)`)
	compose := ours(t, "contrib/compose.yaml", `(?m)^ +(DULY_\w+): (.*)$`)
	for name, value := range image {
		if _, ok := compose[name]; !ok {
			compose[name] = value
		}
	}
	image["DULY_TRUSTED_PROXY"] = "172.17.0.1" // as docs/operations.md has it
	for name, set := range map[string]map[string]string{
		"Dockerfile": image, "compose.yaml": compose, "duly.service": ours(t, "contrib/duly.service", `(?m)^Environment=(DULY_\w+)=(.*)$`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var env []string
			for key, value := range set {
				value = regexp.MustCompile(`\$\{\w+:\?[^}]*\}`).ReplaceAllString(value, "x.example")
				switch key {
				case "DULY_DB":
					if err := (duly.Config{Database: value}).Validate(); err != nil {
						t.Error(err)
					}
					continue
				case "DULY_DATA":
					value = "data"
				case "DULY_LISTEN", "DULY_ADMIN_LISTEN":
					value = value[:strings.LastIndex(value, ":")] + ":0"
				}
				env = append(env, key+"="+value)
			}
			s := newShell(t, env...)
			cmd := s.command(t.Context(), "serve")
			out, err := cmd.StdoutPipe()
			var stderr strings.Builder
			cmd.Stderr = &stderr
			if err == nil {
				err = cmd.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			first := make([]byte, len("Duly listens on "))
			_, err = io.ReadFull(out, first)
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // it was killed
			if string(first) != "Duly listens on " || strings.Contains(stderr.String(), "names no setting") {
				t.Errorf("it says %q, %v\n%s", first, err, stderr.String())
			}
		})
	}
}

// systemd reads the unit without a complaint.
func TestUnit(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("there is no systemd-analyze; the settings of the unit are checked all the same")
		return
	}
	unit, err := os.ReadFile("../../contrib/duly.service")
	if err != nil {
		t.Fatal(err)
	}
	s := newShell(t)
	s.file(t, "duly.service", strings.ReplaceAll(string(unit), "/usr/local/bin/duly", program()))
	out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", s.dir+"/duly.service").CombinedOutput()
	if err != nil || strings.Contains(string(out), s.dir) {
		t.Errorf("%v: %s", err, out)
	}
}

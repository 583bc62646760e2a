//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A process is a server that is measured.
type process struct {
	cmd     *exec.Cmd
	address string
	started time.Duration // from the start of the process to its first line
	lines   *bufio.Reader // of what it prints

	profiles func(name string, each time.Duration) error // nil: none are wanted
}

// start runs a server, whose first line ends with its address.
func start(ctx context.Context, name string, args ...string) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, name, args...)}
	p.cmd.Stderr = os.Stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it ends with this process, however that ends
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	p.lines = bufio.NewReader(out)
	line, err := p.lines.ReadString('\n')
	p.started = time.Since(begin)
	_, address, ok := strings.Cut(strings.TrimSpace(line), "http://")
	if err != nil || !ok {
		return nil, errors.Join(fmt.Errorf("%s began with %q: %w", name, line, err), p.cmd.Process.Kill(), p.cmd.Wait())
	}
	p.address = address
	return p, nil
}

// profile has a profile of the server's CPU written into a folder with each
// operation that is measured. The server's second line names the address for it.
func (p *process) profile(ctx context.Context, folder string) error {
	line, err := p.lines.ReadString('\n')
	if err != nil {
		return err
	}
	_, admin, _ := strings.Cut(strings.TrimSuffix(strings.TrimSpace(line), "/metrics"), "http://")
	p.profiles = func(name string, each time.Duration) error {
		url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", admin, max(1, int(each.Seconds())))
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		f, err := os.Create(filepath.Join(folder, strings.ReplaceAll(name, " ", "-")+".pprof"))
		if err != nil {
			return err
		}
		_, err = io.Copy(f, response.Body)
		return errors.Join(err, f.Close())
	}
	return nil
}

func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	err := p.cmd.Wait()
	if e, ok := errors.AsType[*exec.ExitError](err); ok && e.Sys().(syscall.WaitStatus).Signaled() {
		return nil // the fixed server knows no other end
	}
	return err
}

// cpu is the time that the process has had, in ticks of 10 ms.
func (p *process) cpu() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("reading the CPU time of a process: %w", err)
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])) // from the third on
	user, err := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(err, err2)
}

// memory is what the process holds, in megabytes. Every connection to the database
// maps its file, and rss counts a page of it for each; once counts it once.
func (p *process) memory() (rss, once float64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p.cmd.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		kb, _ := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
		switch name {
		case "Rss":
			rss = float64(kb) / 1000
		case "Pss":
			once = float64(kb) / 1000
		}
	}
	return rss, once, nil
}

// output runs a command of the binary and returns what it prints.
func (p plan) output(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, p.binary, args...).Output()
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("%s %s: %s", p.binary, args[0], e.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}

package pgtest

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Pgbench runs a script of PostgreSQL's own benchmark on the server for some whole
// seconds, with prepared statements, and returns the transactions of a second. Each
// client has the variable client_id, and n, which begins as it is given.
func (s *Server) Pgbench(script string, clients int, took time.Duration, n int) (perSecond float64, err error) {
	c := exec.Command(filepath.Join(s.s.bin, "pgbench"), "-n", "-M", "prepared", "-h", s.s.dir, "-U", "postgres",
		"-c", strconv.Itoa(clients), "-j", "2", "-T", strconv.Itoa(int(took.Seconds())), "-D", "n="+strconv.Itoa(n), "-f", "/dev/stdin", "postgres")
	c.Stdin = strings.NewReader(script)
	out, err := c.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("pgbench: %w: %.2000s", err, out)
	}
	tps := regexp.MustCompile(`(?m)^tps = ([0-9.]+)`).FindSubmatch(out)
	if tps == nil {
		return 0, fmt.Errorf("pgbench says no tps: %.2000s", out)
	}
	return strconv.ParseFloat(string(tps[1]), 64)
}

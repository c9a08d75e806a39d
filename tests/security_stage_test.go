package tests

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/tests/fixture"
	"berth/tests/ledger"
)

// stage is berth with roots of its own, the image box in its store, a probe,
// and a ledger.
type stage struct {
	t         *testing.T
	path      string // the binary
	root, run string
	ledger    *ledger.Ledger
	beside    string // a container that runs all the time, for tables of flags
	dir       string // a folder of a row of these
}

// result is how a command ended.
type result struct {
	out, errs string
	code      int
}

func newStage(t *testing.T) *stage {
	t.Helper()
	fixture.NeedRoot(t)
	s := &stage{t: t, path: fixture.Berth(t)}
	s.root, s.run = fixture.Roots(t)
	s.ledger = ledger.Take(t, s.root, s.run)
	s.must("run", "--rm", "box", "true")
	return s
}

// in is the same stage for a subtest, which fails instead of its parent.
func (s *stage) in(t *testing.T) *stage {
	at := *s
	at.t = t
	return &at
}

// deadline is how long one command may take at all.
func deadline() time.Duration {
	if os.Getenv("BERTH_VM") != "" {
		return 5 * time.Minute
	}
	return time.Minute
}

// command prepares berth with a deadline.
func (s *stage) command(args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(s.t.Context(), deadline())
	s.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, s.path, args...)
	cmd.WaitDelay = time.Second
	return cmd
}

// do runs berth.
func (s *stage) do(args ...string) result { return finish(s.t, s.command(args...)) }

// finish runs a command to its end.
func finish(t testing.TB, cmd *exec.Cmd) result {
	t.Helper()
	var out, errs bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &out
	}
	cmd.Stderr = &errs
	begun := time.Now()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", strings.Join(cmd.Args, " "), err)
	}
	if took := time.Since(begun); took >= deadline() {
		t.Errorf("%s hangs", strings.Join(cmd.Args, " "))
	}
	return result{out.String(), errs.String(), exitCode(err)}
}

// must runs berth and returns what it printed, without the last newline.
func (s *stage) must(args ...string) string {
	s.t.Helper()
	r := s.do(args...)
	if r.code != 0 {
		s.t.Fatalf("berth %s: exit code %d\n%s%s", strings.Join(args, " "), r.code, r.out, r.errs)
	}
	return strings.TrimSuffix(r.out, "\n")
}

// clean compares with the ledger.
func (s *stage) clean() {
	s.t.Helper()
	s.ledger.Check(s.t, settle)
}

// probe builds testdata/probe.c and returns the flags that bring it in as
// /probe.
func probe(t *testing.T) []string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "probe")
	build := exec.Command(fixture.NeedTool(t, "gcc"), "-static", "-O1", "-Wall", "-Wextra", "-Werror", "-o", bin, "testdata/probe.c")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the probe: %v\n%s", err, out)
	}
	return []string{"-v", bin + ":/probe:ro"}
}

// words puts argument lists together.
func words(lists ...any) []string {
	var all []string
	for _, l := range lists {
		switch l := l.(type) {
		case string:
			all = append(all, strings.Fields(l)...)
		case []string:
			all = append(all, l...)
		}
	}
	return all
}

// statusField reads one line of a /proc/PID/status text.
func statusField(text, name string) string {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// readFile reads a file that is there.
func readFile(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

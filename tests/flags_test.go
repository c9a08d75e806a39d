package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/tests/fixture"
)

// flagRow is what a flag of run, create or exec does to a container, and what
// it does not take.
type flagRow struct {
	flag string // the long name
	// args are the flag's arguments; $T is a folder of the row's own on the
	// host, $ID a container that runs for the whole test.
	args string
	// in is a script that the container runs, or look a look from outside at one
	// that sleeps, or alone a test that needs more than one container. What the
	// first two say must match want.
	in    string
	look  func(s *stage, id string) string
	alone func(s *stage)
	want  string
	// bad are arguments and what is said of them, with exit code 125.
	bad []badFlag
}

type badFlag struct{ args, says string }

// runRows are the rows of run and create, by what the flags are about.
func runRows() []flagRow {
	return slices.Concat(processRows(), lifeRows(), fileRows(), networkRows(), isolationRows(), limitRows(), outputRows(), lateRows())
}

// untabled are flags without a row: of no container's, or not of tier 1 and
// tested where they are made.
func untabled() []string {
	return []string{
		"help", "trace",
		"health-cmd", "health-interval", "health-retries", "health-start-interval", "health-start-period", "health-timeout", "no-healthcheck",
		"link", "link-local-ip",
	}
}

// TestEveryFlagHasARow compares the tables with what the commands take.
func TestEveryFlagHasARow(t *testing.T) {
	rows := map[string][]flagRow{"run": runRows(), "create": runRows(), "exec": execRows()}
	taken := map[string]bool{}
	for _, command := range []string{"run", "create", "exec"} {
		s := &stage{t: t, path: fixture.Berth(t)}
		for _, m := range regexp.MustCompile(`(?m)^ +(?:-\w, )?--([a-z0-9-]+)`).FindAllStringSubmatch(s.must(command, "--help"), -1) {
			taken[command+" "+m[1]] = true
			has := slices.ContainsFunc(rows[command], func(r flagRow) bool { return r.flag == m[1] })
			if !has && !slices.Contains(untabled(), m[1]) {
				t.Errorf("%s --%s has no row: add one to tests/flags_*_test.go", command, m[1])
			}
		}
	}
	for command, list := range map[string][]flagRow{"run": runRows(), "exec": execRows()} {
		for _, r := range list {
			if !taken[command+" "+r.flag] {
				t.Errorf("%s has a row for --%s, which it does not take", command, r.flag)
			}
			if r.want == "" && r.alone == nil && r.bad == nil {
				t.Errorf("%s --%s: a row that asks for nothing", command, r.flag)
			}
		}
	}
}

// TestRunFlags holds each row of run. An emulated machine gets those that another
// kernel and cgroup v2 make different.
func TestRunFlags(t *testing.T) {
	rows := runRows()
	if shortMachine() {
		rows = limitRows()
	}
	testRows(t, rows, func(_ *stage, args []string) []string { return words("run --rm", args, "box") })
}

// TestExecFlags holds each row of exec, in one container.
func TestExecFlags(t *testing.T) {
	leaveToHost(t)
	testRows(t, execRows(), func(s *stage, args []string) []string { return words("exec", args, s.beside) })
}

// testRows holds rows. line makes a command line up to the container's program.
func testRows(t *testing.T, rows []flagRow, line func(s *stage, args []string) []string) {
	s := newStage(t)
	s.beside = s.must("run", "-d", "--name", "beside", "-e", "FROM=run", "box", "sleep", "1000")
	for i, r := range rows {
		t.Run(fmt.Sprintf("%s %d", r.flag, i), func(t *testing.T) {
			own := *s
			own.t = t
			own.row(r, line)
		})
	}
	s.must("rm", "-f", "beside")
	if left := s.must("ps", "-aq"); left != "" {
		t.Errorf("containers are left: %s", left)
		s.must(words("rm -f", left)...)
	}
	s.clean()
}

// row holds one row.
func (s *stage) row(r flagRow, line func(s *stage, args []string) []string) {
	s.dir = s.t.TempDir()
	if err := os.WriteFile(filepath.Join(s.dir, "file"), []byte("ONE=1\n#TWO=2\nTHREE=three words\n"), 0o644); err != nil {
		s.t.Fatal(err)
	}
	expand := strings.NewReplacer("$T", s.dir, "$ID", s.beside).Replace
	args := words(expand(r.args))
	want := regexp.MustCompile(expand(r.want))
	switch {
	case r.in != "":
		if got := s.do(append(line(s, args), "sh", "-c", r.in)...); !want.MatchString(got.out) {
			s.t.Errorf("%s: %q does not match %q; stderr %q, exit code %d", r.args, got.out, want, got.errs, got.code)
		}
	case r.look != nil:
		id := s.must(words("run -d --rm", args, "box sleep 1000")...)
		if got := r.look(s, id); !want.MatchString(got) {
			s.t.Errorf("%s: %q does not match %q", r.args, got, want)
		}
		s.must("rm", "-f", id)
	case r.alone != nil:
		r.alone(s)
	}
	for _, b := range r.bad {
		got := s.do(append(line(s, words(expand(b.args))), "true")...)
		if says := expand(b.says); got.code != 125 || !strings.Contains(got.errs, says) {
			s.t.Errorf("%s: exit code %d, stderr %q, want 125 and %q", b.args, got.code, got.errs, says)
		}
	}
}

// inspect looks at what inspect shows of a container.
func inspect(format string) func(s *stage, id string) string {
	return func(s *stage, id string) string { return s.must("inspect", "-f", format, id) }
}

// ofPayload looks at a file that the kernel keeps of the payload.
func ofPayload(name string) func(s *stage, id string) string {
	return func(s *stage, id string) string {
		data, err := os.ReadFile("/proc/" + s.must("inspect", "-f", "{{.State.Pid}}", id) + "/" + name)
		if err != nil {
			s.t.Error(err)
		}
		return string(data)
	}
}

// says checks how a command ended.
func (s *stage) says(r result, code int, out string) {
	s.t.Helper()
	if r.code != code || r.out != out {
		s.t.Errorf("stdout %q, exit code %d, want %q and %d; stderr %q", r.out, r.code, out, code, r.errs)
	}
}

// until waits for what another process does.
func (s *stage) until(what string, done func() bool) {
	s.t.Helper()
	for begun := time.Now(); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Since(begun) > deadline()/4 {
			s.t.Fatalf("waited in vain: %s", what)
		}
	}
}

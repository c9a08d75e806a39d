package bundle

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/container"
	"berth/tests/ledger"
)

func TestLife(t *testing.T) {
	h := newHarness(t)
	ledger.Take(t)
	ctx := t.Context()
	h.create("life", shell("trap 'exit 3' TERM; while :; do sleep 0.05; done"))
	h.await("life", created)
	if err := h.Create(ctx, "life", CreateOptions{Bundle: h.bundle(shell("true"))}); !errors.Is(err, ErrExists) {
		t.Errorf("a second one: %v", err)
	}
	h.start("life")
	h.await("life", running)
	s, err := h.State(ctx, "life")
	if err != nil || s.Pid <= 0 || s.ID != "life" || s.Version != specs.Version || !filepath.IsAbs(s.Bundle) {
		t.Errorf("state %+v, %v", s, err)
	}
	if err := h.Start(ctx, "life"); err == nil || !strings.Contains(err.Error(), "already running") {
		t.Errorf("start again: %v", err)
	}
	if err := h.Delete(ctx, "life", false); err == nil || !strings.Contains(err.Error(), "not stopped") {
		t.Errorf("delete while it runs: %v", err)
	}
	if err := h.Pause(ctx, "life"); err != nil {
		t.Fatal(err)
	}
	h.await("life", paused)
	if err := h.Pause(ctx, "life"); !errors.Is(err, ErrPaused) {
		t.Errorf("pause again: %v", err)
	}
	if err := h.Resume(ctx, "life"); err != nil {
		t.Fatal(err)
	}
	h.await("life", running)
	if err := h.Kill(ctx, "life", unix.SIGKILL, false); err != nil {
		t.Fatal(err)
	}
	h.await("life", stopped)
	if err := h.Kill(ctx, "life", unix.SIGTERM, false); !errors.Is(err, ErrNotRunning) {
		t.Errorf("kill what has ended: %v", err)
	}
	if err := h.Delete(ctx, "life", false); err != nil {
		t.Fatal(err)
	}
	h.empty()
	if _, err := h.State(ctx, "life"); !errors.Is(err, ErrNotExist) {
		t.Errorf("state of what is gone: %v", err)
	}
}

func TestRunCodes(t *testing.T) {
	h := newHarness(t)
	for _, x := range []struct {
		script, output string
		code           int
	}{
		{"echo out; echo err >&2", "out\nerr\n", 0},
		{"exit 7", "", 7},
		{"kill -9 $$; sleep 1", "", 0}, // the first process of a PID namespace
		{"sh -c 'kill -9 $$'", "Killed\n", 137},
	} {
		out, code, err := h.run(shell(x.script))
		if err != nil || x.output != out && !strings.Contains(x.script, "kill") || code != x.code {
			t.Errorf("%s: %q, %d, %v", x.script, out, code, err)
		}
	}
	h.empty()
}

// TestNoProgram: what is missing is found by create, in the words that
// callers match, and nothing is left.
func TestNoProgram(t *testing.T) {
	h := newHarness(t)
	ledger.Take(t)
	for _, x := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{"nonesuch"}, `exec: "nonesuch": executable file not found in $PATH`, 127},
		{[]string{"/nonesuch"}, `exec: "/nonesuch": stat /nonesuch: no such file or directory`, 127},
		{[]string{"/etc/passwd"}, "permission denied", 126},
		{[]string{"/etc"}, "", 126},
	} {
		s := shell("")
		s.Process.Args = x.args
		for what, make := range map[string]func() error{
			"create": func() error { return h.Create(t.Context(), "c", CreateOptions{Bundle: h.bundle(s)}) },
			"run":    func() error { _, _, err := h.run(s); return err },
		} {
			err := make()
			var start *container.StartError
			if err == nil || !errors.As(err, &start) || start.Code != x.code || !strings.Contains(err.Error(), x.want) {
				t.Errorf("%s %q: %v, want %s", what, x.args, err, x.want)
			}
		}
	}
	h.empty()
}

func TestBadInput(t *testing.T) {
	h := newHarness(t)
	for name, spoil := range map[string]func(*specs.Spec){
		"root.path":    func(s *specs.Spec) { s.Root.Path = "nothing" },
		"root":         func(s *specs.Spec) { s.Root = nil },
		"process":      func(s *specs.Spec) { s.Process = nil },
		"process.cwd":  func(s *specs.Spec) { s.Process.Cwd = "here" },
		"process.args": func(s *specs.Spec) { s.Process.Args = nil },
		"linux":        func(s *specs.Spec) { s.Linux = nil },
		"namespaces": func(s *specs.Spec) {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: "space"})
		},
		"linux.seccomp": func(s *specs.Spec) { s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: "SCMP_ACT_NOTHING"} },
	} {
		s := shell("true")
		spoil(s)
		err := h.Create(t.Context(), "bad", CreateOptions{Bundle: h.bundle(s)})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		h.empty()
	}
	for _, id := range []string{"", ".", "..", "../x", "a/b", ".hidden", "a b", "a\n", strings.Repeat("x", 256), "ä"} {
		if err := h.Create(t.Context(), id, CreateOptions{Bundle: h.bundle(shell("true"))}); !errors.Is(err, ErrInvalidID) {
			t.Errorf("id %q: %v", id, err)
		}
	}
	if err := h.Create(t.Context(), "bad", CreateOptions{Bundle: t.TempDir()}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no config.json: %v", err)
	}
	if _, err := h.State(t.Context(), "nobody"); !errors.Is(err, ErrNotExist) {
		t.Errorf("state: %v", err)
	}
	if err := h.Delete(t.Context(), "nobody", true); err != nil {
		t.Errorf("delete --force of nobody: %v", err)
	}
	if err := h.Delete(t.Context(), "nobody", false); !errors.Is(err, ErrNotExist) {
		t.Errorf("delete of nobody: %v", err)
	}
}

// TestOneWins: of any number who create the same id one succeeds.
func TestOneWins(t *testing.T) {
	h := newHarness(t)
	dirs := make([]string, 6)
	for i := range dirs {
		dirs[i] = h.bundle(shell("sleep 100"))
	}
	errs := make([]error, len(dirs))
	var all sync.WaitGroup
	for i := range dirs {
		all.Go(func() { errs[i] = h.Create(t.Context(), "one", CreateOptions{Bundle: dirs[i]}) })
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, ErrExists):
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d creators won", won)
	}
	if err := h.Delete(t.Context(), "one", true); err != nil {
		t.Error(err)
	}
	h.empty()
}

// TestDelete: a container that was never started goes without force, one that
// runs or is paused with it.
func TestDelete(t *testing.T) {
	h := newHarness(t)
	ledger.Take(t)
	for _, x := range []struct {
		name  string
		force bool
		bring func()
	}{
		{"created", false, func() {}},
		{"running", true, func() { h.start("x") }},
		{"paused", true, func() {
			h.start("x")
			if err := h.Pause(t.Context(), "x"); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		h.create("x", shell("sleep 100 & sleep 100"))
		x.bring()
		if err := h.Delete(t.Context(), "x", x.force); err != nil {
			t.Errorf("%s: %v", x.name, err)
		}
		h.empty()
	}
}

func TestExec(t *testing.T) {
	h := newHarness(t)
	h.create("x", shell("sleep 100"))
	exec := func(script string) (string, int, error) {
		p := *shell(script).Process
		w, done := h.pipe()
		code, err := h.Exec(t.Context(), "x", ExecOptions{Process: &p, Stdio: container.Stdio{Out: w, Err: w}})
		return done(), code, err
	}
	h.start("x")
	if out, code, err := exec("hostname; exit 9"); out != "test\n" || code != 9 || err != nil {
		t.Errorf("%q, %d, %v", out, code, err)
	}
	if err := h.Pause(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := exec("true"); !errors.Is(err, ErrPaused) {
		t.Errorf("in a paused container: %v", err)
	}
	if err := h.Resume(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	if err := h.Kill(t.Context(), "x", unix.SIGKILL, true); err != nil {
		t.Fatal(err)
	}
	h.await("x", stopped)
	if _, _, err := exec("true"); !errors.Is(err, ErrNotRunning) {
		t.Errorf("in a stopped container: %v", err)
	}
}

func TestListPassesOverBroken(t *testing.T) {
	h := newHarness(t)
	h.create("good", shell("sleep 100"))
	for _, id := range []string{"empty", "broken"} {
		if err := os.Mkdir(h.dir(id), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(h.statePath("broken"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := h.List(t.Context())
	if err != nil || len(list) != 1 || list[0].ID != "good" || list[0].Status != created {
		t.Errorf("%+v, %v", list, err)
	}
	if len(h.warnings) != 1 || !strings.Contains(h.warnings[0], "broken") {
		t.Errorf("warnings %q", h.warnings)
	}
}

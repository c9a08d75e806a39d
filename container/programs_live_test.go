package container

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"berth/nsenter"
	"berth/tests/fixture"
)

// TestCheckProgram: each way to have no program, in the words that callers
// match, before the payload waits.
func TestCheckProgram(t *testing.T) {
	fixture.NeedRoot(t)
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name string, mode os.FileMode) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\nsleep 60\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("bin/good", 0o755)
	write("bin/plain", 0o644)
	write("other/plain", 0o755)
	write("closed/hidden", 0o755)
	write("bin/sub/x", 0o755)
	if err := os.Chmod(filepath.Join(dir, "closed"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("loop", filepath.Join(dir, "bin/loop")); err != nil {
		t.Fatal(err)
	}
	path := "PATH=" + dir + "/none:" + dir + "/bin"
	for _, x := range []struct {
		name, program, path string
		user                uint32
		cwd                 string
		code                int
		want                string
	}{
		{name: "found", program: "good"},
		{name: "found by path", program: dir + "/bin/good"},
		{name: "found from the working directory", program: "bin/good", cwd: dir},
		{name: "found behind one that may not be executed", program: "plain", path: path + ":" + dir + "/other"},
		{name: "nowhere", program: "bad", code: 127, want: `exec: "bad": executable file not found in $PATH`},
		{name: "no such path", program: "/bad", code: 127, want: `exec: "/bad": stat /bad: no such file or directory`},
		{name: "below a file", program: dir + "/bin/good/x", code: 127, want: "no such file or directory"},
		{name: "not executable", program: dir + "/bin/plain", code: 126, want: `/bin/plain": permission denied`},
		{name: "not executable, in PATH", program: "plain", code: 126, want: `exec: "plain": permission denied`},
		{name: "a folder", program: dir + "/bin/sub", code: 126, want: `/bin/sub": is a directory`},
		{name: "a folder, with slash", program: dir + "/bin/sub/", code: 126, want: `/bin/sub/": is a directory`},
		{name: "a folder, in PATH", program: "sub", code: 126, want: `exec: "sub": permission denied`},
		{name: "a loop", program: dir + "/bin/loop", code: 126, want: "too many levels of symbolic links"},
		{name: "a long name", program: "/" + strings.Repeat("x", 300), code: 126, want: "file name too long"},
		{name: "not for this user", program: dir + "/closed/hidden", user: 65534, code: 126, want: "permission denied"},
		{name: "for root", program: dir + "/closed/hidden"},
	} {
		t.Run(x.name, func(t *testing.T) {
			b := newBench(t)
			b.spec.Process.Args = []string{x.program}
			b.spec.Process.Env = []string{path}
			if x.path != "" {
				b.spec.Process.Env = []string{x.path}
			}
			b.first = []nsenter.Step{nsenter.Call(nsenter.Child, unix.SYS_CHDIR, nsenter.Str("/"))}
			b.spec.Process.Cwd = x.cwd
			b.spec.Process.User.UID = x.user
			b.set = func(pl *payload) { pl.check = true }
			run, err := b.start(t)
			if x.code == 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			got := PlanError(x.program, b.plan, run.Results(), err)
			var start *StartError
			if !errors.As(got, &start) || start.Code != x.code || !strings.Contains(got.Error(), x.want) || strings.Contains(got.Error(), "step") {
				t.Errorf("got %v; want code %d and %q", got, x.code, x.want)
			}
		})
	}
}

// TestWorkDirAgain: where root must not go, the payload's user may: a FUSE or
// NFS mount that knows its owner alone. Here root has no capabilities left.
func TestWorkDirAgain(t *testing.T) {
	fixture.NeedRoot(t)
	dir := t.TempDir()
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chown(dir, 1234, 1234), os.Chmod(dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	for user, want := range map[uint32]string{1234: "", 1235: "chdir to cwd"} {
		b := newBench(t)
		b.first = []nsenter.Step{nsenter.Call(nsenter.Child, unix.SYS_CHDIR, nsenter.Str("/"))}
		b.spec.Process.Cwd = dir
		b.spec.Process.User.UID = user
		b.set = func(pl *payload) {
			pl.check = true
			keep := uint64(1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID | 1<<unix.CAP_SETPCAP)
			pl.child(capset(keep, keep, 0))
		}
		run, err := b.start(t)
		if want != "" {
			if got := PlanError("x", b.plan, run.Results(), err); got == nil || !strings.Contains(got.Error(), want) {
				t.Errorf("user %d: got %v", user, got)
			}
			continue
		}
		if err != nil {
			t.Errorf("user %d: %v", user, err)
			continue
		}
		if cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", run.Pid())); err != nil || cwd != dir {
			t.Errorf("user %d: in %s, %v", user, cwd, err)
		}
	}
}

// TestEnvironment: of two variables the last one holds, and HOME comes from
// the image when there is none.
func TestEnvironment(t *testing.T) {
	for _, x := range []struct {
		env  []string
		want map[string]string
	}{
		{[]string{"A=1", "B=2", "A=3"}, map[string]string{"A": "3", "B": "2", "HOME": "/home/of/it"}},
		{[]string{"HOME=", "A=1"}, map[string]string{"A": "1", "HOME": "/home/of/it"}},
		{[]string{"HOME=/x"}, map[string]string{"HOME": "/x"}},
		{nil, map[string]string{"HOME": "/home/of/it"}},
	} {
		b := newBench(t)
		b.spec.Process.Env = x.env
		b.set = func(pl *payload) { pl.id.Home = "/home/of/it" }
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", b.pid(t)))
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, v := range strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00") {
			name, value, _ := strings.Cut(v, "=")
			if _, twice := got[name]; twice {
				t.Errorf("%s twice in %q", name, text)
			}
			got[name] = value
		}
		if !maps.Equal(got, x.want) {
			t.Errorf("%q gives %q", x.env, got)
		}
	}
}

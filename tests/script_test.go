package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"berth/tests/fixture"
	"berth/tests/ledger"
)

// settle is how long a script's leftovers may take to go.
const settle = 2 * time.Second

// inMachine are the scripts that the virtual machine has. In its short run they
// are those in which another kernel, cgroup v2 and systemd can make a difference,
// in the long one all but those with a registry or skopeo, which are not installed
// there.
func inMachine(t *testing.T) []string {
	t.Helper()
	names := []string{"run", "exec", "limits", "stop", "pause", "update", "terminal", "logs_journal", "oci_exec", "oci_life", "oci_limits"}
	for i, name := range names {
		names[i] = filepath.Join("scripts", name+".txtar")
	}
	if testing.Short() {
		return names
	}
	all, err := filepath.Glob("scripts/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(path string) bool {
		text, err := os.ReadFile(path)
		return err == nil && (strings.Contains(string(text), "\nregistry ") || strings.Contains(string(text), "\nexec skopeo "))
	})
}

// leaveToHost skips a test in the short run in the virtual machine: an emulated
// machine takes minutes, and would find the same.
func leaveToHost(t *testing.T) {
	t.Helper()
	if shortMachine() {
		t.Skip("by design: the machine that runs the tests has them, too, and an emulated one takes minutes")
	}
}

// shortMachine reports whether this is the short run in the virtual machine.
func shortMachine() bool { return testing.Short() && os.Getenv("BERTH_VM") != "" }

// TestScripts runs every script against the built binary, one after the
// other: a ledger cannot tell two scripts' containers apart.
func TestScripts(t *testing.T) {
	fixture.NeedRoot(t)
	berth, err := filepath.Abs(fixture.Berth(t))
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(berth, filepath.Join(bin, "berth")); err != nil {
		t.Fatal(err)
	}
	dir, files := "scripts", []string(nil)
	if os.Getenv("BERTH_VM") != "" {
		dir, files = "", inMachine(t)
	}
	testscript.RunT(serial{t}, testscript.Params{
		Dir:                dir,
		Files:              files,
		RequireUniqueNames: true,
		Setup:              func(env *testscript.Env) error { return prepare(env, bin) },
		Condition:          condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"berth":    cmdBerth,
			"exits":    cmdExits,
			"json":     cmdJSON,
			"jsonl":    cmdJSONLines,
			"pty":      cmdPty,
			"registry": cmdRegistry,
			"retry":    cmdRetry,
		},
	})
}

// serial is a *testing.T whose scripts do not run in parallel.
type serial struct{ *testing.T }

func (serial) Parallel()     {}
func (serial) Verbose() bool { return testing.Verbose() }

func (s serial) Run(name string, f func(testscript.T)) {
	s.T.Run(name, func(t *testing.T) { f(serial{t}) })
}

// prepare gives a script its own roots and a ledger that is compared when the
// script and its background commands have ended. The roots lie outside the
// script's work folder, which is removed before that, and the run root has a
// short name: sockets below it must fit into 108 bytes (unix(7)).
func prepare(env *testscript.Env, bin string) error {
	t := env.T().(serial).T
	root := t.TempDir()
	run, err := os.MkdirTemp("/run", "b")
	if err != nil {
		return err
	}
	l, err := ledger.Open(root, run)
	if err != nil {
		return err
	}
	env.Setenv("PATH", bin+":"+env.Getenv("PATH")+":/usr/sbin:/sbin")
	env.Setenv("HOME", env.WorkDir)
	env.Setenv("BERTH_ROOT", root)
	env.Setenv("BERTH_RUNROOT", run)
	env.Vars = append(env.Vars, l.Environ())
	if debian := os.Getenv("BERTH_FIXTURE_BOOKWORM"); debian != "" {
		env.Setenv("DEBIAN", debian)
	}
	t.Cleanup(func() {
		if diff := l.Wait(settle); diff != "" {
			t.Errorf("the script left something behind:\n%s", diff)
		}
		if t.Failed() {
			removeAll(t, filepath.Join(bin, "berth"), env.Vars)
		}
		l.Close()
		if err := os.RemoveAll(run); err != nil {
			t.Errorf("remove run root: %v", err)
		}
	})
	return nil
}

// removeAll keeps a failed script's containers away from the next script.
func removeAll(t *testing.T, berth string, vars []string) {
	for _, way := range []struct{ list, remove []string }{
		{[]string{"ps", "-aq", "--no-trunc"}, []string{"rm", "-f"}},
		{[]string{"oci", "list", "-q"}, []string{"oci", "delete", "-f"}},
	} {
		list := exec.Command(berth, way.list...)
		list.Env = vars
		ids, err := list.Output()
		if err != nil {
			t.Logf("list containers: %v", err)
		}
		for _, id := range strings.Fields(string(ids)) {
			remove := exec.Command(berth, append(way.remove, id)...)
			remove.Env = vars
			if out, err := remove.CombinedOutput(); err != nil {
				t.Logf("remove container %s: %v\n%s", id, err, out)
			}
		}
	}
}

// condition knows [vm] (the virtual machine of make test-vm), [systemd] (it is
// PID 1), [cgroup2] (the one hierarchy), [soak] (make test-soak) and
// [kernel:6.5] (that version or newer).
func condition(name string) (bool, error) {
	switch name {
	case "vm":
		return os.Getenv("BERTH_VM") != "", nil
	case "soak":
		return os.Getenv("BERTH_SOAK") != "", nil
	case "systemd":
		_, err := os.Stat("/run/systemd/system")
		return err == nil, nil
	case "cgroup2":
		var fs unix.Statfs_t
		err := unix.Statfs("/sys/fs/cgroup", &fs)
		return fs.Type == unix.CGROUP2_SUPER_MAGIC, err
	}
	if version, ok := strings.CutPrefix(name, "kernel:"); ok {
		return kernelAtLeast(version)
	}
	return false, os.ErrInvalid
}

func kernelAtLeast(version string) (bool, error) {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return false, err
	}
	have := strings.FieldsFunc(unix.ByteSliceToString(uts.Release[:]), func(r rune) bool { return r < '0' || r > '9' })
	for i, part := range strings.Split(version, ".") {
		want, err := strconv.Atoi(part)
		if err != nil {
			return false, err
		}
		n := 0
		if i < len(have) {
			n, _ = strconv.Atoi(have[i])
		}
		if n != want {
			return n > want, nil
		}
	}
	return true, nil
}

package callers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"berth/tests/ledger"
)

// daemon is a program that serves the callers until the test ends.
type daemon struct {
	cmd   *exec.Cmd
	log   string
	ended chan error
}

// startDaemon starts a program with its output in a file. It is stopped by its
// pid, gently first, when the test ends.
func startDaemon(t *testing.T, log string, argv ...string) *daemon {
	t.Helper()
	f, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := &daemon{cmd: exec.Command(argv[0], argv[1:]...), log: log, ended: make(chan error, 1)}
	d.cmd.Stdout, d.cmd.Stderr = f, f
	// An interrupt at the terminal is for the test to pass on.
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { d.ended <- d.cmd.Wait() }()
	t.Cleanup(func() { d.stop(t) })
	return d
}

func (d *daemon) stop(t *testing.T) {
	if err := d.cmd.Process.Signal(unix.SIGTERM); err != nil {
		return
	}
	select {
	case <-d.ended:
	case <-time.After(20 * time.Second):
		t.Errorf("%s does not end", d.cmd.Path)
		d.cmd.Process.Kill()
		<-d.ended
	}
}

// ready waits until the command succeeds, which asks the daemon something.
func (d *daemon) ready(t *testing.T, c *caller, args ...string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		select {
		case err := <-d.ended:
			text, _ := os.ReadFile(d.log)
			t.Fatalf("%s ended: %v\n%s", d.cmd.Path, err, text)
		default:
		}
		if c.try(t, args...).code == 0 {
			return
		}
	}
	text, _ := os.ReadFile(d.log)
	t.Fatalf("%s does not answer:\n%s", d.cmd.Path, text)
}

// notInMachine leaves out what needs a program that the virtual machine has not.
func notInMachine(t *testing.T) {
	t.Helper()
	if os.Getenv("BERTH_VM") != "" {
		t.Skip("by design: the virtual machine has podman alone, to keep its disk small")
	}
}

// takeLedger opens a ledger that is compared when all that the test starts from
// now on has been stopped.
func takeLedger(t *testing.T, dirs ...string) {
	t.Helper()
	l := ledger.Take(t, dirs...)
	t.Cleanup(func() {
		if diff := l.Wait(settle); diff != "" {
			t.Errorf("something was left behind:\n%s", diff)
		}
	})
}

// shortDir is a folder whose name leaves room for that of a socket: 108 bytes in
// all (unix(7)).
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/run", "b")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unmountBelow(t, dir)
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// unmountBelow undoes what callers leave mounted, such as the network namespace
// of the host that dockerd pins.
func unmountBelow(t *testing.T, dir string) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[4], dir+"/") {
			if err := unix.Unmount(f[4], unix.MNT_DETACH); err != nil {
				t.Errorf("umount %s: %v", f[4], err)
			}
		}
	}
}

// dropCgroups removes the cgroups of the given names, with the empty ones below
// them, when the test ends: callers leave the parents that they were told.
func dropCgroups(t *testing.T, names ...string) {
	t.Cleanup(func() {
		for _, name := range names {
			for _, pattern := range []string{"/sys/fs/cgroup/", "/sys/fs/cgroup/*/"} {
				tops, _ := filepath.Glob(pattern + name)
				for _, top := range tops {
					dropCgroup(t, top)
				}
			}
		}
	})
}

// dropCgroup removes a cgroup, those below it first. A monitor that is about to
// end may still be in it.
func dropCgroup(t *testing.T, top string) {
	t.Helper()
	entries, _ := os.ReadDir(top)
	for _, e := range entries {
		if e.IsDir() {
			dropCgroup(t, filepath.Join(top, e.Name()))
		}
	}
	var err error
	for deadline := time.Now().Add(settle); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err = unix.Rmdir(top); err != unix.EBUSY {
			break
		}
	}
	if err != nil && err != unix.ENOENT {
		t.Errorf("rmdir %s: %v", top, err)
	}
}

// cgroupFile reads a file of a process's cgroup: of the v1 hierarchy of the
// controller where that is mounted, else of the unified one.
func cgroupFile(t *testing.T, pid int, controller, v1, v2 string) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		t.Fatal(err)
	}
	path := ""
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		field := strings.SplitN(line, ":", 3)
		switch {
		case field[1] == controller || strings.HasPrefix(field[1], controller+",") || strings.HasSuffix(field[1], ","+controller):
			path = filepath.Join("/sys/fs/cgroup", controller, field[2], v1)
		case field[1] == "" && path == "":
			path = filepath.Join("/sys/fs/cgroup", field[2], v2)
		}
	}
	value, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(value))
}

// namespace is a namespace of a process of the host, as readlink shows it.
func namespace(t *testing.T, pid int, kind string) string {
	t.Helper()
	link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
	if err != nil {
		t.Fatal(err)
	}
	return link
}

// gone waits until no process has the pid.
func gone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(window); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if unix.Kill(pid, 0) == unix.ESRCH {
			return
		}
	}
	t.Errorf("process %d is still there", pid)
}

// pidIn is the pid that a container's first process has on the host.
func pidIn(t *testing.T, text string) int {
	t.Helper()
	pid, err := strconv.Atoi(text)
	if err != nil || pid <= 0 {
		t.Fatalf("no pid: %q", text)
	}
	return pid
}

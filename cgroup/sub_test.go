package cgroup

import (
	"os"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

func TestLiveSub(t *testing.T) {
	l := newLab(t)
	c := l.start(t, Group{Reuse: true}, &specs.LinuxResources{Devices: DefaultDevices()}, "sleep 60")
	for _, dir := range c.Dirs() {
		if err := unix.Mkdir(dir+"/below", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m, err := c.Sub("../below/.")
	if err != nil {
		t.Fatal(err)
	}
	for i, dir := range m.Dirs() {
		if dir != c.Dirs()[i]+"/below" {
			t.Errorf("%s is not below %s", dir, c.Dirs()[i])
		}
	}
	p := &nsenter.Plan{}
	_, out := l.enter(t, m, p, m.Place(p), "cat /proc/self/cgroup").wait(t)
	if strings.Count(out, "/below") != len(c.Dirs()) {
		t.Errorf("joined %s", out)
	}
	if same, err := c.Sub("/"); err != nil || same != c.Manager {
		t.Errorf("the container's own: %v", err)
	}
	_, err = c.Sub("none")
	wantError(t, err, ErrNoCgroup, "none")
	_, err = c.Sub("a:b:c")
	wantError(t, err, ErrPath, "b:c")
	_, err = c.Sub("nosuch:below")
	wantError(t, err, ErrController, "nosuch")
}

// TestLiveBeside joins a container whose payload has moved itself below, as
// systemd does.
func TestLiveBeside(t *testing.T) {
	l := newLab(t)
	if l.host.Mode != Unified {
		t.Skipf("by design: no v2 controllers to hand down here; the virtual machine has them")
	}
	script := "cd /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup) && mkdir init && echo $$ > init/cgroup.procs && echo +pids > cgroup.subtree_control && echo up; exec sleep 60"
	c := l.start(t, Group{Account: true}, nil, script)
	if _, err := c.out.Read(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	m, err := c.Beside(c.run.Pid())
	if err != nil || m.Dirs()[0] != c.Dirs()[0]+"/init" {
		t.Fatalf("%v, %v", m, err)
	}
	p := &nsenter.Plan{}
	if status, out := l.enter(t, m, p, m.Place(p), "cat /proc/self/cgroup").wait(t); status != 0 || !strings.Contains(out, "/init") {
		t.Errorf("%v: %s", status, out)
	}
	if _, err := c.Beside(os.Getpid()); err == nil {
		t.Error("a process of others was followed")
	}
}

func TestLiveOccupied(t *testing.T) {
	l := newLab(t)
	res := &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: to(int64(20))}}
	c := l.start(t, Group{Reuse: true}, res, "exec sleep 60")
	p := &nsenter.Plan{}
	if _, err := Compile(p, l.host, Group{Path: l.parent + "/c1", Reuse: true}, res); err != nil {
		t.Fatal(err)
	}
	run, err := p.Start(deadline(t), nsenter.Options{Empty: t.TempDir()})
	run.Close()
	wantError(t, err, ErrBusy, "not empty: 1 process")
	ctx := deadline(t)
	if pids, err := c.Procs(ctx); len(pids) != 1 || err != nil {
		t.Errorf("the group's own: %v, %v", pids, err)
	}
	l.stop(t, c.Manager)
	// An empty one is taken, with its old limits replaced.
	for _, dir := range c.Dirs() {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	again := l.start(t, Group{Path: l.parent + "/c1", Reuse: true}, res, "exit 7")
	if status, out := again.wait(t); status.ExitStatus() != 7 {
		t.Errorf("%v: %s", status, out)
	}
}

func TestResolve(t *testing.T) {
	for _, x := range []struct {
		in, want string
		own      bool
	}{
		{"", "/berth/id", true}, {"/a/../b//c/", "/b/c", false}, {"x/y", "/berth/x/y", false}, {"../../x", "/berth/x", false}, {"/../x", "/x", false},
	} {
		if got, own, err := Resolve(x.in, "/berth", "id"); got != x.want || own != x.own || err != nil {
			t.Errorf("%q: %q, %v, %v", x.in, got, own, err)
		}
	}
	for _, bad := range []string{"/", "/a:b", "x/cgroup.procs", "/a\n"} {
		_, _, err := Resolve(bad, "/berth", "id")
		wantError(t, err, ErrPath, "linux.cgroupsPath")
	}
	_, _, err := Resolve("a.slice:p:n", "/berth", "id")
	wantError(t, err, ErrPath, "--systemd-cgroup")
}

// TestLiveFullParent: a v2 group with processes cannot hand controllers down.
// A limit then is an error that says so; statistics are done without.
func TestLiveFullParent(t *testing.T) {
	l := newLab(t)
	if l.host.Mode != Unified {
		t.Skipf("by design: no v2 controllers to hand down here; the virtual machine has them")
	}
	full := l.start(t, Group{Account: true}, nil, "exec sleep 60")
	inside := Group{Path: l.parent + "/c1/inside", Account: true}
	p := &nsenter.Plan{}
	if _, err := Compile(p, l.host, inside, &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: to(int64(5))}}); err != nil {
		t.Fatal(err)
	}
	run, err := p.Start(deadline(t), nsenter.Options{Empty: t.TempDir()})
	run.Close()
	wantError(t, err, unix.EBUSY, full.Dirs()[0]+" holds 1 processes")
	wantError(t, err, unix.EBUSY, "linux.resources.pids.limit")
	if status, out := l.start(t, inside, nil, "exit 3").wait(t); status.ExitStatus() != 3 {
		t.Errorf("without limits: %v: %s", status, out)
	}
}

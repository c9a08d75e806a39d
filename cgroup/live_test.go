package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
	"berth/tests/fixture"
)

// The tests in live_*_test.go make real groups, on whatever cgroup version the
// machine has, below a parent of their own, which they remove.

// lab is a host and a parent group for one test.
type lab struct {
	host   Host
	parent string
	count  int
}

func newLab(t testing.TB) *lab {
	t.Helper()
	fixture.NeedRoot(t)
	parent := fmt.Sprintf("/berth-test-cgroup-%d-%s", os.Getpid(), strings.ToLower(t.Name()[4:min(16, len(t.Name()))]))
	h, err := Detect(parent)
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{host: h, parent: parent}
	t.Cleanup(func() { l.leftovers(t) })
	return l
}

// leftovers prunes the parent and fails the test when anything is left.
func (l *lab) leftovers(t testing.TB) {
	if err := Prune(l.host, l.parent); err != nil {
		t.Error(err)
	}
	h := l.host.private()
	if err := h.settle(); err != nil {
		t.Fatal(err)
	}
	for _, x := range h.Hierarchies {
		if exists(x.Mount + l.parent) {
			t.Errorf("left behind: %s%s with %q", x.Mount, l.parent, subgroups(x.Mount+l.parent))
		}
	}
}

// need skips a test for a controller that the machine lacks.
func (l *lab) need(t testing.TB, v1, v2 string) {
	t.Helper()
	name := v1
	if l.host.Mode == Unified {
		name = v2
	}
	if l.find(t, name) == nil {
		t.Skipf("this %s machine has no controller %s", l.host.Mode, name)
	}
}

// find returns the hierarchy that has a controller, or nil.
func (l *lab) find(t testing.TB, controller string) *Hierarchy {
	t.Helper()
	h := l.host.private()
	x, err := h.Find(controller)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// cell is a process in its groups.
type cell struct {
	*Manager
	run *nsenter.Run
	out *os.File
}

func deadline(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// start runs a shell script in a new group.
func (l *lab) start(t testing.TB, g Group, res *specs.LinuxResources, script string) *cell {
	t.Helper()
	l.count++
	if g.Path == "" {
		g.Path = fmt.Sprintf("%s/c%d", l.parent, l.count)
	}
	p := &nsenter.Plan{}
	place, err := Compile(p, l.host, g, res)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Open(l.host, place.Dirs)
	if err != nil {
		t.Fatal(err)
	}
	var c *cell
	t.Cleanup(func() {
		l.stop(t, m)
		if c != nil {
			_, _ = unix.Wait4(c.run.Pid(), nil, 0, nil) // unless the test has
		}
	})
	c = l.enter(t, m, p, place, script)
	return c
}

// enter completes a plan and starts it.
func (l *lab) enter(t testing.TB, m *Manager, p *nsenter.Plan, place Placement, script string) *cell {
	t.Helper()
	spawn := nsenter.Control(nsenter.Host, nsenter.OpSpawn, "start the child", nsenter.Int(0))
	if place.Born != nsenter.NoSlot {
		spawn.Args = append(spawn.Args, nsenter.Fd(place.Born))
	}
	p.Add(spawn)
	p.Add(place.Join...)
	p.Add(nsenter.Call(nsenter.Child, unix.SYS_EXECVE, nsenter.Str("/bin/sh"),
		nsenter.Strs([]string{"sh", "-c", script}), nsenter.Strs([]string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin"})).On("/bin/sh"))
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	run, err := p.Start(deadline(t), nsenter.Options{Stdout: w, Stderr: w, Empty: t.TempDir()})
	w.Close()
	t.Cleanup(func() { run.Close(); r.Close() })
	if err != nil {
		t.Fatal(err)
	}
	return &cell{m, run, r}
}

// stop removes whatever a test made.
func (l *lab) stop(t testing.TB, m *Manager) {
	ctx := deadline(t)
	if err := errors.Join(m.Kill(ctx), m.Wait(ctx), m.Remove(ctx)); err != nil {
		t.Error(err)
	}
}

// wait returns the exit status and the output.
func (c *cell) wait(t testing.TB) (unix.WaitStatus, string) {
	t.Helper()
	out, _ := io.ReadAll(c.out)
	status, err := c.run.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return status, strings.TrimSpace(string(out))
}

// file reads a file of the group with a controller.
func (c *cell) file(t testing.TB, controller, v1, v2 string) string {
	t.Helper()
	dir, isV2, err := c.with(controller)
	if err != nil {
		t.Fatal(err)
	}
	name := v1
	if isV2 {
		name = v2
	}
	text, err := readFile(dir + "/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(text)
}

func TestLiveBornInEveryGroup(t *testing.T) {
	l := newLab(t)
	c := l.start(t, Group{Account: true, Share: true}, &specs.LinuxResources{Devices: DefaultDevices()}, "cat /proc/self/cgroup")
	status, out := c.wait(t)
	if status != 0 {
		t.Fatalf("status %v: %s", status, out)
	}
	for _, dir := range c.Dirs() {
		on := l.host.hierarchyOf(dir)
		if exists(dir) && !strings.Contains(out+"\n", ":"+dir[len(on.Mount):]+"\n") {
			t.Errorf("not in %s:\n%s", dir, out)
		}
	}
}

func TestLivePids(t *testing.T) {
	l := newLab(t)
	l.need(t, "pids", "pids")
	c := l.start(t, Group{Share: true}, &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: to(int64(3))}},
		"for i in 1 2 3; do sleep 30 >/dev/null 2>&1 & done; echo here")
	status, out := c.wait(t)
	if !strings.Contains(strings.ToLower(out), "fork") || c.file(t, "pids", "pids.max", "pids.max") != "3" {
		t.Errorf("status %v, no fork refused: %q", status, out)
	}
}

func TestLiveMemory(t *testing.T) {
	l := newLab(t)
	l.need(t, "memory", "memory")
	c := l.start(t, Group{Share: true}, &specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: to(int64(16 << 20)), Swap: to(int64(16 << 20)), Reservation: to(int64(8 << 20))},
	}, "head -c 100000000 /dev/zero | tail -c 100000000 | wc -c")
	_, out := c.wait(t)
	n, err := c.OOMKilled(deadline(t))
	if err != nil || n == 0 {
		t.Errorf("OOM kills %d, error %v, output %q", n, err, out)
	}
	if got := c.file(t, "memory", "memory.limit_in_bytes", "memory.max"); got != "16777216" {
		t.Errorf("limit %s", got)
	}
	if got := c.file(t, "memory", "memory.memsw.limit_in_bytes", "memory.swap.max"); got != "16777216" && got != "0" {
		t.Errorf("swap %s", got)
	}
	if got := c.file(t, "memory", "memory.soft_limit_in_bytes", "memory.low"); got != "8388608" {
		t.Errorf("reservation %s", got)
	}
}

func TestLiveCPU(t *testing.T) {
	l := newLab(t)
	l.need(t, "cpu", "cpu")
	c := l.start(t, Group{Share: true}, &specs.LinuxResources{
		CPU: &specs.LinuxCPU{Shares: to(uint64(512)), Quota: to(int64(20000)), Period: to(uint64(100000)), Burst: to(uint64(1000))},
	}, "i=0; while :; do i=$((i+1)); done")
	begin := time.Now()
	waitFor(t, "throttling", func() bool {
		s, err := c.Stats(deadline(t))
		return err == nil && s.CPU.Throttled > 2 && s.CPU.ThrottledTime > 0
	})
	// A fifth of a processor, with the burst and a slow machine's slack.
	if s, err := c.Stats(deadline(t)); err != nil || s.CPU.Total == 0 || s.CPU.Total > 100*time.Millisecond+time.Since(begin)/2 {
		t.Errorf("%+v in %v, error %v", s.CPU, time.Since(begin), err)
	}
	for _, x := range [][3]string{{"cpu.shares", "cpu.weight", "512 59"}, {"cpu.cfs_quota_us", "cpu.max", "20000 20000 100000"}, {"cpu.cfs_burst_us", "cpu.max.burst", "1000"}} {
		if got := c.file(t, "cpu", x[0], x[1]); !strings.Contains(x[2], got) {
			t.Errorf("%s is %s, want %s", x[0], got, x[2])
		}
	}
}

func TestLiveCpuset(t *testing.T) {
	l := newLab(t)
	l.need(t, "cpuset", "cpuset")
	c := l.start(t, Group{Share: true}, &specs.LinuxResources{CPU: &specs.LinuxCPU{Cpus: "0"}}, "grep Cpus_allowed_list /proc/self/status")
	if status, out := c.wait(t); status != 0 || !strings.HasSuffix(out, "\t0") {
		t.Errorf("status %v: %q", status, out)
	}
}

func TestLiveBlockIO(t *testing.T) {
	l := newLab(t)
	l.need(t, "blkio", "io")
	var st unix.Stat_t
	if err := unix.Stat("/", &st); err != nil || unix.Major(st.Dev) == 0 {
		t.Skip("the root file system is on no block device")
	}
	// Limits go on whole disks, of which a partition's minor is a multiple of
	// 16; should the machine be otherwise, the kernel says ENODEV.
	disk := specs.LinuxBlockIODevice{Major: int64(unix.Major(st.Dev)), Minor: int64(unix.Minor(st.Dev) &^ 15)}
	c := l.start(t, Group{Share: true}, &specs.LinuxResources{BlockIO: &specs.LinuxBlockIO{
		ThrottleReadBpsDevice:   []specs.LinuxThrottleDevice{{LinuxBlockIODevice: disk, Rate: 1 << 20}},
		ThrottleWriteIOPSDevice: []specs.LinuxThrottleDevice{{LinuxBlockIODevice: disk, Rate: 77}},
	}}, "exit 0")
	c.wait(t)
	controller := "blkio"
	if l.host.Mode == Unified {
		controller = "io"
	}
	for _, x := range [][3]string{{"blkio.throttle.read_bps_device", "io.max", "1048576"}, {"blkio.throttle.write_iops_device", "io.max", "77"}} {
		if got := c.file(t, controller, x[0], x[1]); !strings.Contains(got, x[2]) {
			t.Errorf("%s: %q", x[0], got)
		}
	}
}

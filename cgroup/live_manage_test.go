package cgroup

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

func TestLiveFreeze(t *testing.T) {
	l := newLab(t)
	file := filepath.Join(t.TempDir(), "ticks")
	c := l.start(t, Group{}, nil, "while :; do echo x >>"+file+"; done")
	ctx := deadline(t)
	size := func() int64 {
		st, err := os.Stat(file)
		if err != nil {
			return 0
		}
		return st.Size()
	}
	moves := func() bool {
		before := size()
		time.Sleep(50 * time.Millisecond)
		return size() != before
	}
	waitFor(t, "loop", moves)
	for range 3 {
		if err := c.Freeze(ctx); err != nil {
			t.Fatal(err)
		}
		if frozen, err := c.Frozen(); err != nil || !frozen || moves() {
			t.Fatalf("frozen %v, error %v, or the loop goes on", frozen, err)
		}
		if err := c.Thaw(ctx); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "loop after thawing", moves)
	}
	if err := errors.Join(c.Freeze(ctx), c.Kill(ctx), c.Wait(ctx)); err != nil {
		t.Fatalf("kill frozen: %v", err)
	}
	if status, _ := c.wait(t); status.Signal() != unix.SIGKILL {
		t.Errorf("status %v", status)
	}
}

func TestLiveProcsSignalAndNestedGroups(t *testing.T) {
	l := newLab(t)
	c := l.start(t, Group{}, nil, "trap '' TERM; sleep 60 & sleep 60 & echo up; while :; do wait; sleep 1; done")
	ctx := deadline(t)
	buf := make([]byte, 3)
	if _, err := c.out.Read(buf); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "three processes", func() bool { pids, _ := c.Procs(ctx); return len(pids) >= 3 })
	if empty, err := c.Empty(ctx); empty || err != nil {
		t.Errorf("empty %v, %v", empty, err)
	}
	// A group of the payload's own, with a process in it.
	nested := c.main() + "/inner/most"
	if err := os.MkdirAll(nested, 0o755); err != nil {
		t.Fatal(err)
	}
	pids, _ := c.Procs(ctx)
	if err := writeFile(nested+"/cgroup.procs", itoa(pids[len(pids)-1])); err != nil {
		t.Fatal(err)
	}
	if again, err := c.Procs(ctx); err != nil || len(again) < len(pids) {
		t.Errorf("nested process is not listed: %v, %v, %v", pids, again, err)
	}
	brief, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
	defer cancel()
	if err := c.Remove(brief); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "inner") {
		t.Errorf("remove of a busy group: %v", err)
	}
	if err := c.Signal(ctx, unix.SIGUSR1); err != nil {
		t.Error(err)
	}
	if err := errors.Join(c.Kill(ctx), c.Wait(ctx), c.Remove(ctx)); err != nil {
		t.Error(err)
	}
	if err := errors.Join(c.Kill(ctx), c.Wait(ctx), c.Remove(ctx)); err != nil {
		t.Errorf("again: %v", err)
	}
	if n, err := c.OOMKilled(ctx); n != 0 || err != nil {
		t.Errorf("after removal: %d, %v", n, err)
	}
}

func itoa(n int) string { return strconv.Itoa(n) }

func waitFor(t *testing.T, what string, f func() bool) {
	t.Helper()
	for range 400 {
		if f() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("no %s", what)
}

// TestLiveKillLegacy kills through the freezer, as on hosts without v2.
func TestLiveKillLegacy(t *testing.T) {
	l := newLab(t)
	if x := l.find(t, "freezer"); x == nil || x.V2 {
		t.Skip("no v1 freezer here")
	}
	full := l.host
	l.host = Host{Mode: Legacy}
	for _, x := range full.Hierarchies {
		if !x.V2 {
			l.host.Hierarchies = append(l.host.Hierarchies, x)
		}
	}
	c := l.start(t, Group{Account: true}, &specs.LinuxResources{Devices: DefaultDevices()},
		"while :; do sleep 0.001 & (while :; do :; done) & sleep 0.05; done")
	ctx := deadline(t)
	time.Sleep(200 * time.Millisecond)
	s, err := c.Stats(ctx)
	if err != nil || s.CPU.Total == 0 || s.Pids.Current < 2 || s.Memory.Usage == 0 {
		t.Errorf("%+v, %v", s, err)
	}
	if err := errors.Join(c.Freeze(ctx), c.Thaw(ctx), c.Kill(ctx), c.Wait(ctx)); err != nil {
		t.Fatal(err)
	}
	if pids, err := c.Procs(ctx); len(pids) > 0 || err != nil {
		t.Errorf("left: %v, %v", pids, err)
	}
	_, _ = c.run.Wait()
}

func TestLiveStats(t *testing.T) {
	l := newLab(t)
	c := l.start(t, Group{Account: true, Share: true}, &specs.LinuxResources{Devices: DefaultDevices()},
		"x=$(head -c 3000000 /dev/zero | tr '\\0' x); sleep 30 & echo up; wait")
	ctx := deadline(t)
	if _, err := c.out.Read(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	s, err := c.Stats(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if s.CPU.Total <= 0 || s.CPU.Host <= 0 || s.CPU.Online < 1 || s.Pids.Current != 2 {
		t.Errorf("%+v", s)
	}
	if l.find(t, "memory") != nil && (s.Memory.Usage < 3000000 || s.Memory.Used() > s.Memory.Usage || s.Memory.Limit != 0) {
		t.Errorf("memory %+v", s.Memory)
	}
}

func TestLiveUpdate(t *testing.T) {
	l := newLab(t)
	l.need(t, "memory", "memory")
	c := l.start(t, Group{Share: true}, &specs.LinuxResources{Devices: DefaultDevices()}, "sleep 60 & sleep 60")
	ctx := deadline(t)
	memory := func(limit, swap int64) *specs.LinuxResources {
		return &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit, Swap: &swap}}
	}
	for _, x := range []struct {
		res  *specs.LinuxResources
		want string
	}{
		{memory(64<<20, 64<<20), "67108864"},
		{memory(128<<20, 256<<20), "134217728"},
		{memory(32<<20, 48<<20), "33554432"},
	} {
		if err := c.Update(ctx, x.res); err != nil {
			t.Fatal(err)
		}
		if got := c.file(t, "memory", "memory.limit_in_bytes", "memory.max"); got != x.want {
			t.Errorf("limit %s, want %s", got, x.want)
		}
	}
	if err := c.Update(ctx, memory(-1, 0)); err != nil {
		t.Fatal(err)
	}
	if s, err := c.Stats(ctx); err != nil || s.Memory.Limit != 0 {
		t.Errorf("%+v, %v", s.Memory, err)
	}
	for _, res := range []*specs.LinuxResources{
		{CPU: &specs.LinuxCPU{Quota: to(int64(50000))}},
		{CPU: &specs.LinuxCPU{Period: to(uint64(50000))}},
		{CPU: &specs.LinuxCPU{Quota: to(int64(2000)), Period: to(uint64(2000))}},
		{CPU: &specs.LinuxCPU{Quota: to(int64(900000)), Period: to(uint64(900000))}},
		{Pids: &specs.LinuxPids{Limit: to(int64(9))}, CPU: &specs.LinuxCPU{Cpus: "0"}},
	} {
		if err := c.Update(ctx, res); err != nil {
			t.Error(err)
		}
	}
	pids, _ := c.Procs(ctx)
	for _, pid := range pids {
		text, _ := os.ReadFile("/proc/" + itoa(pid) + "/cgroup")
		for _, dir := range c.Dirs() {
			if on := l.host.hierarchyOf(dir); exists(dir) && !strings.Contains(string(text), dir[len(on.Mount):]) {
				t.Errorf("pid %d is not in %s", pid, dir)
			}
		}
	}
	if err := c.Update(ctx, &specs.LinuxResources{Devices: DefaultDevices()}); err != nil {
		t.Errorf("rules that stay: %v", err)
	}
	wantError(t, c.Update(ctx, &specs.LinuxResources{CPU: &specs.LinuxCPU{Idle: to(int64(2))}}), ErrLimit, "linux.resources.cpu.idle: 2")
}

// TestLivePlace joins as exec does, and finds groups by path alone.
func TestLivePlace(t *testing.T) {
	l := newLab(t)
	c := l.start(t, Group{Share: true, Account: true}, &specs.LinuxResources{Devices: DefaultDevices()}, "sleep 60")
	m, err := Search(l.host, l.parent+"/c1")
	if err != nil {
		t.Fatal(err)
	}
	p := &nsenter.Plan{}
	place := m.Place(p)
	_, out := l.enter(t, m, p, place, poke(t.TempDir())+"; cat /proc/self/cgroup").wait(t)
	wantPoke(t, out, false)
	for _, dir := range m.Dirs() {
		if on := l.host.hierarchyOf(dir); !strings.Contains(out, dir[len(on.Mount):]) {
			t.Errorf("not in %s: %s", dir, out)
		}
	}
	if len(m.Dirs()) == 0 || len(m.Dirs()) > len(c.Dirs()) {
		t.Errorf("found %v of %v", m.Dirs(), c.Dirs())
	}
	if _, err := Search(l.host, l.parent+"/none"); !errors.Is(err, ErrNoCgroup) {
		t.Errorf("search: %v", err)
	}
	if _, err := Open(l.host, []string{"/etc"}); !errors.Is(err, ErrPath) {
		t.Errorf("open: %v", err)
	}
}

package cgroup

import (
	"os"
	"strings"
	"sync"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// poke opens a listed device, and makes a node of an unlisted one (1:2, kernel
// memory, whose open fails otherwise too, so 1:11, kmsg) and opens that.
func poke(dir string) string {
	return `: </dev/null && echo null-ok
mknod ` + dir + `/kmsg c 1 11 && echo made
(: <` + dir + `/kmsg) && echo opened
: >/dev/full && echo full-ok`
}

func wantPoke(t *testing.T, out string, opened bool) {
	t.Helper()
	for _, s := range []string{"null-ok", "made", "full-ok"} {
		if !strings.Contains(out, s) {
			t.Errorf("no %s: %s", s, out)
		}
	}
	if strings.Contains(out, "opened") != opened {
		t.Errorf("unlisted device: %s", out)
	}
}

func TestLiveDeviceFilter(t *testing.T) {
	l := newLab(t)
	devices := &specs.LinuxResources{Devices: DefaultDevices()}
	for _, x := range []struct {
		name string
		g    Group
		res  *specs.LinuxResources
		open bool
	}{
		{"shared, first", Group{Share: true}, devices, false},
		{"shared, second", Group{Share: true}, devices, false},
		{"own", Group{}, devices, false},
		{"more devices", Group{Share: true}, &specs.LinuxResources{Devices: append(DefaultDevices(), parseRules("allow c 1:11 r")...)}, true},
		{"privileged", Group{Share: true}, &specs.LinuxResources{Devices: parseRules("allow a *:* rwm")}, true},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := l.start(t, x.g, x.res, poke(t.TempDir()))
			_, out := c.wait(t)
			wantPoke(t, out, x.open)
		})
	}
}

// TestLiveFilterIsRestored takes the shared filter away, as a crash between
// making its group and attaching does.
func TestLiveFilterIsRestored(t *testing.T) {
	l := newLab(t)
	v2 := l.host.V2()
	if v2 == nil {
		t.Skip("no cgroup v2 hierarchy here")
	}
	f := compileRules(t, DefaultDevices())
	for _, level := range []string{l.parent, l.parent + "/" + filterPrefix + f.hash} {
		if err := unix.Mkdir(v2.Mount+level, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c := l.start(t, Group{Share: true}, &specs.LinuxResources{Devices: DefaultDevices()}, poke(t.TempDir()))
	_, out := c.wait(t)
	wantPoke(t, out, false)
}

func TestLiveFilterIsAttachedOnce(t *testing.T) {
	l := newLab(t)
	v2 := l.host.V2()
	if v2 == nil {
		t.Skip("no cgroup v2 hierarchy here")
	}
	fd, err := openGroup(v2.Mount, l.parent)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	f := compileRules(t, DefaultDevices())
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			// Locks belong to open files, so each needs its own.
			fd, err := openGroup(v2.Mount, l.parent)
			if err == nil {
				err = f.ensure(fd)
				unix.Close(fd)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n, err := attached(fd); n != 1 || err != nil {
		t.Errorf("%d filters, error %v", n, err)
	}
}

// TestLiveLegacyDevices uses the v1 controller, as where bpf(2) is refused.
func TestLiveLegacyDevices(t *testing.T) {
	l := newLab(t)
	x := l.find(t, "devices")
	if x == nil {
		t.Skip("no v1 devices controller here")
	}
	p, err := newPolicy(DefaultDevices())
	if err != nil {
		t.Fatal(err)
	}
	c := &compiler{plan: &nsenter.Plan{}, host: &l.host, group: &Group{Path: l.parent + "/old"}, policy: p, fallback: x, out: Placement{Born: nsenter.NoSlot}}
	c.filter = compileRules(t, DefaultDevices())
	c.restrict("refuse", "bpf", func(*nsenter.Run) error { return unix.EPERM })
	m, err := Open(l.host, c.out.Dirs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Remove(deadline(t)); err != nil {
			t.Error(err)
		}
	})
	_, out := l.enter(t, m, c.plan, c.out, poke(t.TempDir())).wait(t)
	wantPoke(t, out, false)
}

func TestKernelTakesEveryFilter(t *testing.T) {
	newLab(t)
	for _, text := range []string{
		"deny a *:* rwm", "allow a *:* rwm; deny c 1:2 rwm", "allow c 1:1 r; deny c *:* rwm; deny b *:* rwm",
		"allow c *:* rwm; allow b 1:* w; deny c 3:* m", "allow a *:* rw",
	} {
		fd, err := compileRules(t, parseRules(text)).load()
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		unix.Close(fd)
	}
}

func BenchmarkFilterCheck(b *testing.B) {
	if os.Geteuid() != 0 {
		b.Skip("needs root")
	}
	l := newLab(b)
	v2 := l.host.V2()
	if v2 == nil {
		b.Skip("no cgroup v2 hierarchy here")
	}
	p, _ := newPolicy(DefaultDevices())
	f, err := compileFilter(p)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		fd, err := openGroup(v2.Mount, l.parent)
		if err != nil {
			b.Fatal(err)
		}
		if err := f.ensure(fd); err != nil {
			b.Fatal(err)
		}
		unix.Close(fd)
	}
}

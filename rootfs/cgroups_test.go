package rootfs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// cgroupMount is the mount that nearly every bundle has.
func cgroupMount(options ...string) specs.Mount {
	return specs.Mount{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: options}
}

// steps lists the titles of a plan's steps, those of the attach list too.
func steps(a *Assembly) string {
	var b strings.Builder
	for _, s := range append(append(a.plan.Steps, a.attach...), a.readOnly...) {
		b.WriteString(s.Who.String() + " " + s.Title() + "\n")
	}
	return b.String()
}

// TestCgroupPlans: with a cgroup namespace the child mounts, without one the
// container's own folders are bound, on every layout.
func TestCgroupPlans(t *testing.T) {
	unified := []CgroupView{{Name: "unified", V2: true}}
	legacy := []CgroupView{{Name: "memory", Options: []string{"memory"}}, {Name: "cpu,cpuacct", Options: []string{"cpu", "cpuacct"}}}
	bound := func(list []CgroupView) []CgroupView {
		out := append([]CgroupView{}, list...)
		for i := range out {
			out[i].Dir = "/sys/fs/cgroup/" + out[i].Name + "/own"
		}
		return out
	}
	for _, x := range []struct {
		name  string
		m     specs.Mount
		v2    bool
		views []CgroupView
		want  []string
		never string
	}{
		{"v2", cgroupMount("ro"), true, unified, []string{"child fsopen cgroup2", "child move_mount /sys/fs/cgroup\n"}, "open_tree"},
		{"v2 by its type", specs.Mount{Destination: "/sys/fs/cgroup", Type: "cgroup2"}, true, unified, []string{"child fsopen cgroup2"}, "open_tree"},
		{"v2 without namespace", cgroupMount("ro", "nosuid"), true, bound(unified), []string{"host open_tree /sys/fs/cgroup/unified/own", "host mount_setattr /sys/fs/cgroup\n", "child move_mount /sys/fs/cgroup\n"}, "fsopen"},
		{"v1", cgroupMount("ro"), false, legacy, []string{"host fsopen tmpfs", "host symlinkat /sys/fs/cgroup/cpuacct", "child fsopen cgroup", "child move_mount /sys/fs/cgroup/cpu,cpuacct", "host mount_setattr /sys/fs/cgroup\n"}, "open_tree"},
		{"v1 without namespace", cgroupMount(), false, bound(legacy), []string{"host open_tree /sys/fs/cgroup/memory/own", "child move_mount /sys/fs/cgroup/memory"}, "child fsopen"},
		{"bound by the spec", specs.Mount{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "/sys/fs/cgroup", Options: []string{"rbind"}}, true, unified, []string{"host open_tree /sys/fs/cgroup\n"}, "fsopen"},
	} {
		a := New(&nsenter.Plan{})
		if err := a.Cgroups(x.m, x.v2, x.views, "mounts[6]"); err != nil {
			t.Errorf("%s: %v", x.name, err)
			continue
		}
		got := steps(a)
		for _, w := range x.want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: no %q in\n%s", x.name, w, got)
			}
		}
		if strings.Contains(got, x.never) {
			t.Errorf("%s: %s in\n%s", x.name, x.never, got)
		}
	}
	if err := New(&nsenter.Plan{}).Cgroups(specs.Mount{Type: "cgroup"}, true, unified, "mounts[6]"); err == nil || !strings.HasPrefix(err.Error(), "mounts[6].destination") {
		t.Errorf("got %v", err)
	}
}

// TestMountLabel: every file system that is made has SELinux's label, where
// the kernel takes one.
func TestMountLabel(t *testing.T) {
	a := New(&nsenter.Plan{})
	a.Label("u:r:t:s0:c1,c2")
	if err := a.Overlay([]string{"/l"}, "/c/u", "/c/w", false, kernelLowerdirPlus); err != nil {
		t.Fatal(err)
	}
	for i, m := range append(defaults(), bind("/srv", "/data"), cgroupMount()) {
		add := a.Add
		if m.Type == "cgroup" {
			add = func(m specs.Mount, from string) error { return a.Cgroups(m, true, nil, from) }
		}
		if err := add(m, fmt.Sprintf("mounts[%d]", i)); err != nil {
			t.Fatal(err)
		}
	}
	got := steps(a)
	// The overlay, /dev, /dev/pts and /dev/shm.
	if n := strings.Count(got, "host fsconfig context=u:r:t:s0:c1,c2\n"); n != 4 {
		t.Errorf("%d file systems have the label, want 4:\n%s", n, got)
	}
	if n := strings.Count(got, "context="); n != 4 {
		t.Errorf("%d options context=, want 4:\n%s", n, got)
	}
	if !strings.Contains(got, "child fsetxattr /dev/mqueue\n") {
		t.Errorf("mqueue has no label:\n%s", got)
	}
}

// TestBoundCgroups: the container sees its group alone, and may not change it
// when the mount is read-only. A folder stands in for the group.
func TestBoundCgroups(t *testing.T) {
	root, dir := boxRoot(t), t.TempDir()
	write(t, dir, "memory/own/tasks", "memory/other/tasks", "unified/own/cgroup.procs")
	b := &box{root: root, mounts: defaults()}
	b.views = []CgroupView{
		{Name: "memory", Dir: dir + "/memory/own"},
		{Name: "unified", V2: true, Dir: dir + "/unified/own"},
	}
	out, err := b.run(t, "cat /sys/fs/cgroup/memory/tasks /sys/fs/cgroup/unified/cgroup.procs && ! test -e /sys/fs/cgroup/memory/other && ! touch /sys/fs/cgroup/memory/x && ! touch /sys/fs/cgroup/x")
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := os.Stat(dir + "/memory/own/x"); err == nil {
		t.Error("the group was written to")
	}
}

// TestPropagation: rootfsPropagation and the mounts' own, against the host's
// mount table and the container's.
func TestPropagation(t *testing.T) {
	base := boxRoot(t)
	for _, x := range []struct {
		root, mount string
		// at is what the table says of the bind mount, of the root mount.
		at, atRoot string
		// out: a mount made in the container's bind mount shows on the host.
		out bool
	}{
		{"", "", "", "", false},
		{"private", "rprivate", "", "", false},
		{"rslave", "rslave", "master:", "master:", false},
		{"slave", "slave", "master:", "master:", false},
		{"rshared", "rshared", "shared:", "shared:", true},
		{"shared", "shared", "shared:", "shared:", true},
		{"runbindable", "", "unbindable", "unbindable", false},
		{"unbindable", "", "", "unbindable", false},
	} {
		t.Run(x.root+" "+x.mount, func(t *testing.T) {
			dir := t.TempDir()
			moveCopy(t, base, dir+"/root")
			for _, d := range []string{dir + "/source", dir + "/root"} {
				if err := os.MkdirAll(d+"/in", 0o755); err != nil {
					t.Fatal(err)
				}
				if err := unix.Mount(d, d, "", unix.MS_BIND, ""); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = unix.Unmount(d, unix.MNT_DETACH) })
				if err := unix.Mount("", d, "", unix.MS_SHARED, ""); err != nil {
					t.Fatal(err)
				}
			}
			var options []string
			if x.mount != "" {
				options = []string{"rbind", x.mount}
			}
			b := &box{root: dir + "/root", propagation: x.root, mounts: append(defaults(), bind(dir+"/source", "/data", options...))}
			out, err := b.run(t, "cat /proc/self/mountinfo; mount -t tmpfs none /data/in")
			host := hostTable(t)
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for point, want := range map[string]string{"/data": x.at, "/": x.atRoot} {
				got := fieldsOf(out, point)
				if want == "" && strings.ContainsAny(got, ":") || !strings.Contains(got, want) || strings.Contains(got, "unbindable") != (want == "unbindable") {
					t.Errorf("%s is %q, want %q", point, got, want)
				}
			}
			if seen := strings.Contains(host, filepath.Join(dir, "source/in")+" "); seen != x.out {
				t.Errorf("the container's mount is on the host: %v, want %v", seen, x.out)
			}
			_ = unix.Unmount(dir+"/source/in", unix.MNT_DETACH)
			if strings.Contains(host, dir+"/root/data") || strings.Contains(host, dir+"/root/proc") {
				t.Errorf("the host has the container's mounts:\n%s", host)
			}
		})
	}
}

// hostTable is the host's mount table.
func hostTable(t testing.TB) string {
	t.Helper()
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return string(table)
}

// fieldsOf returns the optional fields of a mount point in a mount table.
func fieldsOf(table, point string) string {
	for line := range strings.Lines(table) {
		before, _, ok := strings.Cut(line, " - ")
		if f := strings.Fields(before); ok && len(f) > 5 && f[4] == point {
			return strings.Join(f[6:], " ")
		}
	}
	return "missing"
}

package rootfs

import (
	"slices"
	"strings"
	"testing"
)

func TestKernelMounts(t *testing.T) {
	table := `22 1 0:21 / /proc rw,nosuid shared:5 - proc proc rw
23 1 0:22 / /sys rw - sysfs sysfs rw
24 23 0:23 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw
25 1 8:1 / / rw - ext4 /dev/sda1 rw
26 1 0:21 / /srv/a\040b\134c/proc rw master:1 propagate_from:2 - proc proc rw
garbage
`
	got, err := kernelMounts(strings.NewReader(table))
	if want := []string{"/proc", "/sys", `/srv/a b\c/proc`}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

// TestNoPivot: the root is what covers the host's, and no proc or sysfs of the
// host is left beside the container's own.
func TestNoPivot(t *testing.T) {
	root := boxRoot(t)
	write(t, root, "mark")
	b := &box{root: root, mounts: append(defaults(), tmpfs("/new")), noPivot: true}
	out, err := b.run(t, "cat /mark && touch /new/x && pwd && cat /proc/self/mountinfo")
	if err != nil || !strings.Contains(out, "mark/\n") {
		t.Fatalf("%v\n%s", err, out)
	}
	points := mountPoints(out)
	if !slices.Contains(points, "/new") || !slices.Contains(points, "/") {
		t.Errorf("mounts are missing:\n%s", out)
	}
	if n := strings.Count(out, " - proc ") + strings.Count(out, " - sysfs "); n != 2 {
		t.Errorf("%d proc and sysfs are in the container, want 2:\n%s", n, out)
	}
}

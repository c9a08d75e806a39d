package cgroup

import (
	"path"
	"testing"

	"golang.org/x/sys/unix"

	"berth/tests/fixture"
)

// TestLiveMountOptions makes a detached mount of every hierarchy and compares
// it with the host's: equal devices are equal hierarchies.
func TestLiveMountOptions(t *testing.T) {
	l := newLab(t)
	h := l.host.private()
	if err := h.settle(); err != nil {
		t.Fatal(err)
	}
	for i := range h.Hierarchies {
		x := &h.Hierarchies[i]
		t.Run(x.Name, func(t *testing.T) {
			var want, got unix.Stat_t
			if err := unix.Stat(x.Mount, &want); err != nil {
				t.Fatal(err)
			}
			fd := detached(t, x)
			defer unix.Close(fd)
			if err := unix.Fstat(fd, &got); err != nil || got.Dev != want.Dev {
				t.Errorf("device %x, want %x, error %v", got.Dev, want.Dev, err)
			}
		})
	}
}

// detached mounts a hierarchy in a cgroup namespace of its own: without one
// the kernel would let these options make a new hierarchy.
func detached(t *testing.T, x *Hierarchy) int {
	t.Helper()
	var fd int
	var err error
	fixture.OwnThread(func() { fd, err = mountHierarchy(x) })
	if err != nil {
		t.Fatalf("%s: %v", path.Base(x.Mount), err)
	}
	return fd
}

func mountHierarchy(x *Hierarchy) (int, error) {
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return -1, err
	}
	fs, err := unix.Fsopen(x.FilesystemType(), unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fs)
	for _, o := range x.Options() {
		if err := setOption(fs, o); err != nil {
			return -1, err
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, err
	}
	return unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_RDONLY)
}

func setOption(fs int, o Option) error {
	if o.Value == "" {
		return unix.FsconfigSetFlag(fs, o.Key)
	}
	return unix.FsconfigSetString(fs, o.Key, o.Value)
}

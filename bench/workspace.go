package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// The smallest static program there is, so that the time is the runtime's.
const trueSource = "int main(void) { return 0; }\n"

// A Go program that does nothing: what any start of berth cannot beat.
const emptySource = "package main\n\nfunc main() {}\n"

// workspace holds everything the comparison writes: images and roots on the
// disk, states on a tmpfs, as /var/lib and /run are on a host.
type workspace struct {
	disk   string
	tmpfs  string
	berth  string // a copy: a build meanwhile must not change what is measured
	empty  string // the empty Go program
	tree   string // the root file system as a folder
	tar    string // the same as an image
	parent string // the cgroup, below every hierarchy, that peers put theirs in
	strays []string
}

func newWorkspace(ctx context.Context, berth, dir string) (*workspace, error) {
	w := &workspace{parent: fmt.Sprintf("berth-bench-%d", os.Getpid())}
	// Peers leave these behind, whatever roots they are given.
	for _, path := range append(cgroupDirs("libpod_parent"), "/run/containerd", "/run/docker", "/run/runc",
		"/run/crun", "/run/libpod", "/dev/shm/libpod_lock", "/var/lib/containers", "/var/lib/cni") {
		if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
			w.strays = append(w.strays, path)
		}
	}
	var err error
	// Short names, for unix(7) sockets.
	if w.disk, err = os.MkdirTemp(dir, "bb"); err != nil {
		return nil, err
	}
	if w.tmpfs, err = os.MkdirTemp("/dev/shm", "bb"); err != nil {
		return nil, err
	}
	w.tree, w.tar = filepath.Join(w.disk, "tree"), filepath.Join(w.disk, "image.tar")
	w.berth, w.empty = filepath.Join(w.disk, "berth"), filepath.Join(w.disk, "empty")
	steps := []struct {
		what string
		do   func(context.Context) error
	}{
		{"copy " + berth, func(context.Context) error { return copyFile(berth, w.berth) }},
		{"build an empty Go program", w.buildEmpty},
		{"build the root file system", w.buildTree},
	}
	for _, s := range steps {
		if err := s.do(ctx); err != nil {
			return w, fmt.Errorf("%s: %w", s.what, err)
		}
	}
	return w, nil
}

func (w *workspace) buildEmpty(ctx context.Context) error {
	source := filepath.Join(w.disk, "empty.go")
	if err := os.WriteFile(source, []byte(emptySource), 0o644); err != nil {
		return err
	}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", w.empty, source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	return quiet(build)
}

// buildTree makes a root with busybox for a shell and sleep, and a true of its
// own. Every contender runs this tree: as a folder, or as an image of it.
func (w *workspace) buildTree(ctx context.Context) error {
	for _, dir := range []string{"bin", "dev", "etc", "proc", "root", "run", "sys", "tmp"} {
		if err := os.MkdirAll(filepath.Join(w.tree, dir), 0o755); err != nil {
			return err
		}
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return fmt.Errorf("%w: run bench/setup.sh", err)
	}
	if err := copyFile(busybox, filepath.Join(w.tree, "bin/busybox")); err != nil {
		return err
	}
	for _, name := range []string{"sh", "sleep"} {
		if err := os.Symlink("busybox", filepath.Join(w.tree, "bin", name)); err != nil {
			return err
		}
	}
	files := map[string]string{"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\n"}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(w.tree, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	source := filepath.Join(w.disk, "true.c")
	if err := os.WriteFile(source, []byte(trueSource), 0o644); err != nil {
		return err
	}
	cc := "gcc"
	if _, err := exec.LookPath("musl-gcc"); err == nil {
		cc = "musl-gcc"
	}
	if err := quiet(exec.CommandContext(ctx, cc, "-O2", "-static", "-s", "-o", filepath.Join(w.tree, "bin/true"), source)); err != nil {
		return err
	}
	return quiet(exec.CommandContext(ctx, "tar", "-C", w.tree, "-cf", w.tar, "."))
}

// remove takes everything away again, with the mounts and groups that peers
// leave below what is ours.
func (w *workspace) remove() error {
	var errs []error
	for _, dir := range []string{w.disk, w.tmpfs} {
		if dir == "" {
			continue
		}
		errs = append(errs, unmountBelow(dir), os.RemoveAll(dir))
	}
	for _, dir := range cgroupDirs(w.parent) {
		errs = append(errs, removeGroups(dir))
	}
	for _, path := range w.strays {
		removeEmpty(path)
	}
	return errors.Join(errs...)
}

// unmountBelow detaches the mounts at and below a path, the last one first.
func unmountBelow(dir string) error {
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		return err
	}
	var errs []error
	for i := len(mounts) - 1; i >= 0; i-- {
		if err := unix.Unmount(mounts[i].Mountpoint, unix.MNT_DETACH); err != nil {
			errs = append(errs, fmt.Errorf("unmount %s: %w", mounts[i].Mountpoint, err))
		}
	}
	return errors.Join(errs...)
}

// cgroupDirs is where a group of that name is, or would be, in each hierarchy.
func cgroupDirs(name string) []string {
	dirs := []string{filepath.Join("/sys/fs/cgroup", name)}
	entries, err := filepath.Glob("/sys/fs/cgroup/*/cgroup.procs")
	if err != nil {
		return dirs
	}
	for _, e := range entries {
		dirs = append(dirs, filepath.Join(filepath.Dir(e), name))
	}
	return dirs
}

// removeGroups removes a group and those below it. Only folders can be removed
// in a cgroup file system; the files go with them.
func removeGroups(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if e.IsDir() {
			errs = append(errs, removeGroups(filepath.Join(dir, e.Name())))
		}
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// removeEmpty removes a folder that holds nothing but empty folders, or the one
// file that podman makes outside its roots. What holds more is somebody's.
func removeEmpty(path string) {
	entries, err := os.ReadDir(path)
	if err != nil && filepath.Base(path) != "libpod_lock" {
		return
	}
	for _, e := range entries {
		if e.IsDir() {
			removeEmpty(filepath.Join(path, e.Name()))
		}
	}
	// Refused with ENOTEMPTY when something is left, which is the point.
	os.Remove(path)
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

func quiet(c *exec.Cmd) error {
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", c, err, lastLine(strings.TrimSpace(string(out))))
	}
	return nil
}

package main

import (
	"os"
	"os/exec"
	"path/filepath"
)

// ociRuntime is an OCI runtime with bundles that are ready: crun or runc.
type ociRuntime struct {
	name      string
	base      command // with --root
	dir       string  // of its bundles
	tree      string
	cgroup    string
	resources bool
	absent    string
	memory    string // why a memory limit cannot be tried, if it cannot
}

// newRuntime finds the runtime and leaves a reason in absent when it is missing.
func newRuntime(w *workspace, name string, on *launcher) *ociRuntime {
	r := &ociRuntime{name: name, dir: filepath.Join(w.disk, name), tree: w.tree, cgroup: w.parent + "/" + name}
	path, err := exec.LookPath(name)
	if err != nil {
		r.absent = err.Error()
		return r
	}
	r.base = command{argv: []string{path, "--root", filepath.Join(w.tmpfs, name)}, env: os.Environ(), on: on}
	return r
}

// bundle writes one and returns the command that runs it, with more flags.
func (r *ociRuntime) bundle(id string, o bundleOptions, flags ...string) (command, error) {
	dir := filepath.Join(r.dir, id)
	o.cgroup, o.resources = r.cgroup+"-"+id, r.resources
	return r.base.with("run", "--bundle", dir).with(flags...).with("bench-" + id), writeBundle(dir, r.tree, o)
}

func (r *ociRuntime) contenders() ([]contender, error) {
	list := []contender{
		{section: sectionStart, name: r.name + " run", absent: r.absent},
		{section: sectionStart, name: r.name + " run, no seccomp filter", absent: r.absent},
		{section: sectionExec, name: r.name + " exec", absent: r.absent},
	}
	if r.absent != "" {
		return list, nil
	}
	var err error
	if list[0].command, err = r.bundle("filtered", bundleOptions{args: []string{"/bin/true"}, filtered: true}); err != nil {
		return nil, err
	}
	if list[1].command, err = r.bundle("open", bundleOptions{args: []string{"/bin/true"}}); err != nil {
		return nil, err
	}
	target, err := r.bundle("target", bundleOptions{args: []string{"/bin/sleep", "1000000"}, filtered: true}, "--detach")
	if err != nil {
		return nil, err
	}
	if _, err := target.output(); err != nil {
		list[2].absent = err.Error()
	}
	list[2].command = r.base.with("exec", "bench-target", "/bin/true")
	return list, nil
}

func (r *ociRuntime) remove() error {
	if r.absent != "" {
		return nil
	}
	_, err := r.base.with("delete", "--force", "bench-target").output()
	return err
}

// newBubblewrap is the reference for how little a start can cost: no image, no
// writable layer, no cgroup, no filter, no record of anything.
func newBubblewrap(w *workspace, on *launcher) contender {
	c := contender{section: sectionStart, name: "bwrap --unshare-all"}
	path, err := exec.LookPath("bwrap")
	if err != nil {
		c.absent = err.Error()
		return c
	}
	c.command = command{on: on, env: os.Environ(), argv: []string{path, "--bind", w.tree, "/", "--proc", "/proc",
		"--dev", "/dev", "--ro-bind", "/sys", "/sys", "--tmpfs", "/dev/shm", "--unshare-all", "--die-with-parent", "/bin/true"}}
	return c
}

package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
)

// Sections of berth as an OCI runtime, beside crun and runc: the same bundle
// for all, in the same mount namespace.
const (
	sectionOCIRun    = "OCI runtime: run of a ready bundle"
	sectionOCICreate = "OCI runtime: create, start, delete --force"
	sectionOCIExec   = "OCI runtime: exec of true in a running container"
)

// Row names that targets ask for; a runtime's begin with its name.
const (
	ociRun    = " run"
	ociOpen   = " run, no seccomp filter" // with crun: rowCrunOpen
	ociCreate = " create, start, delete"
	ociExec   = " exec"
	berthOCI  = "berth oci"
)

// ociBench is one runtime of the OCI sections.
type ociBench struct {
	name   string
	base   command // with --root
	absent string
}

// newOCI finds berth, crun and runc. All start in the mount namespace that shows
// cgroup v2 alone, the only one that this crun works in.
func newOCI(w *workspace, on *launcher) []ociBench {
	env := append(os.Environ(), "BERTH_ROOT="+filepath.Join(w.disk, "oci-state"), "BERTH_RUNROOT="+filepath.Join(w.tmpfs, "oci-berth"))
	list := []ociBench{{name: berthOCI, base: command{argv: []string{w.berth, "oci"}, env: env, on: on}}}
	for _, name := range []string{"crun", "runc"} {
		path, err := exec.LookPath(name)
		b := ociBench{name: name, base: command{argv: []string{path}, env: os.Environ(), on: on}}
		if err != nil {
			b.absent = err.Error()
		}
		list = append(list, b)
	}
	for i, b := range list {
		list[i].base = b.base.with("--root", filepath.Join(w.tmpfs, "oci-"+filepath.Base(b.base.argv[0])))
	}
	return list
}

// contenders of one runtime, of the bundles in dir.
func (b ociBench) contenders(dir string) []contender {
	run := func(bundle string) command {
		return b.base.with("run", "--bundle", filepath.Join(dir, bundle), "bench-oci")
	}
	list := []contender{
		{section: sectionOCIRun, name: b.name + ociRun, command: run("filtered"), absent: b.absent},
		{section: sectionOCIRun, name: b.name + ociOpen, command: run("open"), absent: b.absent},
		{section: sectionOCICreate, name: b.name + ociCreate, absent: b.absent,
			command: b.base.with("create", "--bundle", filepath.Join(dir, "filtered"), "bench-oci"),
			then:    []command{b.base.with("start", "bench-oci"), b.base.with("delete", "--force", "bench-oci")}},
		{section: sectionOCIExec, name: b.name + ociExec, command: b.base.with("exec", "bench-oci-target", "/bin/true"), absent: b.absent},
	}
	if b.absent == "" {
		if _, err := b.base.with("run", "--detach", "--bundle", filepath.Join(dir, "target-"+b.name), "bench-oci-target").output(); err != nil {
			list[3].absent = err.Error()
		}
	}
	return list
}

// timeOCI measures the runtimes alone.
func (c *comparison) timeOCI(ctx context.Context) error {
	dir := filepath.Join(c.work.disk, "oci")
	short := []string{"/bin/true"}
	bundles := map[string]bundleOptions{
		"filtered": {args: short, filtered: true, cgroup: c.work.parent + "/oci"},
		"open":     {args: short, cgroup: c.work.parent + "/oci"},
	}
	c.oci = newOCI(c.work, c.v2)
	for _, b := range c.oci {
		bundles["target-"+b.name] = bundleOptions{args: []string{"/bin/sleep", "1000000"}, filtered: true,
			cgroup: c.work.parent + "/oci-target-" + filepath.Base(b.base.argv[0])}
	}
	for name, o := range bundles {
		if err := writeBundle(filepath.Join(dir, name), c.work.tree, o); err != nil {
			return err
		}
	}
	var list []contender
	for _, b := range c.oci {
		list = append(list, b.contenders(dir)...)
	}
	return c.time(ctx, list, sectionOCIRun, sectionOCICreate, sectionOCIExec)
}

// removeOCI ends the containers that exec ran in, and what a broken run left.
func (c *comparison) removeOCI() error {
	for _, b := range c.oci {
		if b.absent != "" {
			continue
		}
		for _, id := range []string{"bench-oci-target", "bench-oci"} {
			// Forced, it succeeds without a container, too.
			if _, err := b.base.with("delete", "--force", id).output(); err != nil {
				return err
			}
		}
	}
	return nil
}

package rootfs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
	"berth/tests/fixture"
)

func needRoot(t testing.TB) {
	t.Helper()
	fixture.NeedRoot(t)
}

// boxRoot copies the layer of the embedded image: a root with a static
// userland.
func boxRoot(t testing.TB) string {
	t.Helper()
	needRoot(t)
	state := t.TempDir()
	run := exec.Command(fixture.Berth(t), "run", "--rm", "box", "true")
	run.Env = append(os.Environ(), "BERTH_ROOT="+state+"/root", "BERTH_RUNROOT="+state+"/run")
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("unpack box: %v\n%s", err, out)
	}
	found, err := filepath.Glob(state + "/root/layer/*/bin/sh")
	if err != nil || len(found) != 1 {
		t.Fatalf("find the layer of box: %v, %v", found, err)
	}
	return copyRoot(t, filepath.Dir(filepath.Dir(found[0])))
}

// secret is what a canary's file says.
const secret = "of the host alone"

// canary makes a tree that nothing may change, with a check for the end.
func canary(t testing.TB) (dir string, intact func() string) {
	t.Helper()
	dir = t.TempDir()
	write(t, dir, "file", "dir/file", "dir/sub/file")
	if err := os.WriteFile(dir+"/file", []byte(secret), 0o644); err != nil {
		t.Fatal(err)
	}
	before := treeHash(t, dir)
	return dir, func() string {
		if after := treeHash(t, dir); after != before {
			return fmt.Sprintf("the canary changed:\n%s\nwas\n%s", after, before)
		}
		return ""
	}
}

// write makes files, with the folders above them.
func write(t testing.TB, root string, names ...string) {
	t.Helper()
	for _, name := range names {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// treeHash sums up names, modes, owners, times and contents below a folder.
func treeHash(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(p, &st); err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		fmt.Fprintf(&b, "%s %o %d:%d %d %d.%d", rel, st.Mode, st.Uid, st.Gid, st.Ino, st.Ctim.Sec, st.Ctim.Nsec)
		if d.Type().IsRegular() {
			data, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			sum := sha256.Sum256(data)
			b.WriteString(" " + hex.EncodeToString(sum[:8]))
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// defaults are the mounts that nearly every container has.
func defaults() []specs.Mount {
	return []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"newinstance", "ptmxmode=0666", "mode=0620"}},
		{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"ro"}},
		{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue"},
		{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"mode=1777"}},
	}
}

func tmpfs(dest string, options ...string) specs.Mount {
	return specs.Mount{Type: "tmpfs", Source: "tmpfs", Destination: dest, Options: options}
}

func bind(source, dest string, options ...string) specs.Mount {
	return specs.Mount{Type: "bind", Source: source, Destination: dest, Options: options}
}

// box is a small container: a root and mounts, and no other confinement.
type box struct {
	root     string
	mounts   []specs.Mount
	devices  []specs.LinuxDevice
	terminal bool
	masked   []string
	readonly []string
	// rootReadOnly makes the root read-only.
	rootReadOnly bool
	workDir      string
	propagation  string
	noPivot      bool
	// layers make the root an overlay, as on this kernel version.
	layers []string
	kernel int
	// mapped gives it a user namespace, with 0 at mapBase. late lets the
	// assembly find out about the mappings by itself.
	mapped, late bool
	shared       []specs.LinuxNamespaceType

	// views are its groups, mounted read-only as on a v1 host.
	views []CgroupView

	keep []nsenter.Slot
	kind func(string) Kind
}

// runKinds runs a script in a box whose kernel has files of these kinds.
func (b *box) runKinds(t testing.TB, script string, kind func(string) Kind) (string, error) {
	t.Helper()
	b.kind = kind
	return b.run(t, script)
}

// mapBase is the host's id of a mapped box's root, mapSize how many follow.
const mapBase, mapSize = 300000, 65536

// maps is the mapping of a mapped box.
func maps() []specs.LinuxIDMapping {
	return []specs.LinuxIDMapping{{ContainerID: 0, HostID: mapBase, Size: mapSize}}
}

// enter adds the steps that bring the child into its namespaces.
func (b *box) enter(p *nsenter.Plan, a *Assembly, hold string) {
	flags := unix.CLONE_NEWNS
	for kind, flag := range map[specs.LinuxNamespaceType]int{
		specs.IPCNamespace: unix.CLONE_NEWIPC, specs.NetworkNamespace: unix.CLONE_NEWNET, specs.PIDNamespace: unix.CLONE_NEWPID,
	} {
		if !slices.Contains(b.shared, kind) {
			flags |= flag
		}
	}
	p.Add(nsenter.Control(nsenter.Host, nsenter.OpSpawn, "start the child", nsenter.Int(0)))
	if b.mapped {
		a.Inside = true
		ns := p.NewSlot("user namespace")
		p.Add(nsenter.Call(nsenter.Child, unix.SYS_CHDIR, nsenter.Str(hold)),
			nsenter.Call(nsenter.Child, unix.SYS_UNSHARE, nsenter.Int(unix.CLONE_NEWUSER)),
			nsenter.Control(nsenter.Host, nsenter.OpSync, "wait"),
			nsenter.Do("map ids", func(h *nsenter.Run) error {
				dir := fmt.Sprintf("/proc/%d/", h.Pid())
				line := fmt.Appendf(nil, "0 %d %d", mapBase, mapSize)
				if err := errors.Join(os.WriteFile(dir+"uid_map", line, 0), os.WriteFile(dir+"gid_map", line, 0)); err != nil {
					return err
				}
				fd, err := unix.Open(dir+"ns/user", unix.O_RDONLY|unix.O_CLOEXEC, 0)
				h.SetFd(ns, fd)
				return err
			}))
		if b.late {
			a.Users(nil, nil, ns)
		} else {
			a.Users(maps(), maps(), ns)
		}
		a.Shares(b.shared...)
		p.Add(nsenter.Call(nsenter.Child, unix.SYS_SETRESGID, nsenter.Int(0), nsenter.Int(0), nsenter.Int(0)),
			nsenter.Call(nsenter.Child, unix.SYS_SETRESUID, nsenter.Int(0), nsenter.Int(0), nsenter.Int(0)))
	}
	p.Add(nsenter.Call(nsenter.Child, unix.SYS_UNSHARE, nsenter.Int(flags)))
	if flags&unix.CLONE_NEWPID != 0 {
		p.Add(nsenter.Control(nsenter.Child, nsenter.OpFork, "fork"))
	}
}

// run starts a shell script in the box and returns what it printed.
func (b *box) run(t testing.TB, script string) (string, error) {
	t.Helper()
	p := &nsenter.Plan{}
	a, hold := New(p), t.TempDir()
	b.enter(p, a, hold)
	if err := b.plan(a, hold); err != nil {
		return "", err
	}
	p.Add(nsenter.Call(nsenter.Child, unix.SYS_EXECVE, nsenter.Str("/bin/sh"), nsenter.Strs([]string{"sh", "-c", script}),
		nsenter.Strs([]string{"PATH=/bin"})).On("/bin/sh"))
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	h, err := p.Start(ctx, nsenter.Options{Stdout: w, Stderr: w, Empty: t.TempDir(), Keep: b.keep})
	w.Close()
	defer h.Close()
	for _, slot := range b.keep {
		defer func() { unix.Close(h.Fd(slot)) }()
	}
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	_, _ = io.Copy(&out, r)
	status, err := h.Wait()
	if err == nil && status.ExitStatus() != 0 {
		err = fmt.Errorf("exit status %d", status.ExitStatus())
	}
	return out.String(), err
}

// plan adds the steps of the file systems.
func (b *box) plan(a *Assembly, hold string) error {
	if err := b.planRoot(a); err != nil {
		return err
	}
	a.host(nsenter.Call(nsenter.Host, unix.SYS_UMASK, nsenter.Int(0)))
	for i, m := range b.mounts {
		if err := a.Add(m, fmt.Sprintf("mounts[%d]", i)); err != nil {
			return err
		}
	}
	if b.views != nil {
		if err := a.Cgroups(cgroupMount("ro"), false, b.views, "mounts"); err != nil {
			return err
		}
	}
	a.WorkDir(b.workDir, "process.cwd")
	if b.rootReadOnly {
		a.RootReadOnly("root.readonly")
	}
	if err := a.Devices(b.devices); err != nil {
		return err
	}
	if b.terminal {
		tty, err := a.Terminal(nsenter.Int(7), nil)
		if err != nil {
			return err
		}
		b.keep = append(b.keep, tty.Master)
	}
	a.Seal()
	if b.kind == nil {
		b.kind = func(string) Kind { return Dir }
	}
	m := a.Masks(b.kind)
	for _, p := range b.masked {
		if err := m.Hide(p); err != nil {
			return err
		}
	}
	for _, p := range b.readonly {
		if err := m.ReadOnly(p); err != nil {
			return err
		}
	}
	if err := a.Attach(hold, b.propagation); err != nil {
		return err
	}
	return a.Enter(b.propagation, b.noPivot)
}

// planRoot adds the steps of the root.
func (b *box) planRoot(a *Assembly) error {
	if len(b.layers) == 0 {
		a.Folder(b.root, b.propagation, "root.path")
		return nil
	}
	for _, dir := range []string{"/upper", "/work"} {
		if err := os.MkdirAll(filepath.Dir(b.root)+dir, 0o755); err != nil {
			return err
		}
	}
	return a.Overlay(b.layers, filepath.Dir(b.root)+"/upper", filepath.Dir(b.root)+"/work", false, b.kernel)
}

package container

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/cgroup"
	"berth/nsenter"
	"berth/rootfs"
)

// root makes the root file system.
func (c *compiler) root() error {
	if c.in.Host.SELinux {
		// Elsewhere it means nothing, and no file system takes it.
		c.asm.Label(c.in.Spec.Linux.MountLabel)
	}
	if c.in.InOrder {
		c.asm.InOrder(c.in.Host.Kernel)
	}
	c.asm.Shares(c.shared()...)
	c.asm.Joined = c.joined(specs.MountNamespace) != nil
	if len(c.in.Layers) == 0 {
		if c.in.Spec.Root.Path == "" {
			return fmt.Errorf("root.path: empty")
		}
		c.asm.Folder(c.in.Spec.Root.Path, c.in.Spec.Linux.RootfsPropagation, c.from("root.path"))
		if c.in.MapRoot {
			c.asm.MapRoot(c.from("root.path"))
		}
		return nil
	}
	return c.asm.Overlay(c.in.Layers, c.in.Upper, c.in.Work, c.in.Volatile, c.in.Host.Kernel)
}

// shared returns the kinds of namespaces that the container has in common with
// the host.
func (c *compiler) shared() []specs.LinuxNamespaceType {
	var kinds []specs.LinuxNamespaceType
	for _, k := range []specs.LinuxNamespaceType{specs.PIDNamespace, specs.NetworkNamespace, specs.IPCNamespace} {
		if namespace(c.in.Spec, k) == nil {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// mounts plans the mounts of the spec, in its order.
func (c *compiler) mounts() error {
	// The modes below are meant as written.
	c.p.Add(nsenter.Call(nsenter.Host, unix.SYS_UMASK, nsenter.Int(0)).
		For("mounts", "the modes of mount points and devices are meant as they are written"))
	for i, m := range c.in.Spec.Mounts {
		from := c.from("mounts[" + m.Destination + "]")
		if strings.HasPrefix(from, "mounts[") {
			from = fmt.Sprintf("mounts[%d]", i)
		}
		add := c.asm.Add
		switch {
		case m.Type == "cgroup" || m.Type == "cgroup2":
			add = c.cgroupMount
		case m.Destination == "/dev/shm" && m.Type == "tmpfs" && c.in.Shm != nil:
			add = c.sharedMemory
		}
		if err := add(m, from); err != nil {
			return err
		}
	}
	c.asm.WorkDir(c.in.Spec.Process.Cwd, c.from("process.cwd"))
	if c.in.Spec.Root.Readonly {
		c.asm.RootReadOnly(c.from("root.readonly"))
	}
	return nil
}

// sharedMemory plans the /dev/shm of the container whose IPC namespace this one
// joins: what programs call shared memory is files there.
func (c *compiler) sharedMemory(m specs.Mount, from string) error {
	m.Type, m.Source, m.Options = "bind", m.Destination, []string{"bind"}
	return c.asm.BindFrom(m, c.in.Shm.PID, from)
}

// cgroupMount plans the container's view of its cgroups.
func (c *compiler) cgroupMount(m specs.Mount, from string) error {
	list := views(c.placement.Hierarchies)
	if namespace(c.in.Spec, specs.CgroupNamespace) == nil {
		for i, h := range c.placement.Hierarchies {
			// A group below one with a shared filter is not at its plain path.
			list[i].Dir = path.Join(h.Mount, c.in.Cgroup)
			at := slices.IndexFunc(c.placement.Dirs, func(dir string) bool { return strings.HasPrefix(dir, h.Mount+"/") })
			if at >= 0 {
				list[i].Dir = c.placement.Dirs[at]
			}
		}
	}
	return c.asm.Cgroups(m, c.in.Host.Cgroup.Mode == cgroup.Unified, list, from)
}

// views turns the hierarchies that a container is in into what it sees of them.
func views(list []cgroup.Hierarchy) []rootfs.CgroupView {
	out := make([]rootfs.CgroupView, len(list))
	for i, h := range list {
		out[i] = rootfs.CgroupView{Name: h.Name, Options: h.Controllers, V2: h.V2}
		switch {
		case h.V2:
			out[i].Options = nil
		case h.Named != "":
			out[i].Options = []string{"none", "name=" + h.Named}
		}
	}
	return out
}

// devices makes /dev's files and the terminal.
func (c *compiler) devices() error {
	if err := c.asm.Devices(c.in.Spec.Linux.Devices); err != nil {
		return err
	}
	if c.in.Spec.Process.Terminal {
		t, err := c.asm.Terminal(c.identity.uid(), c.in.Spec.Process.ConsoleSize)
		if err != nil {
			return err
		}
		c.terminal = &t
	}
	c.asm.Seal()
	return nil
}

// masks hides and protects paths.
func (c *compiler) masks() error {
	m := c.asm.Masks(c.in.Host.PathKind)
	for _, p := range c.in.Spec.Linux.ReadonlyPaths {
		if err := m.ReadOnly(p); err != nil {
			return err
		}
	}
	for _, p := range c.in.Spec.Linux.MaskedPaths {
		if err := m.Hide(p); err != nil {
			return err
		}
	}
	return nil
}

// attach is where the child takes over: it attaches all mounts.
func (c *compiler) attach() error {
	return c.asm.Attach(c.hold(), c.in.Spec.Linux.RootfsPropagation)
}

// enter makes the root the child's root.
func (c *compiler) enter() error {
	if c.home != nsenter.NoSlot {
		c.asm.Visit(c.home)
		return nil
	}
	return c.asm.Enter(c.in.Spec.Linux.RootfsPropagation, c.in.NoPivot)
}

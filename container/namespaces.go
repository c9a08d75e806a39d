package container

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// namespaceFlag returns the clone flag of a namespace type, and why a
// container wants one.
func namespaceFlag(t specs.LinuxNamespaceType) (flag uintptr, why string, ok bool) {
	switch t {
	case specs.MountNamespace:
		return unix.CLONE_NEWNS, "its own mount table", true
	case specs.PIDNamespace:
		return unix.CLONE_NEWPID, "its own process numbers", true
	case specs.NetworkNamespace:
		return unix.CLONE_NEWNET, "its own network devices", true
	case specs.IPCNamespace:
		return unix.CLONE_NEWIPC, "its own message queues and shared memory", true
	case specs.UTSNamespace:
		return unix.CLONE_NEWUTS, "its own host name", true
	case specs.CgroupNamespace:
		return unix.CLONE_NEWCGROUP, "its own cgroup is / to it", true
	}
	return 0, "", false
}

// join is a namespace that exists already.
type join struct {
	kind specs.LinuxNamespaceType
	flag uintptr
	slot nsenter.Slot
	path string
}

// newNamespace reports whether the container gets a new namespace of a type.
func (c *compiler) newNamespace(t specs.LinuxNamespaceType) bool {
	return slices.ContainsFunc(c.in.Spec.Linux.Namespaces, func(n specs.LinuxNamespace) bool {
		return n.Type == t && n.Path == ""
	})
}

// openJoins opens the namespaces that are given by path, on the host side.
func (c *compiler) openJoins() error {
	seen := map[specs.LinuxNamespaceType]bool{}
	for _, n := range c.in.Spec.Linux.Namespaces {
		flag, _, ok := namespaceFlag(n.Type)
		if !ok {
			return fmt.Errorf("linux.namespaces: %q namespaces are not supported by this version", n.Type)
		}
		if seen[n.Type] {
			return fmt.Errorf("linux.namespaces: %q is there twice", n.Type)
		}
		seen[n.Type] = true
		if n.Path == "" {
			continue
		}
		if !path.IsAbs(n.Path) {
			return fmt.Errorf("linux.namespaces: path %q is not absolute", n.Path)
		}
		from := "linux.namespaces[" + string(n.Type) + "]"
		j := join{kind: n.Type, flag: flag, slot: c.p.NewSlot(string(n.Type) + " namespace"), path: n.Path}
		c.p.Add(nsenter.Call(nsenter.Host, unix.SYS_OPENAT, nsenter.Int(unix.AT_FDCWD), nsenter.Str(n.Path), nsenter.Int(unix.O_RDONLY|unix.O_CLOEXEC), nsenter.Int(0)).
			To(j.slot).On(n.Path).For(from, "the namespace to join"))
		c.joins = append(c.joins, j)
	}
	if !seen[specs.MountNamespace] {
		return fmt.Errorf("linux.namespaces: a mount namespace is needed, or the root would change for the host")
	}
	return nil
}

// namespaces is the child's first work, while the host assembles the root:
// making a network namespace alone takes half a millisecond.
func (c *compiler) namespaces() error {
	c.p.Add(c.placement.Join...)
	var flags uintptr
	var whys []string
	for _, n := range c.in.Spec.Linux.Namespaces {
		flag, why, _ := namespaceFlag(n.Type)
		// The PID namespace came with the clone: unshare would give it to
		// children only.
		if n.Path == "" && n.Type != specs.PIDNamespace {
			flags |= flag
			whys = append(whys, why)
		}
	}
	fork := false
	for _, j := range c.joins {
		c.p.Add(nsenter.Call(nsenter.Child, unix.SYS_SETNS, nsenter.Fd(j.slot), nsenter.Int(j.flag)).On(j.path).
			For("linux.namespaces["+string(j.kind)+"]", "join the namespace that another container or the host has"))
		fork = fork || j.kind == specs.PIDNamespace
	}
	if flags != 0 {
		c.p.Add(nsenter.Call(nsenter.Child, unix.SYS_UNSHARE, nsenter.Int(flags)).
			For("linux.namespaces", strings.Join(whys, "; ")))
	}
	if fork {
		c.p.Add(nsenter.Control(nsenter.Child, nsenter.OpFork, "fork into the PID namespace").
			For("linux.namespaces[pid]", "joining a PID namespace holds for children only"))
	}
	if c.newNamespace(specs.NetworkNamespace) {
		c.loopback()
	}
	return nil
}

// loopback brings lo up: programs expect 127.0.0.1 also without a network.
func (c *compiler) loopback() {
	const from = "--network"
	s := c.p.NewSlot("socket")
	c.p.Add(nsenter.Call(nsenter.Child, unix.SYS_SOCKET, nsenter.Int(unix.AF_INET), nsenter.Int(unix.SOCK_DGRAM|unix.SOCK_CLOEXEC), nsenter.Int(0)).
		To(s).For(from, "a handle on the new network namespace"))
	// struct ifreq: 16 bytes of name, then the flags.
	req := make([]byte, 40)
	copy(req, "lo")
	req[16] = unix.IFF_UP
	c.p.Add(nsenter.Call(nsenter.Child, unix.SYS_IOCTL, nsenter.Fd(s), nsenter.Int(unix.SIOCSIFFLAGS), nsenter.Bytes(req, `{name="lo", flags=IFF_UP}`)).
		On("lo").For(from, "the loopback device is there but down"))
	c.p.Add(nsenter.Call(nsenter.Child, unix.SYS_CLOSE, nsenter.Fd(s)).On("socket").For(from, "the socket has done its work"))
}

// names sets the host and domain names.
func (c *compiler) names() error {
	for _, n := range []struct {
		field, name string
		call        uintptr
	}{
		{"hostname", c.in.Spec.Hostname, unix.SYS_SETHOSTNAME},
		{"domainname", c.in.Spec.Domainname, unix.SYS_SETDOMAINNAME},
	} {
		if n.name == "" {
			continue
		}
		if !c.newNamespace(specs.UTSNamespace) && !slices.ContainsFunc(c.joins, func(j join) bool { return j.kind == specs.UTSNamespace }) {
			return fmt.Errorf("%s: setting it needs a UTS namespace", n.field)
		}
		c.p.Add(nsenter.Call(nsenter.Child, n.call, nsenter.Str(n.name), nsenter.Int(len(n.name))).On(n.name).
			For(c.from(n.field), "the container's own name"))
	}
	return nil
}

// hasNewPIDNamespace reports whether the kernel ends every process of the
// container with its first one.
func hasNewPIDNamespace(s *specs.Spec) bool {
	return slices.ContainsFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool {
		return n.Type == specs.PIDNamespace && n.Path == ""
	})
}

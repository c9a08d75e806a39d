package container

import (
	"fmt"
	"maps"
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
	case specs.UserNamespace:
		return unix.CLONE_NEWUSER, "its own user and group ids", true
	case specs.TimeNamespace:
		return unix.CLONE_NEWTIME, "its own clocks since boot", true
	}
	return 0, "", false
}

// namespaceFile is what a type is called in /proc/PID/ns.
func namespaceFile(t specs.LinuxNamespaceType) string {
	switch t {
	case specs.MountNamespace:
		return "mnt"
	case specs.NetworkNamespace:
		return "net"
	}
	return string(t)
}

// join is a namespace that exists already.
type join struct {
	kind specs.LinuxNamespaceType
	flag uintptr
	slot nsenter.Slot
	path string
}

// namespace returns the entry of a type; nil when the container stays in the
// host's.
func namespace(s *specs.Spec, t specs.LinuxNamespaceType) *specs.LinuxNamespace {
	i := slices.IndexFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == t })
	if i < 0 {
		return nil
	}
	return &s.Linux.Namespaces[i]
}

// newNamespace reports whether the container gets a new namespace of a type.
func (c *compiler) newNamespace(t specs.LinuxNamespaceType) bool {
	n := namespace(c.in.Spec, t)
	return n != nil && n.Path == ""
}

// joined returns the namespace of a type that the container joins, or nil.
func (c *compiler) joined(t specs.LinuxNamespaceType) *join {
	i := slices.IndexFunc(c.joins, func(j join) bool { return j.kind == t })
	if i < 0 {
		return nil
	}
	return &c.joins[i]
}

// checkNamespaces refuses namespaces that cannot be, and settings that need
// one that is not there.
func checkNamespaces(s *specs.Spec) error {
	seen := map[specs.LinuxNamespaceType]bool{}
	for i, n := range s.Linux.Namespaces {
		field := fmt.Sprintf("linux.namespaces[%d]", i)
		switch _, _, ok := namespaceFlag(n.Type); {
		case !ok:
			return fmt.Errorf("%s.type: %q is not a namespace of this version", field, n.Type)
		case seen[n.Type]:
			return fmt.Errorf("%s.type: %q is there twice", field, n.Type)
		case n.Path != "" && !path.IsAbs(n.Path):
			return fmt.Errorf("%s.path: %q is not absolute", field, n.Path)
		}
		seen[n.Type] = true
	}
	// One that is joined may belong to the user namespace that is joined.
	user, mount := namespace(s, specs.UserNamespace), namespace(s, specs.MountNamespace)
	if user != nil && (mount == nil || mount.Path != "" && user.Path == "") {
		return fmt.Errorf("linux.namespaces: with a user namespace a new mount namespace is needed, too: in it, the child could not go back to one that belongs to the host")
	}
	for _, check := range []func(*specs.Spec) error{checkUserNamespace, checkTimeOffsets, checkNetDevices, checkSysctls, checkNames} {
		if err := check(s); err != nil {
			return err
		}
	}
	return nil
}

// checkNames refuses names that would become the host's.
func checkNames(s *specs.Spec) error {
	if namespace(s, specs.UTSNamespace) != nil {
		return nil
	}
	switch {
	case s.Hostname != "":
		return fmt.Errorf("hostname: setting it needs a UTS namespace")
	case s.Domainname != "":
		return fmt.Errorf("domainname: setting it needs a UTS namespace")
	}
	return nil
}

// openJoins opens the namespaces that are given by path, on the host side,
// before anything is made.
func (c *compiler) openJoins() error {
	for _, n := range c.in.Spec.Linux.Namespaces {
		if n.Path == "" {
			continue
		}
		flag, _, _ := namespaceFlag(n.Type)
		from := c.from("linux.namespaces[" + string(n.Type) + "]")
		j := join{kind: n.Type, flag: flag, slot: c.p.NewSlot(string(n.Type) + " namespace"), path: n.Path}
		// Not blocking: the path could be a FIFO's.
		c.p.Add(nsenter.Call(nsenter.Host, unix.SYS_OPENAT, nsenter.Int(unix.AT_FDCWD), nsenter.Str(n.Path), nsenter.Int(unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC), nsenter.Int(0)).
			To(j.slot).On(n.Path).For(from, "the namespace to join"))
		c.p.Add(nsenter.Do("make sure that "+n.Path+" is a "+string(n.Type)+" namespace", func(h *nsenter.Run) error {
			return c.checkJoin(h.Fd(j.slot), j)
		}).On(n.Path).For(from, "a wrong one is refused while nothing has been made"))
		c.joins = append(c.joins, j)
	}
	c.checkPeers()
	return nil
}

// checkJoin looks at what a path turned out to be.
func (c *compiler) checkJoin(fd int, j join) error {
	field := "linux.namespaces[" + string(j.kind) + "].path"
	kind, err := unix.IoctlRetInt(fd, unix.NS_GET_NSTYPE)
	if err != nil {
		return fmt.Errorf("%s: %s is not a namespace: %w", field, j.path, err)
	}
	if uintptr(kind) != j.flag {
		return fmt.Errorf("%s: %s is another type of namespace: %w", field, j.path, unix.EINVAL)
	}
	own, err := ownNamespace(fd, j.kind)
	if err != nil || !own {
		return err
	}
	// What is set there would be set for the host.
	if setting := c.settingOf(j.kind); setting != "" {
		return fmt.Errorf("%s: not allowed in the host's %s namespace, which %s is: %w", setting, j.kind, j.path, unix.EPERM)
	}
	if j.kind == specs.UserNamespace {
		return fmt.Errorf("%s: %s is the runtime's own user namespace, which it cannot join: %w", field, j.path, unix.EINVAL)
	}
	return nil
}

// ownNamespace reports whether a descriptor is of the namespace that this
// process is in.
func ownNamespace(fd int, kind specs.LinuxNamespaceType) (bool, error) {
	own := "/proc/self/ns/" + namespaceFile(kind)
	var theirs, ours unix.Stat_t
	if err := unix.Fstat(fd, &theirs); err != nil {
		return false, fmt.Errorf("stat %s namespace: %w", kind, err)
	}
	if err := unix.Stat(own, &ours); err != nil {
		return false, fmt.Errorf("stat %s: %w", own, err)
	}
	return theirs.Dev == ours.Dev && theirs.Ino == ours.Ino, nil
}

// settingOf returns the field of the spec that changes a namespace, or "".
func (c *compiler) settingOf(kind specs.LinuxNamespaceType) string {
	s := c.in.Spec
	switch {
	case kind == specs.UTSNamespace && s.Hostname != "":
		return "hostname"
	case kind == specs.UTSNamespace && s.Domainname != "":
		return "domainname"
	case kind == specs.NetworkNamespace && len(s.Linux.NetDevices) > 0:
		return "linux.netDevices"
	}
	for _, key := range slices.Sorted(maps.Keys(s.Linux.Sysctl)) {
		if ns, _ := sysctlNamespace(strings.ReplaceAll(key, "/", ".")); ns == kind {
			return "linux.sysctl[" + key + "]"
		}
	}
	return ""
}

// forks reports whether the child has to fork once it is in its namespaces:
// then a new PID namespace comes by that fork too, as it must belong to the
// user namespace.
func (c *compiler) forks() bool {
	return c.joined(specs.PIDNamespace) != nil || c.newNamespace(specs.TimeNamespace) || namespace(c.in.Spec, specs.UserNamespace) != nil
}

// namespaces is the child's first work, while the host assembles the root:
// making a network namespace alone takes half a millisecond. Whatever takes
// powers over the host comes before the user namespace, in which they are gone;
// what is new comes after it, and so belongs to it.
func (c *compiler) namespaces() error {
	c.p.Add(c.placement.Join...)
	offsets := c.openTimeOffsets()
	// The user namespace comes last: in it, the child could not join one that
	// belongs to another.
	for _, j := range c.joins {
		if j.kind != specs.UserNamespace {
			c.p.Add(j.step())
		}
	}
	if err := c.userNamespace(); err != nil {
		return err
	}
	c.openHome()
	if flags, why := c.unshared(); flags != 0 {
		c.p.Add(nsenter.Call(nsenter.Child, unix.SYS_UNSHARE, nsenter.Int(flags)).For("linux.namespaces", why))
	}
	c.setTimeOffsets(offsets)
	if c.forks() {
		c.p.Add(nsenter.Control(nsenter.Child, nsenter.OpFork, "fork into the namespaces that hold for children").
			For("linux.namespaces", "joining or making a PID namespace holds for children only, and so does making a time namespace"))
	}
	if c.newNamespace(specs.NetworkNamespace) {
		c.loopback()
	}
	return nil
}

// step is the child's step into a namespace.
func (j join) step() nsenter.Step {
	return nsenter.Call(nsenter.Child, unix.SYS_SETNS, nsenter.Fd(j.slot), nsenter.Int(j.flag)).On(j.path).
		For("linux.namespaces["+string(j.kind)+"]", "join the namespace that another container or the host has")
}

// unshared returns the flags of the new namespaces that the child makes, but
// for the user namespace.
func (c *compiler) unshared() (uintptr, string) {
	var flags uintptr
	var whys []string
	for _, n := range c.in.Spec.Linux.Namespaces {
		flag, why, _ := namespaceFlag(n.Type)
		switch {
		case n.Path != "" || n.Type == specs.UserNamespace:
		case n.Type == specs.PIDNamespace && !c.forks():
			// It came with the clone: unshare would give it to children only.
		default:
			flags |= flag
			whys = append(whys, why)
		}
	}
	if guest(c.in.Spec) {
		flags |= unix.CLONE_NEWNS
		whys = append(whys, "a mount table to build the root in, which is left again")
	}
	return flags, strings.Join(whys, "; ")
}

// guest reports whether a container has no mount namespace of its own.
func guest(s *specs.Spec) bool {
	n := namespace(s, specs.MountNamespace)
	return n == nil || n.Path != ""
}

// openHome opens the mount namespace that a guest goes back to.
func (c *compiler) openHome() {
	c.home = nsenter.NoSlot
	if !guest(c.in.Spec) {
		return
	}
	if j := c.joined(specs.MountNamespace); j != nil {
		c.home = j.slot
		return
	}
	c.home = c.p.NewSlot("mount namespace")
	c.p.Add(nsenter.Call(nsenter.Host, unix.SYS_OPENAT, nsenter.Int(unix.AT_FDCWD), nsenter.Str("/proc/self/ns/mnt"), nsenter.Int(unix.O_RDONLY|unix.O_CLOEXEC), nsenter.Int(0)).
		To(c.home).On("/proc/self/ns/mnt").For("linux.namespaces", "the container has the host's mount namespace: the child goes back to it when its root is built"))
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
		c.p.Add(nsenter.Call(nsenter.Child, n.call, nsenter.Str(n.name), nsenter.Int(len(n.name))).On(n.name).
			For(c.from(n.field), "the container's own name"))
	}
	return nil
}

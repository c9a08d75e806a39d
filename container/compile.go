package container

import (
	"fmt"
	"path"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/cgroup"
	"berth/nsenter"
	"berth/rootfs"
	"berth/seccomp"
	"berth/state"
)

// Input is what a container's plan is compiled from.
type Input struct {
	Host Host
	Spec *specs.Spec
	// Layers, Upper and Work make an overlay; without layers the root is
	// Spec.Root.Path.
	Layers      []string
	Upper, Work string
	// Volatile says that the writable layer goes with the container.
	Volatile bool
	// Hold is a folder of the host that the child's root covers for a moment.
	Hold string
	// Cgroup is the container's group below every hierarchy's root.
	Cgroup string
	// OwnCgroup says that the group's parent is berth's own.
	OwnCgroup bool
	// Account asks for the controllers that count, also without limits.
	Account bool
	// InOrder has the mount table show the mounts in the spec's order.
	InOrder bool
	// Everywhere asks for a group in every hierarchy.
	Everywhere bool
	// Scope has systemd make the group at Cgroup, and move the child into it;
	// nil: the plan makes the group.
	Scope *HostStep
	// Resctrl puts the child into its groups of linux.intelRdt; nil when the
	// spec has none.
	Resctrl *HostStep
	// Filter is the compiled seccomp filter; empty for none.
	Filter seccomp.Program
	// Listener takes the listener of a filter that notifies.
	Listener Listener
	// Lookup asks for the user to be looked up in the image, as docker does.
	Lookup   bool
	GroupAdd []string
	// Init puts a PID 1 in front of the payload.
	Init bool
	// Tied kills the payload when the supervisor dies.
	Tied bool
	// Gate is a FIFO that the payload waits at before it becomes the program,
	// for a byte; empty when it does not wait.
	Gate string
	// MapRoot gives a root without layers the ids of the user namespace.
	MapRoot bool
	// NoPivot enters the root by moving it to / and chroot(2): for hosts whose
	// root is a ramfs, which pivot_root(2) refuses.
	NoPivot bool
	// Check looks for the program while the host can still tell its caller
	// what is wrong with it. A Gate does, too.
	Check bool
	// NoNewKeyring leaves the payload in the caller's session keyring.
	NoNewKeyring bool
	// Keyring names the payload's session keyring, so that programs that join
	// the container find it; empty for one without a name.
	Keyring string
	// Files are descriptors of this process that the payload gets as its
	// 3, 4 and so on.
	Files []int
	// Hooks runs the hooks of the spec that come before the payload; nil when
	// the spec has none.
	Hooks HookRunner
	// MoveDevice moves the network devices of the spec; nil when it has none.
	MoveDevice DeviceMover
	// Peers are the processes whose namespaces the spec names by path; they must
	// live on until those are open.
	Peers []state.Process
	// Shm is the process whose /dev/shm the container has instead of its own.
	Shm *state.Process
	// From tells which flag asked for a spec field.
	From map[string]string
}

// Compiled is a plan with what its caller needs to know of it.
type Compiled struct {
	Plan *nsenter.Plan
	// Terminal is set when the payload has one.
	Terminal *rootfs.Terminal
	// Cgroups are the directories of the container's groups.
	Cgroups []string
	// Identity is who the payload is; after the run's host steps it is what
	// the image's files say.
	Identity *Identity
	// Warnings are what the caller should tell of.
	Warnings []string
}

// compiler holds what the parts of a compilation share.
type compiler struct {
	in        Input
	p         *nsenter.Plan
	asm       *rootfs.Assembly
	placement cgroup.Placement
	identity  *Identity
	terminal  *rootfs.Terminal
	proc      nsenter.Slot // the host's /proc, when something is written there
	joins     []join
	home      nsenter.Slot // the mount namespace that a guest goes back to
	payload   *payload
}

// Compile turns a container into the plan that starts it. It looks at nothing
// but its input.
func Compile(in Input) (*Compiled, error) {
	if err := validate(in.Spec); err != nil {
		return nil, err
	}
	c := &compiler{in: in, p: &nsenter.Plan{}, proc: nsenter.NoSlot}
	c.asm = rootfs.New(c.p)
	for _, part := range []struct {
		name string
		add  func() error
	}{
		{"payload", c.prepare},
		{"namespaces to join", c.openJoins},
		{"cgroup", c.cgroup},
		{"spawn", c.spawn},
		{"scope", c.scope},
		{"intelRdt", c.resctrl},
		{"settings of the host's", c.outside},
		{"namespaces", c.namespaces},
		{"root", c.root},
		{"user", c.user},
		{"mounts", c.mounts},
		{"devices", c.devices},
		{"masks", c.masks},
		{"files of /proc", c.openProc},
		{"attach", c.attach},
		{"hooks", c.hooks},
		{"enter", c.enter},
		{"names", c.names},
		{"sysctl", c.sysctl},
		{"process", c.process},
	} {
		if err := part.add(); err != nil {
			return nil, fmt.Errorf("plan %s: %w", part.name, err)
		}
	}
	return &Compiled{
		Plan: c.p, Terminal: c.terminal, Cgroups: c.placement.Dirs, Identity: c.identity, Warnings: c.payload.warnings,
	}, nil
}

// from returns the flag that asked for a field, or the field itself.
func (c *compiler) from(field string) string { return fromOf(c.in.From, field) }

func fromOf(from map[string]string, field string) string {
	if flag := from[field]; flag != "" {
		return flag
	}
	return field
}

// validate refuses what no plan can be made of, naming the field.
func validate(s *specs.Spec) error {
	switch {
	case s == nil:
		return fmt.Errorf("config: empty")
	case s.Process == nil:
		return fmt.Errorf("process: missing")
	case len(s.Process.Args) == 0 || s.Process.Args[0] == "":
		return fmt.Errorf("process.args: no command specified")
	case s.Root == nil:
		return fmt.Errorf("root: missing")
	case s.Linux == nil:
		return fmt.Errorf("linux: missing")
	case s.Process.Cwd != "" && !path.IsAbs(s.Process.Cwd):
		return fmt.Errorf("process.cwd: %q is not an absolute path", s.Process.Cwd)
	}
	for _, check := range []func(*specs.Spec) error{checkStrings, checkNamespaces, checkHooks} {
		if err := check(s); err != nil {
			return err
		}
	}
	return nil
}

// checkStrings refuses a NUL in what becomes an argument of a system call: the
// kernel would read what is before it, which is not what was asked for.
func checkStrings(s *specs.Spec) error {
	type field struct {
		name   string
		values []string
	}
	fields := []field{
		{"process.args", s.Process.Args},
		{"process.env", s.Process.Env},
		{"process.cwd", []string{s.Process.Cwd}},
		{"root.path", []string{s.Root.Path}},
		{"hostname", []string{s.Hostname}},
		{"domainname", []string{s.Domainname}},
		{"linux.maskedPaths", s.Linux.MaskedPaths},
		{"linux.readonlyPaths", s.Linux.ReadonlyPaths},
	}
	for i, m := range s.Mounts {
		fields = append(fields, field{fmt.Sprintf("mounts[%d]", i), append([]string{m.Destination, m.Source, m.Type}, m.Options...)})
	}
	for _, n := range s.Linux.Namespaces {
		fields = append(fields, field{"linux.namespaces", []string{n.Path}})
	}
	for _, d := range s.Linux.Devices {
		fields = append(fields, field{"linux.devices", []string{d.Path}})
	}
	for _, f := range fields {
		for _, v := range f.values {
			if strings.IndexByte(v, 0) >= 0 {
				return fmt.Errorf("%s: %q contains a NUL", f.name, v)
			}
		}
	}
	return nil
}

// SwapByDefault is who asked, in [Input.From], for a limit on swap that nobody
// asked for: a kernel that does not account swap goes without it.
const SwapByDefault = "--memory"

// groups makes the container's group, or takes systemd's, and sets its limits.
func (c *compiler) groups() error {
	// The group names its fields from the resources on.
	from := map[string]string{}
	for field, flag := range c.in.From {
		if name, ok := strings.CutPrefix(field, "linux.resources."); ok {
			from[name] = flag
		}
	}
	var err error
	c.placement, err = cgroup.Compile(c.p, c.in.Host.Cgroup,
		cgroup.Group{
			Path: c.in.Cgroup, Account: c.in.Account, Share: c.in.OwnCgroup, Reuse: !c.in.OwnCgroup,
			MarkParents: !c.in.OwnCgroup && !c.in.Everywhere,
			Placed:      c.in.Scope != nil, Defaults: true, Everywhere: c.in.Everywhere, From: from,
			OptionalSwap: from["memory.swap"] == SwapByDefault,
		},
		c.in.Spec.Linux.Resources)
	return err
}

// spawn starts the executor.
func (c *compiler) spawn() error {
	flags := uintptr(0)
	why := "the process that becomes the payload"
	if c.newNamespace(specs.PIDNamespace) && !c.forks() {
		flags |= unix.CLONE_NEWPID
		why += "; it is PID 1 of a new PID namespace"
	}
	args := []nsenter.Arg{nsenter.Int(flags)}
	if c.placement.Born != nsenter.NoSlot {
		args = append(args, nsenter.Fd(c.placement.Born))
		why += ", and is born in its cgroup"
	}
	c.p.Add(nsenter.Control(nsenter.Host, nsenter.OpSpawn, "clone and execute berth anew as the executor", args...).
		For("linux.namespaces", why))
	return nil
}

// openProc opens the host's /proc for the child when a setting is written
// there.
func (c *compiler) openProc() error {
	if c.proc == nsenter.NoSlot && (len(c.in.Spec.Linux.Sysctl) > 0 || c.payload.procField() != "") {
		from := c.payload.procField()
		if len(c.in.Spec.Linux.Sysctl) > 0 {
			from = "linux.sysctl"
		}
		c.proc = openProc(c.p, from)
	}
	return nil
}

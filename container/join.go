package container

import (
	"fmt"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/cgroup"
	"berth/nsenter"
	"berth/rootfs"
	"berth/seccomp"
	"berth/state"
)

// JoinInput is what the plan of one more program in a running container is
// compiled from.
type JoinInput struct {
	Host Host
	// ID is the container's, for listings.
	ID string
	// Spec is the container's, but for Process, which is the program's.
	Spec *specs.Spec
	// Payload is the process whose namespaces and root the program joins.
	Payload state.Process
	// Groups are the cgroups that it joins.
	Groups *cgroup.Manager
	// Filter, Listener, Lookup, GroupAdd, Tied, NoNewKeyring, Files and From are as in
	// Input.
	Filter       seccomp.Program
	Listener     Listener
	Lookup       bool
	GroupAdd     []string
	Tied         bool
	NoNewKeyring bool
	Files        []int
	From         map[string]string
}

// joiner holds what the parts of the compilation share.
type joiner struct {
	in       JoinInput
	p        *nsenter.Plan
	asm      *rootfs.Assembly
	id       *Identity
	target   nsenter.Slot
	proc     nsenter.Slot
	terminal *rootfs.Terminal
}

// CompileJoin makes the plan of a program that joins a container: its groups
// and namespaces, and then the giving up of powers as its first process did it.
func CompileJoin(in JoinInput) (*Compiled, error) {
	j := &joiner{in: in, p: &nsenter.Plan{}, proc: nsenter.NoSlot}
	j.asm = rootfs.New(j.p)
	placement := in.Groups.Place(j.p)
	j.open(placement)
	if in.Spec.Process.OOMScoreAdj != nil {
		j.proc = openProc(j.p, "process.oomScoreAdj")
	}
	j.identify()
	if in.Spec.Process.Terminal {
		t := j.asm.JoinTerminal(j.id.uid(), in.Spec.Process.ConsoleSize)
		j.terminal = &t
	}
	j.enter(placement)
	if err := j.process(); err != nil {
		return nil, err
	}
	return &Compiled{Plan: j.p, Terminal: j.terminal, Identity: j.id}, nil
}

// open plans the host's steps that hold on to the container, and the start of
// the child in its cgroup.
func (j *joiner) open(placement cgroup.Placement) {
	j.target = j.p.NewSlot("container")
	j.asm.Root = j.p.NewSlot("root")
	payload := j.in.Payload
	const from = "exec"
	j.p.Add(nsenter.Do("open the container's first process, pid "+strconv.Itoa(payload.PID), func(h *nsenter.Run) error {
		fd, err := payload.Pidfd()
		if err != nil {
			return err
		}
		h.SetFd(j.target, fd)
		root, err := unix.Open("/proc/"+strconv.Itoa(payload.PID)+"/root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open the root of process %d: %w", payload.PID, err)
		}
		h.SetFd(j.asm.Root, root)
		// Still alive, so the number was its own all the time.
		if err := unix.PidfdSendSignal(fd, 0, nil, 0); err != nil {
			return fmt.Errorf("look after process %d: %w", payload.PID, err)
		}
		return nil
	}).On(j.in.ID).For(from, "a pidfd names the process, whatever becomes of its number"))
	args := []nsenter.Arg{nsenter.Int(0)}
	if placement.Born != nsenter.NoSlot {
		args = append(args, nsenter.Fd(placement.Born))
	}
	j.p.Add(nsenter.Control(nsenter.Host, nsenter.OpSpawn, "clone and execute berth anew as the executor", args...).
		For(from, "the process that becomes the program, born in the container's cgroup"))
}

// identify decides who the program runs as.
func (j *joiner) identify() {
	user := j.in.Spec.Process.User
	j.id = identify(user)
	if !j.in.Lookup {
		return
	}
	j.id.uidSlot, j.id.gidSlot = j.p.NewSlot("uid"), j.p.NewSlot("gid")
	j.id.countSlot = j.p.NewSlot("number of groups")
	j.id.lookup(j.p, userSpec(user), j.in.GroupAdd, fromOf(j.in.From, "process.user"), fileOf(j.asm))
}

// enter plans the child's way into the container.
func (j *joiner) enter(placement cgroup.Placement) {
	const from = "exec"
	j.p.Add(placement.Join...)
	var flags uintptr
	for _, n := range j.in.Spec.Linux.Namespaces {
		flag, _, _ := namespaceFlag(n.Type)
		flags |= flag
	}
	j.p.Add(nsenter.Call(nsenter.Child, unix.SYS_SETNS, nsenter.Fd(j.target), nsenter.Int(flags)).On(j.in.ID).
		For(from, "all of the container's namespaces at once"))
	if flags&unix.CLONE_NEWPID != 0 {
		j.p.Add(nsenter.Control(nsenter.Child, nsenter.OpFork, "fork into the PID namespace").
			For(from, "joining a PID namespace holds for children only"))
	}
}

// process plans the rest, as for the container's first process.
func (j *joiner) process() error {
	caps, err := capabilitySets(j.in.Spec.Process.Capabilities, j.in.Host.LastCap)
	if err != nil {
		return err
	}
	pl := &payload{
		p: j.p, spec: j.in.Spec.Process, id: j.id, lookup: j.in.Lookup, caps: caps, lastCap: j.in.Host.LastCap,
		filter: j.in.Filter, listener: j.in.Listener, terminal: j.terminal, proc: j.proc, tied: j.in.Tied, from: j.in.From,
	}
	return pl.add()
}

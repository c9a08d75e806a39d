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
	// Resctrl, when there is one, puts the program into the container's resctrl
	// group.
	Resctrl *HostStep
	// Filter, Listener, Lookup, GroupAdd, Tied, NoNewKeyring, Keyring, Files
	// and From are as in Input.
	Filter       seccomp.Program
	Listener     Listener
	Lookup       bool
	GroupAdd     []string
	Tied         bool
	NoNewKeyring bool
	Keyring      string
	Files        []int
	From         map[string]string
	// Program is the path to execute, when Args[0] is not it; then the
	// environment is Spec's as it is.
	Program string
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
	payload  *payload
	affinity affinity
}

// CompileJoin makes the plan of a program that joins a container: its groups
// and namespaces, and then the giving up of powers as its first process did it.
func CompileJoin(in JoinInput) (*Compiled, error) {
	j := &joiner{in: in, p: &nsenter.Plan{}, proc: nsenter.NoSlot}
	j.asm = rootfs.New(j.p)
	if err := j.prepare(); err != nil {
		return nil, err
	}
	placement := in.Groups.Place(j.p)
	j.open(placement)
	if from := j.payload.procField(); from != "" {
		j.proc = openProc(j.p, from)
	}
	j.identify()
	if in.Spec.Process.Terminal {
		t, err := j.asm.JoinTerminal(j.id.uid(), in.Spec.Process.ConsoleSize)
		if err != nil {
			return nil, err
		}
		j.terminal = &t
	}
	if err := j.enter(placement); err != nil {
		return nil, err
	}
	if err := j.process(); err != nil {
		return nil, err
	}
	return &Compiled{Plan: j.p, Terminal: j.terminal, Identity: j.id, Warnings: j.payload.warnings}, nil
}

// prepare makes the payload's part of the compilation, and takes hold of what
// the host has for it.
func (j *joiner) prepare() error {
	pl, err := newPayload(j.p, j.in.Host, j.in.Spec, j.in.From)
	if err != nil {
		return err
	}
	pl.lookup, pl.filter, pl.listener, pl.tied = j.in.Lookup, j.in.Filter, j.in.Listener, j.in.Tied
	pl.program, pl.joined, pl.noKeyring, pl.keyringName = j.in.Program, true, j.in.NoNewKeyring, j.in.Keyring
	if pl.files, err = openFiles(j.p, j.in.Files, fromOf(j.in.From, "--preserve-fds")); err != nil {
		return err
	}
	j.payload, j.affinity = pl, pl.affinity
	return nil
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
	if placement.Born != nsenter.NoSlot && j.affinity.initial == nil {
		args = append(args, nsenter.Fd(placement.Born))
	}
	j.p.Add(nsenter.Control(nsenter.Host, nsenter.OpSpawn, "clone and execute berth anew as the executor", args...).
		For(from, "the process that becomes the program, born in the container's cgroup"))
	if j.in.Resctrl != nil {
		j.p.Add(j.in.Resctrl.step("linux.intelRdt", resctrlWhy))
	}
}

// identify decides who the program runs as.
func (j *joiner) identify() {
	user := j.in.Spec.Process.User
	j.id = identify(user)
	if !j.in.Lookup {
		j.id.lookupHome(j.p, j.in.Spec.Process.Env, fileOf(j.asm))
		return
	}
	j.id.uidSlot, j.id.gidSlot = j.p.NewSlot("uid"), j.p.NewSlot("gid")
	j.id.countSlot = j.p.NewSlot("number of groups")
	j.id.lookup(j.p, userSpec(user), j.in.GroupAdd, fromOf(j.in.From, "process.user"), fileOf(j.asm))
}

// enter plans the child's way into the container.
func (j *joiner) enter(placement cgroup.Placement) error {
	if placement.Born != nsenter.NoSlot && j.affinity.initial != nil {
		placement.Join = append(placement.Join, enterCgroup2(j.p, placement.Born))
	}
	j.p.Add(j.affinity.initial...)
	j.p.Add(placement.Join...)
	j.p.Add(j.affinity.final...)
	if hasUserNamespace(j.in.Spec) {
		if err := j.payload.beforeUserNamespace(j.proc); err != nil {
			return err
		}
	}
	j.p.Add(j.namespaces()...)
	j.becomeRoot()
	if guest(j.in.Spec) {
		j.asm.Change()
	}
	return nil
}

// becomeRoot plans the change to an id that the user namespace has, as the
// container's first process made it: the host's root is nobody in there. A
// namespace whose maps nobody told stays with that.
func (j *joiner) becomeRoot() {
	ids := idMaps(j.in.Spec)
	if !hasUserNamespace(j.in.Spec) || len(ids[0].list) == 0 || len(ids[1].list) == 0 {
		return
	}
	uid, gid := nsenter.Int(ids[0].root()), nsenter.Int(ids[1].root())
	const from, why = "linux.namespaces[user]", "the host's root is nobody in the namespace"
	j.p.Add(nsenter.Call(nsenter.Child, unix.SYS_SETRESGID, gid, gid, gid).For(from, why),
		nsenter.Call(nsenter.Child, unix.SYS_SETRESUID, uid, uid, uid).For(from, why))
}

// namespaces are the child's steps into the container's namespaces.
func (j *joiner) namespaces() []nsenter.Step {
	const from = "exec"
	var flags uintptr
	for _, n := range j.in.Spec.Linux.Namespaces {
		flag, _, _ := namespaceFlag(n.Type)
		flags |= flag
	}
	if flags == 0 {
		return nil
	}
	steps := []nsenter.Step{nsenter.Call(nsenter.Child, unix.SYS_SETNS, nsenter.Fd(j.target), nsenter.Int(flags)).On(j.in.ID).
		For(from, "all of the container's namespaces at once")}
	if flags&unix.CLONE_NEWPID != 0 {
		steps = append(steps, nsenter.Control(nsenter.Child, nsenter.OpFork, "fork into the PID namespace").
			For(from, "joining a PID namespace holds for children only"))
	}
	return steps
}

// process plans the rest, as for the container's first process.
func (j *joiner) process() error {
	pl := j.payload
	pl.id, pl.terminal, pl.proc = j.id, j.terminal, j.proc
	return pl.add()
}

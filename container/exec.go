package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/cgroup"
	"berth/container/attach"
	"berth/nsenter"
	"berth/rootfs"
	"berth/seccomp"
)

// ExecOptions are one more program for a running container.
type ExecOptions struct {
	Args []string
	// Env is added to the container's own; a variable that both have is this.
	Env []string
	// Cwd and User are the container's own when empty.
	Cwd, User  string
	TTY        bool
	Detach     bool
	Privileged bool
	// Interactive passes on the caller's input.
	Interactive bool
	DetachKeys  string
}

// Exec runs a program in a running container and returns how it ended.
func (e *Engine) Exec(ctx context.Context, ref string, o ExecOptions, stdio Stdio) (Exit, error) {
	v, err := e.Get(ctx, ref)
	if err != nil {
		return Exit{}, err
	}
	if v.Status != Running {
		return Exit{}, fmt.Errorf("container %s %w", v.ID, ErrNotRunning)
	}
	x := &execution{e: e, v: v, o: o}
	if err := x.compile(); err != nil {
		return Exit{}, &StartError{Code: 126, Err: err}
	}
	x.signals = holdSignals()
	defer signal.Stop(x.signals)
	switch {
	case o.Detach:
		return x.detach(ctx)
	case o.TTY:
		return x.interact(ctx, stdio)
	}
	return x.foreground(ctx, stdio)
}

// execution is one Exec.
type execution struct {
	e        *Engine
	v        *View
	o        ExecOptions
	plan     *nsenter.Plan
	asm      *rootfs.Assembly
	id       *Identity
	terminal *rootfs.Terminal
	signals  chan os.Signal
}

// process is the container's process with what the options change.
func (x *execution) process() *specs.Process {
	p := *x.v.Spec.Process
	p.Args = x.o.Args
	p.Env = mergeEnv(p.Env, x.o.Env)
	p.Terminal = x.o.TTY
	if x.o.Cwd != "" {
		p.Cwd = x.o.Cwd
	}
	if x.o.User != "" {
		p.User = specs.User{Username: x.o.User, Umask: p.User.Umask}
	}
	if x.o.Privileged {
		all := AllCapabilities()
		p.Capabilities = &specs.LinuxCapabilities{Bounding: all, Effective: all, Permitted: all}
	}
	return &p
}

// mergeEnv adds variables; a name that is there already gets the new value.
func mergeEnv(env, more []string) []string {
	env = slices.Clone(env)
	for _, v := range more {
		name, _, _ := strings.Cut(v, "=")
		i := slices.IndexFunc(env, func(old string) bool { return strings.HasPrefix(old, name+"=") })
		if i >= 0 {
			env[i] = v
		} else {
			env = append(env, v)
		}
	}
	return env
}

// compile makes the plan: join the container's groups and namespaces, and then
// give up powers as its first process did.
func (x *execution) compile() error {
	spec := *x.v.Spec
	spec.Process = x.process()
	if err := validate(&spec); err != nil {
		return err
	}
	host, err := DetectHost(x.e.CgroupParent)
	if err != nil {
		return err
	}
	m, err := cgroup.Open(host.Cgroup, x.v.Live.Cgroups)
	if err != nil {
		return err
	}
	x.plan = &nsenter.Plan{}
	x.asm = rootfs.New(x.plan)
	placement := m.Place(x.plan)
	target := x.join(placement)
	proc := nsenter.NoSlot
	if spec.Process.OOMScoreAdj != nil {
		proc = openProc(x.plan, "process.oomScoreAdj")
	}
	x.lookup(spec.Process)
	if x.o.TTY {
		t := x.asm.JoinTerminal(x.id.uid(), spec.Process.ConsoleSize)
		x.terminal = &t
	}
	x.enter(&spec, placement, target)
	return x.tail(&spec, host, proc)
}

// join plans the host's steps that hold on to the container, and the start of
// the child in its cgroup.
func (x *execution) join(placement cgroup.Placement) nsenter.Slot {
	target := x.plan.NewSlot("container")
	x.asm.Root = x.plan.NewSlot("root")
	payload := x.v.Live.Payload
	const from = "exec"
	x.plan.Add(nsenter.Do("open the container's first process, pid "+strconv.Itoa(payload.PID), func(h *nsenter.Run) error {
		fd, err := payload.Pidfd()
		if err != nil {
			return err
		}
		h.SetFd(target, fd)
		root, err := unix.Open("/proc/"+strconv.Itoa(payload.PID)+"/root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open the root of process %d: %w", payload.PID, err)
		}
		h.SetFd(x.asm.Root, root)
		// Still alive, so the number was its own all the time.
		if err := unix.PidfdSendSignal(fd, 0, nil, 0); err != nil {
			return fmt.Errorf("look after process %d: %w", payload.PID, err)
		}
		return nil
	}).On(x.v.ID).For(from, "a pidfd names the process, whatever becomes of its number"))
	args := []nsenter.Arg{nsenter.Int(0)}
	if placement.Born != nsenter.NoSlot {
		args = append(args, nsenter.Fd(placement.Born))
	}
	x.plan.Add(nsenter.Control(nsenter.Host, nsenter.OpSpawn, "clone and execute berth anew as the executor", args...).
		For(from, "the process that becomes the program, born in the container's cgroup"))
	return target
}

// lookup plans the search for the user in the container's files.
func (x *execution) lookup(p *specs.Process) {
	x.id = identify(p.User)
	x.id.uidSlot, x.id.gidSlot = x.plan.NewSlot("uid"), x.plan.NewSlot("gid")
	x.id.countSlot = x.plan.NewSlot("number of groups")
	x.id.lookup(x.plan, userSpec(p.User), x.v.GroupAdd, "--user", fileOf(x.asm))
}

// enter plans the child's way into the container.
func (x *execution) enter(spec *specs.Spec, placement cgroup.Placement, target nsenter.Slot) {
	const from = "exec"
	x.plan.Add(placement.Join...)
	var flags uintptr
	for _, n := range spec.Linux.Namespaces {
		flag, _, _ := namespaceFlag(n.Type)
		flags |= flag
	}
	x.plan.Add(nsenter.Call(nsenter.Child, unix.SYS_SETNS, nsenter.Fd(target), nsenter.Int(flags)).On(x.v.ID).
		For(from, "all of the container's namespaces at once"))
	if flags&unix.CLONE_NEWPID != 0 {
		x.plan.Add(nsenter.Control(nsenter.Child, nsenter.OpFork, "fork into the PID namespace").
			For(from, "joining a PID namespace holds for children only"))
	}
}

// tail plans the rest, as for the container's first process.
func (x *execution) tail(spec *specs.Spec, host Host, proc nsenter.Slot) error {
	c := *x.v.Config
	c.Spec = spec
	filter := seccomp.Program{}
	if !x.o.Privileged {
		var err error
		if filter, err = x.e.filter(&c); err != nil {
			return err
		}
	}
	limitFiles(spec.Process, host.NoFile)
	caps, err := capabilitySets(spec.Process.Capabilities, host.LastCap)
	if err != nil {
		return err
	}
	pl := &payload{
		p: x.plan, spec: spec.Process, id: x.id, lookup: true, caps: caps, lastCap: host.LastCap,
		filter: filter, terminal: x.terminal, proc: proc, tied: !x.o.Detach, from: map[string]string{"process.args": "exec"},
	}
	return pl.add()
}

// begin runs the plan.
func (x *execution) begin(ctx context.Context, opts nsenter.Options) (*nsenter.Run, error) {
	opts.Empty = x.e.emptyDir()
	run, err := x.plan.Start(ctx, opts)
	if x.e.Trace != nil {
		x.e.Trace(x.plan, run.Results())
	}
	if err != nil {
		run.Close()
		return nil, execError(x.o.Args[0], x.plan, run.Results(), err)
	}
	return run, nil
}

// detach starts the program and leaves it to the container.
func (x *execution) detach(ctx context.Context) (Exit, error) {
	run, err := x.begin(ctx, nsenter.Options{})
	if err != nil {
		return Exit{}, err
	}
	run.Close()
	return Exit{}, nil
}

// foreground runs the program with the caller's streams.
func (x *execution) foreground(ctx context.Context, stdio Stdio) (Exit, error) {
	f := &foreground{stdio: stdio, signals: x.signals, stop: make(chan struct{})}
	defer f.close()
	opts, err := f.ends(x.o.Interactive)
	if err != nil {
		return Exit{}, &StartError{Code: 126, Err: err}
	}
	run, err := x.begin(ctx, opts)
	if err != nil {
		return Exit{}, err
	}
	defer run.Close()
	f.copy(run)
	status, err := run.Wait()
	if err != nil {
		return Exit{}, err
	}
	f.drain()
	return ended(status), nil
}

// interact runs the program on a terminal of the container's, through the same
// protocol as attach, over a socket that only this command knows.
func (x *execution) interact(ctx context.Context, stdio Stdio) (Exit, error) {
	d := &detached{server: attach.NewServer(true)}
	defer d.close()
	socket := path.Join(x.e.Dirs.RunContainer(x.v.ID), "exec-"+strconv.Itoa(os.Getpid())+".sock")
	if err := d.serve(ctx, socket); err != nil {
		return Exit{}, &StartError{Code: 126, Err: err}
	}
	defer func() { _ = os.Remove(socket) }() // with the container's folder it may be gone
	client, err := attach.Dial(ctx, socket, attach.ClientOptions{
		Stdin: stdio.In, Stdout: stdio.Out, Stderr: stdio.Err, TTY: true, DetachKeys: x.o.DetachKeys, Lossless: true,
	})
	if err != nil {
		return Exit{}, &StartError{Code: 126, Err: err}
	}
	run, err := x.begin(ctx, nsenter.Options{Keep: []nsenter.Slot{x.terminal.Master}})
	if err != nil {
		_ = client.Close() // the error to report is the start's
		return Exit{}, err
	}
	defer run.Close()
	d.run = run
	d.attachTerminal(run.Fd(x.terminal.Master))
	go d.finish(ctx, run)
	code, _, err := attachResult(client.Run(ctx))
	if err != nil && !errors.Is(err, context.Canceled) {
		return Exit{}, err
	}
	return Exit{Code: &code, Finished: time.Now().UTC()}, nil
}

// finish waits for the program and tells the client how it ended.
func (d *detached) finish(ctx context.Context, run *nsenter.Run) {
	status, err := run.Wait()
	if err != nil {
		return
	}
	d.drain()
	d.end(ctx, ended(status))
}

// ended is the record of a wait status.
func ended(status unix.WaitStatus) Exit {
	code := exitCode(status)
	return Exit{Code: &code, Finished: time.Now().UTC()}
}

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
	"berth/seccomp"
	"berth/state"
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
	switch v.Status {
	case Paused:
		return Exit{}, fmt.Errorf("container %s %w, unpause the container before exec", v.ID, ErrPaused)
	case Restarting:
		return Exit{}, v.waits()
	}
	if v.Status != Running {
		return Exit{}, fmt.Errorf("container %s %w", v.ID, ErrNotRunning)
	}
	x := &execution{e: e, v: v, o: o}
	if err := x.compile(ctx); err != nil {
		return Exit{}, &StartError{Code: 126, Err: err}
	}
	if x.id, err = state.NewID(); err != nil {
		return Exit{}, &StartError{Code: 126, Err: err}
	}
	x.tell("exec_create: " + strings.Join(o.Args, " "))
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
	compiled *Compiled
	signals  chan os.Signal
	id       string // by which its events belong together
	// nest is the name of a group below the container's that the program is to
	// have for itself; empty for none. nested is that group, once it is made.
	nest   string
	nested *cgroup.Manager
}

// tell tells of this execution's part in the container's life.
func (x *execution) tell(action string, attributes ...string) {
	x.e.emit(x.v.Config, action, append(attributes, "execID", x.id)...)
}

// tellEnd tells how the program ended.
func (x *execution) tellEnd(end Exit) Exit {
	x.tell("exec_die", "exitCode", strconv.Itoa(*end.Code))
	return end
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

// compile makes the plan, and the group that the program has for itself.
func (x *execution) compile(ctx context.Context) error {
	spec := *x.v.Spec
	spec.Process = x.process()
	mapUsers(&spec, x.v.Live.Users)
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
	// An init or a runtime in the container may have left its group.
	if m, err = m.Beside(x.v.Live.Payload.PID); err != nil {
		return err
	}
	if x.nest != "" {
		if m, x.nested, err = m.Nest(ctx, x.nest); err != nil {
			return err
		}
	}
	c := *x.v.Config
	c.Spec = &spec
	filter := seccomp.Program{}
	if !x.o.Privileged {
		if filter, err = x.e.filter(&c); err != nil {
			return err
		}
	}
	limitFiles(spec.Process, host.NoFile)
	x.compiled, err = CompileJoin(JoinInput{
		Host: host, ID: x.v.ID, Spec: &spec, Payload: x.v.Live.Payload, Groups: m, Filter: filter,
		Lookup: true, GroupAdd: x.v.GroupAdd, Tied: !x.o.Detach,
		From: map[string]string{"process.args": "exec", "process.user": "--user"},
	})
	return err
}

// begin runs the plan, and tells who wants to know.
func (x *execution) begin(ctx context.Context, opts nsenter.Options) (*nsenter.Run, error) {
	run, err := x.start(ctx, opts)
	if x.e.Trace != nil {
		x.e.Trace(x.compiled.Plan, run.Results())
	}
	if err != nil {
		run.Close()
		return nil, err
	}
	x.tell("exec_start: " + strings.Join(x.o.Args, " "))
	return run, nil
}

// start runs the plan. The Run is never nil and must be closed.
func (x *execution) start(ctx context.Context, opts nsenter.Options) (*nsenter.Run, error) {
	opts.Empty = x.e.emptyDir()
	run, err := x.compiled.Plan.Start(ctx, opts)
	if err != nil {
		err = execError(x.o.Args[0], x.compiled.Plan, run.Results(), err)
	}
	return run, err
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
	return x.tellEnd(ended(status)), nil
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
	run, err := x.begin(ctx, nsenter.Options{Keep: []nsenter.Slot{x.compiled.Terminal.Master}})
	if err != nil {
		_ = client.Close() // the error to report is the start's
		return Exit{}, err
	}
	defer run.Close()
	d.run = run
	d.attachTerminal(run.Fd(x.compiled.Terminal.Master))
	go d.finish(ctx, run)
	code, left, err := attachResult(client.Run(ctx))
	if err != nil && !errors.Is(err, context.Canceled) {
		return Exit{}, err
	}
	end := Exit{Code: &code, Finished: time.Now().UTC()}
	if left {
		x.tell("exec_detach")
		return end, nil
	}
	return x.tellEnd(end), nil
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

package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
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
	// One without a value is taken away.
	Env []string
	// Cwd and User are the container's own when empty.
	Cwd, User  string
	TTY        bool
	Detach     bool
	Privileged bool
	// Interactive passes on the caller's input.
	Interactive bool
	DetachKeys  string
	// Files are descriptors of this process that the program gets as its 3, 4
	// and so on.
	Files []int
}

// Exec runs a program in a running container and returns how it ended.
func (e *Engine) Exec(ctx context.Context, ref string, o ExecOptions, stdio Stdio) (Exit, error) {
	v, err := e.Get(ctx, ref)
	if err != nil {
		return Exit{}, err
	}
	if err := mayExec(ref, v); err != nil {
		return Exit{}, err
	}
	x := &execution{e: e, v: v, o: o}
	if x.id, err = state.NewID(); err != nil {
		return Exit{}, &StartError{Code: 126, Err: err}
	}
	if o.Detach || o.TTY {
		return x.monitored(ctx, stdio)
	}
	if err := x.create(ctx); err != nil {
		return Exit{}, &StartError{Code: 126, Err: err}
	}
	x.signals = holdSignals()
	defer signal.Stop(x.signals)
	return x.foreground(ctx, stdio)
}

// mayExec refuses in docker's words what cannot take another program now. ref
// is the container as the user named it.
func mayExec(ref string, v *View) error {
	switch v.Status {
	case Running:
		return nil
	case Paused:
		return fmt.Errorf("Container %s %w, unpause the container before exec", ref, ErrPaused) //nolint:staticcheck // docker's text
	case Restarting:
		return v.waits()
	}
	return fmt.Errorf("container %s %w", v.ID, ErrNotRunning)
}

// execution is one Exec.
type execution struct {
	e        *Engine
	v        *View
	o        ExecOptions
	compiled *Compiled
	signals  chan os.Signal
	id       string      // by which its events belong together
	size     attach.Size // of the terminal, zero when it is not known
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
	p.Terminal, p.ConsoleSize = x.o.TTY, nil
	if x.o.TTY {
		p.Env = withTerm(p.Env)
		p.ConsoleSize = &specs.Box{Height: uint(x.size.Rows), Width: uint(x.size.Cols)}
	}
	if x.o.Cwd != "" {
		p.Cwd = x.o.Cwd
	}
	if x.o.User != "" {
		p.User = specs.User{Username: x.o.User, Umask: p.User.Umask, AdditionalGids: p.User.AdditionalGids}
	}
	if x.o.Privileged {
		all := AllCapabilities()
		p.Capabilities = &specs.LinuxCapabilities{Bounding: all, Effective: all, Permitted: all}
	}
	return &p
}

// withTerm adds what a program on a terminal expects, unless the container says
// something else.
func withTerm(env []string) []string {
	if slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, "TERM=") }) {
		return env
	}
	return append(env, "TERM=xterm")
}

// mergeEnv adds variables; a name that is there already gets the new value, and
// goes when there is none.
func mergeEnv(env, more []string) []string {
	env = slices.Clone(env)
	for _, v := range more {
		name, _, given := strings.Cut(v, "=")
		if !given {
			env = slices.DeleteFunc(env, func(old string) bool { return strings.HasPrefix(old, name+"=") })
			continue
		}
		i := slices.IndexFunc(env, func(old string) bool { return strings.HasPrefix(old, name+"=") })
		if i >= 0 {
			env[i] = v
		} else {
			env = append(env, v)
		}
	}
	return env
}

// create is docker's first half of an execution: all that can be refused is.
func (x *execution) create(ctx context.Context) error {
	if err := x.compile(ctx); err != nil {
		return err
	}
	x.tell("exec_create: " + strings.Join(x.o.Args, " "))
	return nil
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
		Lookup: true, GroupAdd: x.v.GroupAdd, Tied: true, Files: x.o.Files,
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
	if failed := (*StartError)(nil); errors.As(err, &failed) && failed.Code != 127 {
		// Docker has no 125 for a program that joins a container.
		err = &StartError{Code: 126, Err: failed.Err}
	}
	return run, err
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
	end := x.tellEnd(ended(status))
	f.drainBriefly()
	return end, nil
}

// ended is the record of a wait status.
func ended(status unix.WaitStatus) Exit {
	code := exitCode(status)
	return Exit{Code: &code, Finished: time.Now().UTC()}
}

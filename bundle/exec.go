package bundle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/cgroup"
	"berth/container"
	"berth/nsenter"
	"berth/state"
)

// visitor is one Exec.
type visitor struct {
	r        *Runtime
	o        ExecOptions
	rec      *record
	groups   *cgroup.Manager
	compiled *container.Compiled
	sealed   *nsenter.Sealed
	agent    *agent
	run      *nsenter.Run
}

// Exec runs one more program in a container. It returns the program's exit
// code, or 0 once a detached one runs.
func (r *Runtime) Exec(ctx context.Context, id string, o ExecOptions) (int, error) {
	v := &visitor{r: r, o: o, sealed: nsenter.Seal(r.emptyDir())}
	defer v.sealed.Close()
	if err := v.admit(id); err != nil {
		return 0, err
	}
	if err := v.pickGroups(); err != nil {
		return 0, err
	}
	if !o.Detach && !o.NoSubreaper {
		if err := adoptOrphans(); err != nil {
			return 0, err
		}
	}
	err := v.compile(id)
	defer func() { v.agent.close() }()
	if err != nil {
		return 0, err
	}
	if err := v.start(ctx); err != nil {
		return 0, err
	}
	defer v.run.Close()
	if err := v.announce(); err != nil {
		_ = v.run.Signal(unix.SIGKILL)
		_, _ = v.run.Wait()
		return 0, err
	}
	if o.Detach {
		return 0, nil
	}
	signals := make(chan os.Signal, signalQueue)
	defer signal.Stop(signals)
	return wait(v.run, v.terminal(), o.Stdio, signals)
}

// admit refuses containers that nobody can join.
func (v *visitor) admit(id string) error {
	var status string
	var err error
	v.rec, v.groups, status, err = v.r.live(id)
	if errors.Is(err, ErrNotRunning) {
		return fmt.Errorf("cannot exec in a stopped container: %w", err)
	}
	if err != nil {
		return err
	}
	if status == paused && !v.o.IgnorePaused {
		return fmt.Errorf("cannot exec in a paused container (use --ignore-paused to override): %w", ErrPaused)
	}
	terminal := v.o.Process.Terminal
	switch {
	case terminal && v.o.Detach && v.o.ConsoleSocket == "":
		return errors.New("cannot allocate tty if runc will detach without setting console socket")
	case v.o.ConsoleSocket != "" && (!terminal || !v.o.Detach):
		return errors.New("cannot use console socket if runc will not detach or allocate tty")
	}
	return nil
}

// pickGroups decides which groups the program joins. A payload that is an init
// or a runtime itself may have left its own.
func (v *visitor) pickGroups() error {
	var err error
	if v.o.SubCgroup != "" {
		v.groups, err = v.groups.Sub(v.o.SubCgroup)
	} else {
		v.groups, err = v.groups.Beside(v.rec.Payload.PID)
	}
	return err
}

// compile makes the plan.
func (v *visitor) compile(id string) error {
	spec, err := v.r.Spec(id)
	if err != nil {
		return err
	}
	host, err := container.DetectHost(cgroupParent)
	if err != nil {
		return err
	}
	filter, err := v.r.filter(spec)
	if err != nil {
		return err
	}
	if v.agent, err = dialAgent(spec.Linux.Seccomp); err != nil {
		return err
	}
	files, env, err := passedFiles(v.r.Getenv, v.o.PreserveFds)
	if err != nil {
		return err
	}
	rdt, err := enterResctrl(id, spec)
	if err != nil {
		return err
	}
	process := *v.o.Process
	process.Env = withListenEnv(process.Env, env)
	if !v.o.Detach {
		adoptSize(&process, v.o.Stdio)
	}
	spec.Process = &process
	v.compiled, err = container.CompileJoin(container.JoinInput{
		Host: host, ID: id, Spec: spec, Payload: v.rec.Payload, Groups: v.groups, Filter: filter, Files: files,
		Resctrl: rdt, Listener: v.agent.listener(v.state()),
		Keyring: keyring(id), NoNewKeyring: v.rec.NoNewKeyring,
	})
	if err != nil {
		return err
	}
	v.r.warn(v.compiled)
	return nil
}

// state is the container's state for a seccomp agent.
func (v *visitor) state() specs.State {
	return specs.State{
		Version: v.rec.OCIVersion, ID: v.rec.ID, Status: specs.StateRunning, Pid: v.rec.Payload.PID,
		Bundle: v.rec.Bundle, Annotations: v.rec.Annotations,
	}
}

// start runs the plan.
func (v *visitor) start(ctx context.Context) error {
	opts := nsenter.Options{Sealed: v.sealed}
	if v.compiled.Terminal != nil {
		opts.Keep = []nsenter.Slot{v.compiled.Terminal.Master}
	} else {
		opts.Stdin, opts.Stdout, opts.Stderr = v.o.Stdio.In, v.o.Stdio.Out, v.o.Stdio.Err
	}
	run, err := v.compiled.Plan.Start(ctx, opts)
	if err != nil {
		defer run.Close()
		return container.PlanError(v.o.Process.Args[0], v.compiled.Plan, run.Results(), err)
	}
	v.run = run
	return nil
}

// terminal is the host's end of the program's terminal, or -1.
func (v *visitor) terminal() int {
	if v.compiled.Terminal == nil {
		return -1
	}
	return v.run.Fd(v.compiled.Terminal.Master)
}

// announce tells those who asked about the program's process and terminal.
func (v *visitor) announce() error {
	if v.o.ConsoleSocket != "" {
		defer unix.Close(v.terminal())
		if err := sendDescriptor(v.o.ConsoleSocket, v.terminal(), consoleName); err != nil {
			return err
		}
	}
	if v.o.PidfdSocket != "" {
		p, err := state.ProcessOf(v.run.Pid())
		if err != nil {
			return err
		}
		fd, err := p.Pidfd()
		if err != nil {
			return err
		}
		file := os.NewFile(uintptr(fd), "pidfd")
		defer file.Close()
		if err := sendDescriptor(v.o.PidfdSocket, fd, pidfdOfExec); err != nil {
			return err
		}
	}
	return writePidFile(v.o.PidFile, v.run.Pid())
}

package bundle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path"
	"strconv"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/cgroup"
	"berth/container"
	"berth/nsenter"
	"berth/resctrl"
	"berth/state"
)

// settleTime bounds the wait for the end of processes that were killed.
const settleTime = 10 * time.Second

// maker is one container on its way to life.
type maker struct {
	r    *Runtime
	id   string
	o    CreateOptions
	conf *config
	// gated says that the payload waits for start, and background that this
	// process goes away before the payload.
	gated, background bool
	// starts says that this command starts the payload too, so that it may
	// have a word for the service manager from now on.
	starts   bool
	notifier *notifier

	// signals can end the creation, and folder keeps others off it.
	signals *interruption
	folder  *folder

	rec      *record
	compiled *container.Compiled
	groups   *cgroup.Manager
	run      *nsenter.Run
	sealed   *nsenter.Sealed
	agent    *agent
	// notify is the service manager's socket, scope the systemd unit, and
	// resctrl the groups of linux.intelRdt; empty without.
	notify, scope string
	resctrl       *resctrl.Group
	// scoped is set once systemd has made the scope for us.
	scoped bool
}

// Create makes a container and leaves its first process waiting for Start. On
// an error nothing of it is left.
func (r *Runtime) Create(ctx context.Context, id string, o CreateOptions) error {
	m := &maker{r: r, id: id, o: o, gated: true, background: true}
	ctx, m.signals = interruptible(ctx)
	defer m.signals.close()
	if err := m.make(ctx); err != nil {
		return m.signals.explain(err)
	}
	m.run.Close()
	m.folder.close()
	return nil
}

// make brings the container up to its gate, or, without one, to life. It leaves
// the folder locked; after an error nothing is left.
func (m *maker) make(ctx context.Context) error {
	if err := checkID(m.id); err != nil {
		return err
	}
	if err := m.r.checkFree(m.id); err != nil {
		return err
	}
	if err := m.r.prepare(); err != nil {
		return err
	}
	// Sealing the binary and reading the configuration take the same time.
	m.sealed = nsenter.Seal(m.r.emptyDir())
	defer m.sealed.Close()
	var err error
	if m.conf, err = readConfig(m.o.Bundle); err != nil {
		return err
	}
	if hooks := m.conf.spec.Hooks; hooks != nil && len(hooks.StartContainer) > 0 {
		m.gated = true
	}
	defer func() { m.agent.close() }()
	// What cannot be, fails here, before anything is made.
	for _, step := range []func(context.Context) error{m.checkTerminal, m.checkAgent, m.compile, m.checkVacant} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if err := m.claim(ctx); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{
		m.makeGate, m.listenNotify, m.start, m.recordPayload, m.sendTerminal, m.sendPidfd, m.commit, m.writePidFile,
	} {
		if err := step(ctx); err != nil {
			return m.takeBack(ctx, err)
		}
	}
	return nil
}

// listenNotify makes the service manager's socket before the payload can look
// for it.
func (m *maker) listenNotify(context.Context) error {
	if !m.starts {
		return nil
	}
	var err error
	m.notifier, err = listenNotify(m.notify, m.r.dir(m.id), m.r.Warn)
	return err
}

// checkTerminal refuses a terminal without anybody at its other end.
func (m *maker) checkTerminal(context.Context) error {
	p := m.conf.spec.Process
	terminal := p != nil && p.Terminal
	switch {
	case terminal && m.background && m.o.ConsoleSocket == "":
		return errors.New("cannot allocate tty if runc will detach without setting console socket")
	case m.o.ConsoleSocket != "" && (!terminal || !m.background):
		return errors.New("cannot use console socket if runc will not detach or allocate tty")
	}
	return nil
}

// checkAgent connects to the agent of a seccomp filter that reports to one.
func (m *maker) checkAgent(context.Context) error {
	if m.conf.spec.Linux == nil {
		return nil
	}
	var err error
	m.agent, err = dialAgent(m.conf.spec.Linux.Seccomp)
	return err
}

// compile makes the plan.
func (m *maker) compile(ctx context.Context) error {
	in, err := m.input(ctx)
	if err != nil {
		return err
	}
	if m.compiled, err = container.Compile(in); err != nil {
		return err
	}
	m.r.warn(m.compiled)
	m.groups, err = cgroup.Open(in.Host.Cgroup, m.compiled.Cgroups)
	return err
}

// input gathers what the plan is compiled from.
func (m *maker) input(ctx context.Context) (container.Input, error) {
	spec := m.conf.spec
	in := container.Input{
		Spec: spec, Hold: m.r.Dir, Account: true, Keyring: keyring(m.id), Check: m.wanders(), InOrder: true,
		NoPivot: m.o.NoPivot, NoNewKeyring: m.o.NoNewKeyring, Hooks: m.hooks(), MoveDevice: moveDevice,
	}
	if m.gated {
		in.Gate = m.r.gatePath(m.id)
	}
	if !m.background {
		adoptSize(spec.Process, m.o.Stdio)
	}
	m.notify = planNotify(m.r.Getenv, spec, m.r.dir(m.id))
	in.Listener = m.agent.listener(specs.State{
		Version: spec.Version, ID: m.id, Status: specs.StateCreating, Bundle: m.conf.dir, Annotations: spec.Annotations,
	})
	var err error
	if in.Files, err = m.files(); err != nil {
		return in, err
	}
	if in.Filter, err = m.r.filter(spec); err != nil {
		return in, err
	}
	return in, m.place(ctx, &in)
}

// files are the descriptors that the payload inherits, which its environment
// tells of.
func (m *maker) files() ([]int, error) {
	files, env, err := passedFiles(m.r.Getenv, m.o.PreserveFds)
	if p := m.conf.spec.Process; p != nil && err == nil {
		p.Env = withListenEnv(p.Env, env)
	}
	return files, err
}

// wanders reports whether the payload starts in another folder than the root,
// which may take a second try. Without that, execve finds a missing program as
// well as a look beforehand, which costs a round trip; a gate brings one along.
func (m *maker) wanders() bool {
	p := m.conf.spec.Process
	return p != nil && p.Cwd != "" && path.Clean(p.Cwd) != "/"
}

// claim makes the container's folder, which reserves the id.
func (m *maker) claim(ctx context.Context) error {
	self, err := state.Self()
	if err != nil {
		return err
	}
	m.rec = &record{
		ID: m.id, Bundle: m.conf.dir, Rootfs: m.conf.spec.Root.Path, Created: time.Now().UTC(), Owner: owner(),
		OCIVersion: m.conf.spec.Version, Annotations: m.conf.spec.Annotations, Creator: self, Cgroups: m.compiled.Cgroups,
		Notify: m.notify, Scope: m.scope, NoNewKeyring: m.o.NoNewKeyring,
	}
	m.signals.await()
	if m.folder, err = m.r.makeFolder(ctx, m.id); err != nil {
		return err
	}
	// The record comes last: until then nobody takes the folder for a container.
	err = errors.Join(
		os.WriteFile(m.r.configPath(m.id), m.conf.raw, 0o600),
		makeNotifyFolder(m.notify, m.r.dir(m.id)),
		m.r.save(m.rec),
	)
	if err != nil {
		err = errors.Join(err, state.RemoveTree(m.r.dir(m.id)))
		m.folder.close()
		return err
	}
	return nil
}

// prepare makes the folder of all containers, and the empty one in it.
func (r *Runtime) prepare() error {
	err := os.Mkdir(r.emptyDir(), 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		err = os.MkdirAll(r.emptyDir(), 0o700)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make state folder: %w", err)
	}
	return nil
}

// makeGate makes the FIFO that the payload will wait at.
func (m *maker) makeGate(context.Context) error {
	if !m.gated {
		return nil
	}
	if err := unix.Mkfifo(m.r.gatePath(m.id), 0o600); err != nil {
		return fmt.Errorf("make gate %s: %w", m.r.gatePath(m.id), err)
	}
	return nil
}

// start runs the plan.
func (m *maker) start(ctx context.Context) error {
	opts := nsenter.Options{Sealed: m.sealed}
	if m.gated {
		opts.Memory = m.r.planPath(m.id)
	}
	if m.compiled.Terminal != nil {
		opts.Keep = []nsenter.Slot{m.compiled.Terminal.Master}
	} else {
		opts.Stdin, opts.Stdout, opts.Stderr = m.o.Stdio.In, m.o.Stdio.Out, m.o.Stdio.Err
	}
	var err error
	m.run, err = m.compiled.Plan.Start(ctx, opts)
	if err != nil {
		return container.PlanError(m.conf.spec.Process.Args[0], m.compiled.Plan, m.run.Results(), err)
	}
	if !m.gated && !m.background {
		return m.signals.release() // it runs: from here on they are for it
	}
	return nil
}

// commit ends the time in which a signal takes everything back, unless the
// payload is only let go by launch.
func (m *maker) commit(context.Context) error {
	if m.gated && m.starts {
		return nil
	}
	return m.signals.release()
}

// recordPayload writes who the payload is.
func (m *maker) recordPayload(context.Context) error {
	payload, err := state.ProcessOf(m.run.Pid())
	if errors.Is(err, state.ErrProcessGone) {
		// It has ended already: its pid names nobody, but was its own.
		payload = state.Process{PID: m.run.Pid()}
	} else if err != nil {
		return err
	}
	m.rec.Payload = payload
	return m.r.save(m.rec)
}

// terminal is the host's end of the container's terminal, or -1.
func (m *maker) terminal() int {
	if m.compiled.Terminal == nil {
		return -1
	}
	return m.run.Fd(m.compiled.Terminal.Master)
}

// sendTerminal gives the terminal to who asked for it.
func (m *maker) sendTerminal(context.Context) error {
	if m.o.ConsoleSocket == "" {
		return nil
	}
	defer unix.Close(m.terminal())
	return sendDescriptor(m.o.ConsoleSocket, m.terminal(), consoleName)
}

// sendPidfd gives a pidfd of the payload to who asked for one.
func (m *maker) sendPidfd(context.Context) error {
	if m.o.PidfdSocket == "" {
		return nil
	}
	fd, err := m.rec.Payload.Pidfd()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return sendDescriptor(m.o.PidfdSocket, fd, pidfdOfCreate)
}

func (m *maker) writePidFile(context.Context) error {
	return writePidFile(m.o.PidFile, m.run.Pid())
}

// writePidFile writes a pid, whole or not at all.
func writePidFile(name string, pid int) error {
	if name == "" {
		return nil
	}
	// A name that nobody can have put a link at: the folder may be anybody's.
	file, err := os.CreateTemp(path.Dir(name), "."+path.Base(name)+".")
	if err != nil {
		return fmt.Errorf("write pid file: %w", err)
	}
	_, err = file.WriteString(strconv.Itoa(pid))
	err = errors.Join(err, file.Chmod(0o644), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), name)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write pid file: %w", err), os.Remove(file.Name()))
	}
	return nil
}

// owner is the name of the user who makes a container, as runc records it.
func owner() string {
	if os.Geteuid() == 0 {
		return "root"
	}
	u, err := user.LookupId(strconv.Itoa(os.Geteuid()))
	if err != nil {
		return strconv.Itoa(os.Geteuid())
	}
	return u.Username
}

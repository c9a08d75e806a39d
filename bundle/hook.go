package bundle

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/cgroup"
	"berth/container"
	"berth/network"
	"berth/nsenter"
	"berth/state"
)

// hookRunner runs the hooks of one container.
type hookRunner struct {
	r    *Runtime
	spec *specs.Spec
	// about is the container's state, but for status and pid.
	about specs.State
	// noNewKeyring is as in container.Input.
	noNewKeyring bool
	// groups are the container's cgroups, once they are known.
	groups func() (*cgroup.Manager, error)
}

// hooks returns the runner for a container that is being made; nil when it has
// no hooks.
func (m *maker) hooks() container.HookRunner {
	spec := m.conf.spec
	if spec.Hooks == nil {
		return nil
	}
	return &hookRunner{
		r: m.r, spec: spec, noNewKeyring: m.o.NoNewKeyring, about: specs.State{Version: spec.Version, ID: m.id, Bundle: m.conf.dir, Annotations: spec.Annotations},
		groups: func() (*cgroup.Manager, error) { return m.groups, nil },
	}
}

// moveDevice implements [container.DeviceMover].
func moveDevice(pid int, host, name string) error { return network.MoveDevice(pid, host, name) }

// runner returns the runner for a container that is on record.
func (r *Runtime) runner(c *record, spec *specs.Spec) *hookRunner {
	return &hookRunner{
		r: r, spec: spec, noNewKeyring: c.NoNewKeyring, about: specs.State{Version: c.OCIVersion, ID: c.ID, Bundle: c.Bundle, Annotations: c.Annotations},
		groups: func() (*cgroup.Manager, error) { return r.groups(c) },
	}
}

// status is a container's status when its hooks of a kind run (runtime-spec,
// runtime.md, "Lifecycle").
func (x *hookRunner) status(kind string) specs.ContainerState {
	switch kind {
	case container.Prestart, container.StartContainer:
		// For prestart the specification leaves it open; its validation
		// programs and crun say created.
		return specs.StateCreated
	case container.Poststart:
		return specs.StateRunning
	case container.Poststop:
		return specs.StateStopped
	}
	return specs.StateCreating
}

// RunHook implements [container.HookRunner]. A hook that runs longer than its
// timeout is killed, with what it has started in its session.
func (x *hookRunner) RunHook(ctx context.Context, kind string, hook specs.Hook, pid int, inside bool) error {
	about := x.about
	about.Status, about.Pid = x.status(kind), pid
	if inside && pid > 0 {
		var err error
		if about.Pid, err = innerPid(pid); err != nil {
			return err
		}
	}
	input, err := json.Marshal(about)
	if err != nil {
		return fmt.Errorf("write state for a hook: %w", err)
	}
	if hook.Timeout != nil {
		limit := container.Seconds(*hook.Timeout)
		late := fmt.Errorf("hook ran past specified timeout of %.1fs", limit.Seconds())
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, late)
		defer cancel()
	}
	launch := func(_ context.Context, files []*os.File) (*hookProcess, error) { return x.onHost(hook, files) }
	if inside {
		plan, err := x.plan(kind, hook, pid)
		if err != nil {
			return err
		}
		launch = func(ctx context.Context, files []*os.File) (*hookProcess, error) {
			return x.inContainer(ctx, plan, files)
		}
	}
	return talk(ctx, input, launch)
}

// innerPid is the number of a process in its own PID namespace, for hooks that
// run in it (runtime-spec, runtime.md, "State").
func innerPid(pid int) (int, error) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, fmt.Errorf("look up process %d in its namespace: %w", pid, err)
	}
	_, line, _ := strings.Cut(string(status), "\nNSpid:")
	line, _, _ = strings.Cut(line, "\n")
	f := strings.Fields(line)
	if len(f) == 0 {
		return pid, nil // a kernel without PID namespaces
	}
	return strconv.Atoi(f[len(f)-1])
}

// plan makes the plan of a hook in the container's namespaces.
func (x *hookRunner) plan(kind string, hook specs.Hook, pid int) (*nsenter.Plan, error) {
	payload, err := state.ProcessOf(pid)
	if err != nil {
		return nil, err
	}
	groups, err := x.groups()
	if err != nil {
		return nil, err
	}
	if kind == container.CreateContainer {
		return container.CompileHook(x.spec, hook, payload, groups)
	}
	host, err := container.DetectHost(cgroupParent)
	if err != nil {
		return nil, err
	}
	filter, err := x.r.filter(x.spec)
	if err != nil {
		return nil, err
	}
	rdt, err := enterResctrl(x.about.ID, x.spec)
	if err != nil {
		return nil, err
	}
	about := x.about
	about.Status, about.Pid = x.status(kind), pid
	return container.CompileStartHook(container.JoinInput{
		Host: host, ID: x.about.ID, Spec: x.spec, Payload: payload, Groups: groups, Filter: filter, Keyring: keyring(x.about.ID), NoNewKeyring: x.noNewKeyring,
		Listener: lateListener(x.spec.Linux.Seccomp, about), Resctrl: rdt,
	}, hook)
}

// runHooks runs hooks of one kind until one fails.
func (r *Runtime) runHooks(ctx context.Context, kind string, hooks []specs.Hook, c *record, spec *specs.Spec, pid int, inside bool) error {
	x := r.runner(c, spec)
	for i, hook := range hooks {
		if err := x.RunHook(ctx, kind, hook, pid, inside); err != nil {
			return fmt.Errorf("error running %s hook #%d: %w", kind, i, err) // runc's words
		}
	}
	return nil
}

// startHooks runs the startContainer hooks, while the payload waits at its
// gate.
func (r *Runtime) startHooks(ctx context.Context, c *record, spec *specs.Spec) error {
	if spec.Hooks == nil {
		return nil
	}
	return r.runHooks(ctx, container.StartContainer, spec.Hooks.StartContainer, c, spec, c.Payload.PID, true)
}

// poststart runs the poststart hooks: each of them, whatever becomes of the
// others. Why not as step 9 of runtime-spec's life cycle has it is in ADR 13.
func (r *Runtime) poststart(ctx context.Context, c *record, spec *specs.Spec) {
	if spec.Hooks != nil {
		r.lateHooks(ctx, container.Poststart, spec.Hooks.Poststart, c, spec, c.Payload.PID)
	}
}

// poststop runs the poststop hooks of a container that is gone.
func (r *Runtime) poststop(ctx context.Context, c *record, spec *specs.Spec) {
	if spec.Hooks != nil {
		r.lateHooks(ctx, container.Poststop, spec.Hooks.Poststop, c, spec, 0)
	}
}

// lateHooks runs hooks that can change nothing any more.
func (r *Runtime) lateHooks(ctx context.Context, kind string, hooks []specs.Hook, c *record, spec *specs.Spec, pid int) {
	x := r.runner(c, spec)
	for i, hook := range hooks {
		if err := x.RunHook(ctx, kind, hook, pid, false); err != nil {
			r.Warn("error running %s hook #%d: %v", kind, i, err)
		}
	}
}

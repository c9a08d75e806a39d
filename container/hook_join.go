package container

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/cgroup"
	"berth/nsenter"
	"berth/rootfs"
	"berth/state"
)

// CompileHook makes the plan of a createContainer hook: a program of the host
// in the namespaces of a container whose root has not been entered yet. It has
// the powers of the process that makes the container, in its user namespace.
func CompileHook(spec *specs.Spec, hook specs.Hook, payload state.Process, groups *cgroup.Manager) (*nsenter.Plan, error) {
	j := &joiner{
		in: JoinInput{ID: "the container", Spec: spec, Payload: payload, Groups: groups},
		p:  &nsenter.Plan{}, proc: nsenter.NoSlot,
	}
	j.asm = rootfs.New(j.p)
	placement := groups.Place(j.p)
	j.open(placement)
	j.p.Add(placement.Join...)
	const from = "hooks.createContainer"
	if hasUserNamespace(spec) {
		j.p.Add(nsenter.Call(nsenter.Child, unix.SYS_SETGROUPS, nsenter.Int(0), nsenter.Null()).
			For(from, "groups of the host's would open its files from inside"))
	}
	j.p.Add(j.namespaces()...)
	j.becomeRoot()
	j.p.Add(nsenter.Call(nsenter.Child, unix.SYS_SETSID).For(from, "a group of its own, to be killed as one when the time is over"))
	j.p.Add(nsenter.Call(nsenter.Child, unix.SYS_EXECVE, nsenter.Str(hook.Path), nsenter.Strs(HookArgs(hook)), nsenter.Strs(hook.Env)).
		On(hook.Path).For(from, "become the hook"))
	return j.p, nil
}

// CompileStartHook makes the plan of a startContainer hook: a program of the
// image, which gets no more powers than the container's own process has.
func CompileStartHook(in JoinInput, hook specs.Hook) (*nsenter.Plan, error) {
	spec := *in.Spec
	if spec.Process == nil {
		return nil, fmt.Errorf("process: missing")
	}
	process := *spec.Process
	process.Args, process.Env, process.Terminal = HookArgs(hook), hook.Env, false
	spec.Process = &process
	in.Spec, in.Program = &spec, hook.Path
	in.From = map[string]string{"process.args": "hooks.startContainer"}
	compiled, err := CompileJoin(in)
	if err != nil {
		return nil, err
	}
	return compiled.Plan, nil
}

// HookArgs are a hook's arguments, the name of the program included.
func HookArgs(hook specs.Hook) []string {
	if len(hook.Args) == 0 {
		return []string{hook.Path}
	}
	return hook.Args
}

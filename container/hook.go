package container

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/nsenter"
)

// HookRunner runs a hook of an OCI spec.
type HookRunner interface {
	// RunHook runs one hook in the namespaces of this process, with the
	// container's state on its stdin, and returns once it has ended. pid is
	// the container's first process; inside asks for its namespaces.
	RunHook(ctx context.Context, kind string, hook specs.Hook, pid int, inside bool) error
}

// Kinds of hooks, by their fields in the spec.
const (
	Prestart        = "prestart"
	CreateRuntime   = "createRuntime"
	CreateContainer = "createContainer"
	StartContainer  = "startContainer"
	Poststart       = "poststart"
	Poststop        = "poststop"
)

// hooksOfKind are the hooks of one kind.
type hooksOfKind struct {
	kind string
	list []specs.Hook
}

// hookKinds returns all hooks of a spec, in the order in which they run.
func hookKinds(s *specs.Spec) []hooksOfKind {
	if s.Hooks == nil {
		return nil
	}
	return []hooksOfKind{
		//nolint:staticcheck // deprecated in the spec, and still what most callers use
		{Prestart, s.Hooks.Prestart},
		{CreateRuntime, s.Hooks.CreateRuntime},
		{CreateContainer, s.Hooks.CreateContainer},
		{StartContainer, s.Hooks.StartContainer},
		{Poststart, s.Hooks.Poststart},
		{Poststop, s.Hooks.Poststop},
	}
}

// checkHooks refuses hooks that cannot run (runtime-spec, config.md,
// "POSIX-platform Hooks").
func checkHooks(s *specs.Spec) error {
	n := namespace(s, specs.MountNamespace)
	if s.Hooks != nil && len(s.Hooks.CreateContainer) > 0 && n != nil && n.Path != "" {
		return fmt.Errorf("hooks.createContainer: not with a mount namespace that is joined: its files, and so the hook, are another container's")
	}
	for _, k := range hookKinds(s) {
		for i, h := range k.list {
			field := fmt.Sprintf("hooks.%s[%d]", k.kind, i)
			switch {
			case h.Path == "":
				return fmt.Errorf("%s.path: empty", field)
			case !path.IsAbs(h.Path):
				return fmt.Errorf("%s.path: %q is not absolute", field, h.Path)
			case h.Timeout != nil && *h.Timeout <= 0:
				return fmt.Errorf("%s.timeout: %d is not greater than zero", field, *h.Timeout)
			case strings.Contains(h.Path+strings.Join(h.Args, "")+strings.Join(h.Env, ""), "\x00"):
				return fmt.Errorf("%s: contains a NUL", field)
			}
		}
	}
	return nil
}

// early returns the hooks that run while the container is being made.
func (c *compiler) early() []hooksOfKind {
	var out []hooksOfKind
	for _, k := range hookKinds(c.in.Spec) {
		if len(k.list) > 0 && (k.kind == Prestart || k.kind == CreateRuntime || k.kind == CreateContainer) {
			out = append(out, k)
		}
	}
	return out
}

// hold is the folder that the child's root covers until it is entered. Hooks
// look for the root where the spec says it is.
func (c *compiler) hold() string {
	if len(c.early()) > 0 && c.in.Spec.Root.Path != "" && len(c.in.Layers) == 0 {
		return c.in.Spec.Root.Path
	}
	return c.in.Hold
}

// hooks plans what happens between the attaching of the mounts and the pivot:
// network devices arrive, and then hooks find all namespaces and mounts made.
func (c *compiler) hooks() error {
	for _, k := range hookKinds(c.in.Spec) {
		if len(k.list) > 0 && c.in.Hooks == nil {
			return fmt.Errorf("hooks.%s: not supported here", k.kind)
		}
	}
	early := c.early()
	if len(early) == 0 && len(c.in.Spec.Linux.NetDevices) == 0 {
		return nil
	}
	c.p.Add(wait("wait until the container's namespaces and mounts are there", "hooks"))
	if err := c.moveDevices(); err != nil {
		return err
	}
	for _, k := range early {
		for i, hook := range k.list {
			inside := k.kind == CreateContainer
			c.p.Add(nsenter.DoLong(fmt.Sprintf("run %s hook #%d: %s", k.kind, i, hook.Path), func(ctx context.Context, h *nsenter.Run) error {
				if err := c.in.Hooks.RunHook(ctx, k.kind, hook, h.Pid(), inside); err != nil {
					return fmt.Errorf("error running %s hook #%d: %w", k.kind, i, err) // runc's words
				}
				return nil
			}).On(hook.Path).For(c.from("hooks."+k.kind), hookWhy(inside)))
		}
	}
	return nil
}

// hookWhy says where a hook runs.
func hookWhy(inside bool) string {
	if inside {
		return "in the container's namespaces, with the host's files: the root is not entered yet"
	}
	return "on the host, while the root is not entered yet"
}

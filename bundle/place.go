package bundle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/cgroup"
	"berth/container"
	"berth/resctrl"
	"berth/state"
	"berth/systemd"
)

// cgroupParent is where containers go whose cgroupsPath does not say.
const cgroupParent = "/berth"

// place decides which groups the container gets, and who makes them.
func (m *maker) place(ctx context.Context, in *container.Input) error {
	var asked string
	if l := m.conf.spec.Linux; l != nil {
		asked = l.CgroupsPath
	}
	var err error
	if m.r.Systemd {
		err = m.placeInScope(ctx, in)
	} else {
		in.Cgroup, in.OwnCgroup, err = cgroup.Resolve(asked, cgroupParent, m.id)
	}
	if err != nil {
		return err
	}
	// Who names a group's path looks for it in every hierarchy.
	in.Everywhere = !in.OwnCgroup
	if in.Host, err = container.DetectHost(path.Dir(in.Cgroup)); err != nil {
		return err
	}
	return m.placeInResctrl(in)
}

// placeInScope has systemd make the container's group.
func (m *maker) placeInScope(ctx context.Context, in *container.Input) error {
	l := m.conf.spec.Linux
	if l == nil {
		return nil // refused later, by name
	}
	scope, err := systemd.ParseScope(l.CgroupsPath, m.id)
	if err != nil {
		return err
	}
	if !systemd.Booted() {
		return fmt.Errorf("--systemd-cgroup: %w", systemd.ErrNotBooted)
	}
	limits, err := scopeProperties(l.Resources)
	if err != nil {
		return err
	}
	asked, err := systemd.Annotated(m.conf.spec.Annotations)
	if err != nil {
		return err
	}
	scope.Properties = append(limits, asked...)
	in.Cgroup, in.OwnCgroup = scope.Path(), false
	m.scope = scope.Unit()
	in.Scope = &container.HostStep{
		Text: "ask systemd for the scope " + scope.Unit(), Target: scope.Unit(),
		Do: func(pid int) error {
			err := systemd.Start(ctx, scope, pid)
			m.scoped = err == nil
			return err
		},
	}
	return nil
}

// scopeProperties are the limits that systemd must know of.
func scopeProperties(res *specs.LinuxResources) ([]systemd.Property, error) {
	host, err := cgroup.Detect(cgroupParent)
	if err != nil {
		return nil, err
	}
	values, err := cgroup.Values(host, res)
	if err != nil {
		return nil, err
	}
	return systemd.Properties(values)
}

// placeInResctrl prepares the groups of linux.intelRdt.
func (m *maker) placeInResctrl(in *container.Input) error {
	l := m.conf.spec.Linux
	if l == nil || l.IntelRdt == nil {
		return nil
	}
	group, err := resctrlGroup(m.id, l.IntelRdt)
	if err != nil {
		return err
	}
	if err := group.Check(); err != nil {
		return err
	}
	m.resctrl = group
	in.Resctrl = resctrlStep(group, group.Join)
	return nil
}

// resctrlGroup finds a container's place in resctrl.
func resctrlGroup(id string, rdt *specs.LinuxIntelRdt) (*resctrl.Group, error) {
	fs, err := resctrl.Find()
	if err != nil {
		return nil, fmt.Errorf("linux.intelRdt: %w", err)
	}
	return fs.Group(id, rdt)
}

// enterResctrl is the step that puts one more program into the resctrl group
// that the container has; nil for none.
func enterResctrl(id string, spec *specs.Spec) (*container.HostStep, error) {
	if spec.Linux == nil || spec.Linux.IntelRdt == nil {
		return nil, nil
	}
	group, err := resctrlGroup(id, spec.Linux.IntelRdt)
	if err != nil {
		return nil, err
	}
	return resctrlStep(group, group.Enter), nil
}

// resctrlStep puts a container's program into its group.
func resctrlStep(group *resctrl.Group, do func(pid int) error) *container.HostStep {
	return &container.HostStep{Text: "put the container into its resctrl group", Target: group.Dir(), Do: do}
}

// leaveResctrl removes what the container had in resctrl.
func (r *Runtime) leaveResctrl(id string) error {
	spec, err := r.Spec(id)
	if errors.Is(err, ErrNotExist) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, state.ErrCorrupt) {
		return nil // what has no configuration names no group
	}
	if err != nil {
		return err
	}
	if spec.Linux == nil || spec.Linux.IntelRdt == nil {
		return nil
	}
	group, err := resctrlGroup(id, spec.Linux.IntelRdt)
	if errors.Is(err, resctrl.ErrUnsupported) {
		return nil
	}
	if err != nil {
		return err
	}
	return group.Remove()
}

package bundle

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/cgroup"
	"berth/systemd"
)

// live loads a container that has processes, with its groups and its status.
func (r *Runtime) live(id string) (*record, *cgroup.Manager, string, error) {
	c, err := r.load(id)
	if err != nil {
		return nil, nil, "", err
	}
	status, err := r.status(c)
	if err != nil {
		return nil, nil, "", err
	}
	if status == stopped || status == creating {
		return nil, nil, status, ErrNotRunning
	}
	groups, err := r.groups(c)
	if err != nil {
		return nil, nil, "", err
	}
	return c, groups, status, nil
}

// Processes lists the container's processes, as the host numbers them.
func (r *Runtime) Processes(ctx context.Context, id string) ([]int, error) {
	c, err := r.load(id)
	if err != nil {
		return nil, err
	}
	groups, err := r.groups(c)
	if err != nil {
		return nil, err
	}
	return groups.Procs(ctx)
}

// Pause stops every process of a running container where it is.
func (r *Runtime) Pause(ctx context.Context, id string) error {
	_, groups, status, err := r.live(id)
	if err != nil {
		return err
	}
	if status != running && status != created {
		return fmt.Errorf("cannot pause container %s: %w", id, ErrPaused)
	}
	return groups.Freeze(ctx)
}

// Resume lets a paused container go on.
func (r *Runtime) Resume(ctx context.Context, id string) error {
	_, groups, status, err := r.live(id)
	if err != nil {
		return err
	}
	if status != paused {
		return fmt.Errorf("cannot resume container %s: %w", id, errors.New("container not paused"))
	}
	return groups.Thaw(ctx)
}

// Update changes the limits of a container that has processes. Absent fields
// stay as they are.
func (r *Runtime) Update(ctx context.Context, id string, res *specs.LinuxResources, rdt *specs.LinuxIntelRdt) error {
	c, unlock, err := r.locked(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	_, groups, _, err := r.live(id)
	if err != nil {
		return err
	}
	if res != nil {
		// What can be refused is, before anything has changed.
		if err := groups.CheckUpdate(res); err != nil {
			return err
		}
	}
	var properties []systemd.Property
	if c.Scope != "" && res != nil {
		if properties, err = scopeProperties(res); err != nil {
			return err
		}
	}
	if rdt != nil {
		if err := r.updateResctrl(id, rdt); err != nil {
			return err
		}
	}
	if res == nil {
		return nil
	}
	if c.Scope != "" {
		// systemd would write its own idea of the limits again.
		if err := systemd.Set(ctx, c.Scope, properties); err != nil {
			return err
		}
	}
	if err := groups.Update(ctx, res); err != nil {
		return err
	}
	c.Cgroups = groups.Dirs()
	return r.save(c)
}

// updateResctrl changes the schemas of a container's resctrl group.
func (r *Runtime) updateResctrl(id string, rdt *specs.LinuxIntelRdt) error {
	spec, err := r.Spec(id)
	if err != nil {
		return err
	}
	if spec.Linux == nil || spec.Linux.IntelRdt == nil {
		return errors.New("linux.intelRdt: the container was made without it")
	}
	group, err := resctrlGroup(id, spec.Linux.IntelRdt)
	if err != nil {
		return err
	}
	return group.Update(rdt)
}

// Stats reads the container's counters, all of them.
func (r *Runtime) Stats(ctx context.Context, id string) (cgroup.Stats, error) {
	_, groups, _, err := r.live(id)
	if err != nil {
		return cgroup.Stats{}, err
	}
	stats, err := groups.Stats(ctx)
	if err != nil {
		return stats, err
	}
	stats.Details, err = groups.Details(ctx)
	return stats, err
}

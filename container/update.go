package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Update changes a container's limits and its restart policy. change gets the
// container as it is recorded, with its spec, and may refuse. A running
// container has the new limits at once; what the kernel refuses is not recorded.
func (e *Engine) Update(ctx context.Context, ref string, change func(c *Config) error) error {
	v, err := e.Get(ctx, ref)
	if err != nil {
		return err
	}
	lock, err := e.lock(ctx, v.ID)
	if err != nil {
		return err
	}
	defer unlock(lock)
	if err := e.update(ctx, v.ID, change); err != nil {
		return verbatim("Cannot update container %s: %w", v.ID, err)
	}
	e.emit(v.Config, "update")
	return nil
}

// update is Update with the container locked.
func (e *Engine) update(ctx context.Context, id string, change func(c *Config) error) error {
	c, err := e.load(id)
	if err == nil {
		err = e.LoadSpec(c)
	}
	if err != nil {
		return err
	}
	c.From = maps.Clone(c.From)
	if c.From == nil {
		c.From = map[string]string{}
	}
	before, err := copyOf(c.Spec.Linux.Resources)
	if err != nil {
		return err
	}
	if err := change(c); err != nil {
		return err
	}
	if err := validate(c.Spec); err != nil {
		return err
	}
	undo := func() error { return nil }
	if !reflect.DeepEqual(before, c.Spec.Linux.Resources) {
		if undo, err = e.applyLimits(ctx, c, before); err != nil {
			return err
		}
	}
	if err := e.record(c); err != nil {
		return errors.Join(err, undo())
	}
	return nil
}

// applyLimits gives a running container the limits of its spec, and notes the
// groups that it got for them. The function that it returns takes them back.
func (e *Engine) applyLimits(ctx context.Context, c *Config, before *specs.LinuxResources) (undo func() error, err error) {
	undo = func() error { return nil }
	live, err := e.awaitPayload(ctx, c.ID)
	if err != nil || live == nil || live.Payload.PID == 0 {
		c.Groups = nil // the next run has what the spec says
		return undo, err
	}
	had := withGroups(live.Cgroups, c)
	m, err := groups(had)
	if err != nil {
		return undo, err
	}
	m.OptionalSwap = c.From["linux.resources.memory.swap"] == SwapByDefault
	undo = func() error {
		ctx, cancel := settling(ctx)
		defer cancel()
		return m.Update(ctx, lifted(before, c.Spec.Linux.Resources))
	}
	if err := m.Update(ctx, c.Spec.Linux.Resources); err != nil {
		if back := undo(); back != nil {
			err = errors.Join(err, fmt.Errorf("take the limits back: %w", back))
		}
		return undo, err
	}
	c.Groups = slices.DeleteFunc(m.Dirs(), func(dir string) bool { return slices.Contains(live.Cgroups, dir) })
	return undo, nil
}

// awaitPayload returns the live record of a container once its payload runs,
// should it just be started; nil for one that does not run.
func (e *Engine) awaitPayload(ctx context.Context, id string) (*Live, error) {
	for end := time.Now().Add(settleTime); ; time.Sleep(time.Millisecond) {
		live, err := e.loadLive(id)
		switch {
		case err != nil:
			return nil, err
		case live == nil || live.Exit != nil || !live.Supervisor.AliveIn(e.self.BootID):
			return nil, nil
		case live.Payload.PID != 0 || live.Restarting || time.Now().After(end):
			return live, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		}
	}
}

// withGroups are a run's groups with those that an update added. A run that has
// none yet has nothing of an update's either: those were an earlier one's.
func withGroups(dirs []string, c *Config) []string {
	if len(dirs) == 0 || len(c.Groups) == 0 {
		return dirs
	}
	all := slices.Clone(dirs)
	for _, dir := range c.Groups {
		if !slices.Contains(all, dir) {
			all = append(all, dir)
		}
	}
	return all
}

// copyOf is a deep copy of limits.
func copyOf(res *specs.LinuxResources) (*specs.LinuxResources, error) {
	out := &specs.LinuxResources{}
	if res == nil {
		return out, nil
	}
	text, err := json.Marshal(res)
	if err == nil {
		err = json.Unmarshal(text, out)
	}
	if err != nil {
		return nil, fmt.Errorf("copy limits: %w", err)
	}
	return out, nil
}

// lifted are the limits before an update, with no limit where the update set
// the first one.
func lifted(before, after *specs.LinuxResources) *specs.LinuxResources {
	out := *before
	if after.Memory != nil {
		memory := specs.LinuxMemory{}
		if before.Memory != nil {
			memory = *before.Memory
		}
		none := int64(-1)
		lift(&memory.Limit, after.Memory.Limit, none)
		lift(&memory.Swap, after.Memory.Swap, none)
		lift(&memory.Reservation, after.Memory.Reservation, none)
		out.Memory = &memory
	}
	if after.CPU != nil {
		cpu := specs.LinuxCPU{}
		if before.CPU != nil {
			cpu = *before.CPU
		}
		lift(&cpu.Quota, after.CPU.Quota, -1)
		lift(&cpu.Shares, after.CPU.Shares, 1024)
		lift(&cpu.Period, after.CPU.Period, 100_000)
		out.CPU = &cpu
	}
	if after.Pids != nil && before.Pids == nil {
		none := int64(-1)
		out.Pids = &specs.LinuxPids{Limit: &none}
	}
	return &out
}

// lift sets what is absent and was set since to the value of no limit.
func lift[T any](before **T, after *T, none T) {
	if *before == nil && after != nil {
		*before = &none
	}
}

// follow makes the supervisor's view of its groups that of an update that came
// while the payload ran.
func (s *supervisor) follow() {
	s.e.current(s.c)
	if s.groups == nil || len(s.c.Groups) == 0 {
		return
	}
	if m, err := groups(withGroups(s.live.Cgroups, s.c)); err == nil {
		s.groups = m
	}
}

// reload reads the container again that was recorded before this run, since an
// update may have come in between.
func (s *supervisor) reload() error {
	c, err := s.e.load(s.c.ID)
	if err == nil {
		err = s.e.LoadSpec(c)
	}
	if err != nil {
		return err
	}
	c.Spec.Process.ConsoleSize = s.c.Spec.Process.ConsoleSize
	s.c = c
	return nil
}

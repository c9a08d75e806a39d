package cli

import (
	"context"
	"maps"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/cli/option"
	"berth/container"
)

func updateCommand() *command {
	return &command{
		name: "update", category: categoryContainers, group: "container", groupNames: []string{"update"},
		args: "[OPTIONS] CONTAINER [CONTAINER...]", short: "Update configuration of one or more containers",
		about: `Update changes the limits of containers, which may run, and their restart policy. What no flag names stays as it is. Each container is printed as it was typed.

A running container has the new limits at once, and keeps them when it is started again. What the kernel refuses changes nothing.`,
		min: 1, max: unlimited, mixed: true,
		operands: []operand{anyContainer},
		examples: []example{
			{"Give a running container more memory.", "berth update -m 512m web"},
		},
		build: func(s *session) ([]*option.Option, action) {
			f := &updateFlags{}
			return f.options(), func(ctx context.Context, args []string) error {
				if !f.given() {
					return clientFault(verbatim("you must provide one or more flags when using this command"))
				}
				if err := f.check(); err != nil {
					return err
				}
				return s.onEach(func(b *backend, ref string) error { return b.Update(ctx, ref, f.change) })(args)
			}
		},
	}
}

// updateFlags are those limits of run and create that can change later.
type updateFlags struct {
	memory memoryFlags
	cpu    cpuFlags
	blkio  blkioFlags
	life   lifecycleFlags
}

// given tells whether there is anything to change.
func (f *updateFlags) given() bool {
	return f.memory != (memoryFlags{}) || f.cpu != (cpuFlags{}) || f.blkio.weightSet || f.life.restart != ""
}

// updatable are the flags that docker update has.
func updatable(name string) bool {
	switch name {
	case "device-read-bps", "device-write-bps", "device-read-iops", "device-write-iops", "blkio-weight-device":
		return false
	case "timeout", "replace":
		return false
	}
	return true
}

func (f *updateFlags) options() []*option.Option {
	var list []*option.Option
	for _, g := range []flagGroup{&f.memory, &f.cpu, &f.blkio, &f.life} {
		list = append(list, g.options()...)
	}
	return sortOptions(slices.DeleteFunc(list, func(o *option.Option) bool { return !updatable(o.Name) }))
}

// check looks at what does not depend on the container.
func (f *updateFlags) check() error {
	look := f.memory.least
	if f.memory.limit != 0 {
		look = f.memory.check // else it depends on the limit that is there
	}
	if err := look(); err != nil {
		return err
	}
	for _, g := range []flagGroup{&f.cpu, &f.blkio, &f.life} {
		if err := g.check(); err != nil {
			return err
		}
	}
	return nil
}

// change writes the flags into a container.
func (f *updateFlags) change(c *container.Config) error {
	if err := f.setPolicy(c); err != nil {
		return err
	}
	if err := f.conflicts(c); err != nil {
		return err
	}
	d := &draft{Config: &container.Config{Spec: &specs.Spec{Linux: &specs.Linux{}}, From: map[string]string{}}}
	for _, g := range []flagGroup{&f.memory, &f.cpu, &f.blkio} {
		if err := g.apply(d); err != nil {
			return err
		}
	}
	if c.Spec.Linux.Resources == nil {
		c.Spec.Linux.Resources = &specs.LinuxResources{}
	}
	mergeLimits(c.Spec.Linux.Resources, d.resources())
	if n := f.memory.pids; n != nil && *n <= 0 {
		c.Spec.Linux.Resources.Pids = &specs.LinuxPids{Limit: to(int64(-1))}
	}
	maps.Copy(c.From, d.From)
	return checkLimits(c.Spec.Linux.Resources)
}

// setPolicy sets the restart policy, when the flag is given.
func (f *updateFlags) setPolicy(c *container.Config) error {
	if f.life.policy.Name == "" {
		return nil
	}
	if c.AutoRemove && !f.life.policy.None() {
		return verbatim("Restart policy cannot be updated because AutoRemove is enabled for the container")
	}
	c.Restart = f.life.policy
	return nil
}

// conflicts refuses what does not go together with the limits that a container
// has, as docker does.
func (f *updateFlags) conflicts(c *container.Config) error {
	has := noLimits()
	has.fill(c, c.Spec.Linux.Resources)
	switch {
	case f.cpu.cpus > 0 && has.CPUPeriod > 0:
		return verbatim("Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set")
	case f.cpu.cpus > 0 && has.CPUQuota > 0:
		return verbatim("Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set")
	case f.cpu.period > 0 && has.NanoCPUs > 0:
		return verbatim("Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set")
	case f.cpu.quota > 0 && has.NanoCPUs > 0:
		return verbatim("Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set")
	case f.memory.limit > 0 && f.memory.swap == 0 && has.MemorySwap > 0 && f.memory.limit > has.MemorySwap:
		return verbatim("Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time")
	}
	return nil
}

// checkLimits looks at limits some of which are new.
func checkLimits(r *specs.LinuxResources) error {
	if r.Memory == nil {
		return nil
	}
	all := memoryFlags{limit: value(r.Memory.Limit), reservation: value(r.Memory.Reservation), swap: value(r.Memory.Swap)}
	return all.check()
}

// mergeLimits writes the limits that are in from over those of to.
func mergeLimits(to, from *specs.LinuxResources) {
	if m := from.Memory; m != nil {
		if to.Memory == nil {
			to.Memory = &specs.LinuxMemory{}
		}
		put(&to.Memory.Limit, m.Limit)
		put(&to.Memory.Reservation, m.Reservation)
		put(&to.Memory.Swap, m.Swap)
		put(&to.Memory.Swappiness, m.Swappiness)
	}
	if c := from.CPU; c != nil {
		if to.CPU == nil {
			to.CPU = &specs.LinuxCPU{}
		}
		put(&to.CPU.Shares, c.Shares)
		put(&to.CPU.Quota, c.Quota)
		put(&to.CPU.Period, c.Period)
		put(&to.CPU.RealtimePeriod, c.RealtimePeriod)
		put(&to.CPU.RealtimeRuntime, c.RealtimeRuntime)
		if c.Cpus != "" {
			to.CPU.Cpus = c.Cpus
		}
		if c.Mems != "" {
			to.CPU.Mems = c.Mems
		}
	}
	if from.Pids != nil {
		to.Pids = from.Pids
	}
	if b := from.BlockIO; b != nil && b.Weight != nil {
		if to.BlockIO == nil {
			to.BlockIO = &specs.LinuxBlockIO{}
		}
		to.BlockIO.Weight = b.Weight
	}
}

// put sets an optional number when there is a new one.
func put[T any](to **T, from *T) {
	if from != nil {
		*to = from
	}
}

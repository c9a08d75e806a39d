package cli

import (
	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/cli/option"
)

// reclaimFlags say what the kernel does when memory is short. It takes them from
// hosts with cgroup v1 only; elsewhere the start refuses them.
type reclaimFlags struct {
	// swappiness is -1 or nil for the host's.
	swappiness *int
	oomDisable bool
}

func (f *reclaimFlags) options() []*option.Option {
	return []*option.Option{
		option.Parsed(&f.swappiness, parseInt, "memory-swappiness", "int", "Tune container memory swappiness (0 to 100), on hosts with cgroup v1"),
		option.Switch(&f.oomDisable, "oom-kill-disable", "Disable OOM Killer, on hosts with cgroup v1"),
	}
}

func (f *reclaimFlags) check() error {
	if f.swappiness != nil && (*f.swappiness < -1 || *f.swappiness > 100) {
		return verbatim("Invalid value: %d, valid memory swappiness range is 0-100", *f.swappiness)
	}
	return nil
}

func (f *reclaimFlags) apply(d *draft) error {
	tuned := f.swappiness != nil && *f.swappiness >= 0
	if !tuned && !f.oomDisable {
		return nil
	}
	if d.resources().Memory == nil {
		d.resources().Memory = &specs.LinuxMemory{}
	}
	memory := d.resources().Memory
	if tuned {
		memory.Swappiness = to(uint64(*f.swappiness))
		d.asked("linux.resources.memory.swappiness", "--memory-swappiness")
	}
	if f.oomDisable {
		memory.DisableOOMKiller = &f.oomDisable
		d.asked("linux.resources.memory.disableOOMKiller", "--oom-kill-disable")
	}
	return nil
}

package cli

import (
	units "github.com/docker/go-units"
	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/cli/option"
	"berth/container"
)

// memoryFlags limit memory and the number of processes. Sizes are in bytes.
type memoryFlags struct {
	limit, reservation int64
	// swap is memory and swap together, -1 for no limit, 0 when not given.
	swap int64
	// pids is 0 or below for no limit.
	pids *int
	// withSwap limits swap along with memory when nobody asks for a limit of its
	// own.
	withSwap bool
}

func (f *memoryFlags) options() []*option.Option {
	return []*option.Option{
		option.Parsed(&f.limit, units.RAMInBytes, "m,memory", "bytes", "Memory limit"),
		option.Parsed(&f.reservation, units.RAMInBytes, "memory-reservation", "bytes", "Memory soft limit"),
		option.Parsed(&f.swap, parseSwap, "memory-swap", "bytes", "Swap limit equal to memory plus swap: '-1' to enable unlimited swap"),
		option.Parsed(&f.pids, parseInt, "pids-limit", "int", "Tune container pids limit (set -1 for unlimited)"),
	}
}

func parseSwap(s string) (int64, error) {
	if s == "-1" {
		return -1, nil
	}
	return units.RAMInBytes(s)
}

func (f *memoryFlags) check() error {
	if err := f.least(); err != nil {
		return err
	}
	switch {
	case f.swap > 0 && f.limit == 0:
		return verbatim("You should always set the Memory limit when using Memoryswap limit, see usage")
	case f.swap > 0 && f.swap < f.limit:
		return verbatim("Minimum memoryswap limit should be larger than memory limit, see usage")
	case f.reservation > 0 && f.limit > 0 && f.limit < f.reservation:
		return verbatim("Minimum memory limit can not be less than memory reservation limit, see usage")
	}
	return nil
}

// least refuses what is too little for any container.
func (f *memoryFlags) least() error {
	switch {
	case f.limit != 0 && f.limit < container.MinMemory:
		return verbatim("Minimum memory limit allowed is 1MB")
	case f.reservation > 0 && f.reservation < container.MinMemory:
		return verbatim("Minimum memory reservation allowed is 1MB")
	}
	return nil
}

func (f *memoryFlags) apply(d *draft) error {
	if f.pids != nil && *f.pids > 0 {
		d.resources().Pids = &specs.LinuxPids{Limit: to(int64(*f.pids))}
		d.asked("linux.resources.pids.limit", "--pids-limit")
	}
	if f.limit == 0 && f.reservation == 0 && f.swap == 0 {
		return nil
	}
	const path = "linux.resources.memory."
	memory := &specs.LinuxMemory{}
	d.resources().Memory = memory
	if f.limit > 0 {
		memory.Limit = &f.limit
		d.asked(path+"limit", "--memory")
		// docker's default: as much swap as memory. The engine knows by who
		// asked that a host which does not account swap may go without.
		if f.withSwap && f.swap == 0 {
			memory.Swap = to(2 * f.limit)
			d.asked(path+"swap", container.SwapByDefault)
		}
	}
	if f.reservation > 0 {
		memory.Reservation = &f.reservation
		d.asked(path+"reservation", "--memory-reservation")
	}
	if f.swap != 0 {
		memory.Swap = &f.swap
		d.asked(path+"swap", "--memory-swap")
	}
	return nil
}

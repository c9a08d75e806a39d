package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/docker/go-units"
	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/cli/option"
)

func updateCommand() *command {
	return &command{
		name: "update", args: "[OPTIONS] " + idArg, short: "Change the limits of a container",
		about: `Update sets the limits that are given and leaves the others. With --resources they are read as JSON, in the form of linux.resources of config.json, and the other flags say nothing; rules for devices in it are passed over, as by runc.

Memory takes a unit: b, k, m or g. -1 is no limit.`,
		min: 1, max: 1,
		build: func(s *session) ([]*option.Option, action) {
			f := newLimits()
			return f.options(), s.with(func(ctx context.Context, b backend, id string) error {
				// An unknown container is reported before stdin is waited for.
				if _, err := b.State(ctx, id); err != nil {
					return err
				}
				for _, name := range f.obsolete {
					s.log.warnf("--%s is ignored: kernels 5.4 and newer have no such limit", name)
				}
				res, err := f.resources(s.stdio.In)
				if err != nil {
					return err
				}
				return b.Update(ctx, id, res, f.rdt())
			})
		},
	}
}

// limits are the flags of update. Each fills in what it means, and parts that no
// flag touched stay nil.
type limits struct {
	path      string
	res       specs.LinuxResources
	l3, membw string
	obsolete  []string
	cpu       specs.LinuxCPU
	memory    specs.LinuxMemory
}

func newLimits() *limits { return &limits{} }

func (f *limits) options() []*option.Option {
	o := []*option.Option{
		option.Text(&f.path, "resources,r", "file", "Read the limits as JSON from a file, or from stdin for -"),
		option.New("blkio-weight", "weight", "Share of block input and output, 10 to 1000", f.setWeight),
		option.New("pids-limit", "n", "Highest number of tasks", f.setPids),
		option.Text(&f.cpu.Cpus, "cpuset-cpus", "list", "Processors to use"),
		option.Text(&f.cpu.Mems, "cpuset-mems", "list", "Memory nodes to use"),
		option.Text(&f.l3, "l3-cache-schema", "schema", "Intel RDT: share of the L3 cache"),
		option.Text(&f.membw, "mem-bw-schema", "schema", "Intel RDT: share of the memory bandwidth"),
	}
	for _, u := range []struct {
		to          **uint64
		name, usage string
	}{
		{&f.cpu.Period, "cpu-period", "Period of the quota, in microseconds"},
		{&f.cpu.Burst, "cpu-burst", "What may be saved up for one period, in microseconds"},
		{&f.cpu.Shares, "cpu-share", "Share of the processors, relative to other containers"},
		{&f.cpu.RealtimePeriod, "cpu-rt-period", "Period of the realtime limit, in microseconds"},
	} {
		o = append(o, numberOption(u.to, strconv.ParseUint, u.name, u.usage))
	}
	for _, i := range []struct {
		to          **int64
		name, usage string
	}{
		{&f.cpu.Quota, "cpu-quota", "Processor time in one period, in microseconds"},
		{&f.cpu.RealtimeRuntime, "cpu-rt-runtime", "Realtime processor time in one period, in microseconds"},
		{&f.cpu.Idle, "cpu-idle", "1 runs the container when nothing else wants to, 0 as usual"},
	} {
		o = append(o, numberOption(i.to, strconv.ParseInt, i.name, i.usage))
	}
	return append(o, f.memoryOptions()...)
}

func (f *limits) memoryOptions() []*option.Option {
	var o []*option.Option
	for _, m := range []struct {
		to          **int64
		name, usage string
	}{
		{&f.memory.Limit, "memory", "Highest use of memory, in bytes"},
		{&f.memory.Reservation, "memory-reservation", "Use of memory that is defended, in bytes"},
		{&f.memory.Swap, "memory-swap", "Highest use of memory and swap together, in bytes"},
	} {
		o = append(o, option.New(m.name, "bytes", m.usage, func(s string) error {
			v, err := parseBytes(s)
			*m.to = &v
			return err
		}))
	}
	for _, name := range []string{"kernel-memory", "kernel-memory-tcp"} {
		o = append(o, ignored(option.New(name, "bytes", "", func(string) error {
			f.obsolete = append(f.obsolete, name)
			return nil
		})))
	}
	return o
}

func numberOption[T any](to **T, parse func(string, int, int) (T, error), name, usage string) *option.Option {
	return option.New(name, "n", usage, func(s string) error {
		v, err := parse(s, 10, 64)
		*to = &v
		return simplify(err)
	})
}

func parseBytes(s string) (int64, error) {
	if s == "-1" {
		return -1, nil
	}
	return units.RAMInBytes(s)
}

func (f *limits) setWeight(s string) error {
	v, err := strconv.ParseUint(s, 10, 16)
	if v != 0 { // 0 is runc's default, and changes nothing
		weight := uint16(v)
		f.res.BlockIO = &specs.LinuxBlockIO{Weight: &weight}
	}
	return simplify(err)
}

func (f *limits) setPids(s string) error {
	v, err := strconv.ParseInt(s, 10, 64)
	if v != 0 { // as above
		f.res.Pids = &specs.LinuxPids{Limit: &v}
	}
	return simplify(err)
}

// resources is what update passes on.
func (f *limits) resources(stdin io.Reader) (*specs.LinuxResources, error) {
	if f.path != "" {
		return readResources(f.path, stdin)
	}
	if f.cpu != (specs.LinuxCPU{}) {
		f.res.CPU = &f.cpu
	}
	if f.memory != (specs.LinuxMemory{}) {
		f.res.Memory = &f.memory
	}
	return &f.res, nil
}

func (f *limits) rdt() *specs.LinuxIntelRdt {
	if f.l3 == "" && f.membw == "" {
		return nil
	}
	return &specs.LinuxIntelRdt{L3CacheSchema: f.l3, MemBwSchema: f.membw}
}

// readResources reads a file, or stdin for "-".
func readResources(path string, stdin io.Reader) (*specs.LinuxResources, error) {
	name := "stdin"
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		stdin, name = file, path
	}
	var res specs.LinuxResources
	if err := json.NewDecoder(stdin).Decode(&res); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("read resources from %s: %w", name, err)
	}
	// Callers send the whole of config.json's resources. Its device rules are
	// not what has been allowed since, for a GPU for example: runc leaves the
	// devices of a running container alone, and so does berth.
	res.Devices = nil
	return &res, nil
}

package oci

import (
	"strconv"
	"strings"
	"time"

	"berth/cgroup"
)

// The names and the nesting below are those of runc's types.Stats, which is no
// part of the runtime specification but what go-runc decodes.

type stats struct {
	CPU     cpuStats            `json:"cpu"`
	CPUSet  cpuSet              `json:"cpuset"`
	Memory  memoryStats         `json:"memory"`
	Pids    pidsStats           `json:"pids"`
	Blkio   blkioStats          `json:"blkio"`
	Hugetlb map[string]hugeStat `json:"hugetlb"`
	Rdt     struct{}            `json:"intel_rdt"`
	Network []struct{}          `json:"network_interfaces"`
}

type cpuStats struct {
	Usage      cpuUsage   `json:"usage"`
	Throttling throttling `json:"throttling"`
	PSI        *pressure  `json:"psi,omitempty"`
}

// cpuUsage is in nanoseconds.
type cpuUsage struct {
	Total        uint64   `json:"total,omitempty"`
	PerCPU       []uint64 `json:"percpu,omitempty"`
	PerCPUKernel []uint64 `json:"percpu_kernel,omitempty"`
	PerCPUUser   []uint64 `json:"percpu_user,omitempty"`
	Kernel       uint64   `json:"kernel"`
	User         uint64   `json:"user"`
}

type throttling struct {
	Periods          uint64 `json:"periods,omitempty"`
	ThrottledPeriods uint64 `json:"throttledPeriods,omitempty"`
	// ThrottledTime is in nanoseconds.
	ThrottledTime uint64 `json:"throttledTime,omitempty"`
}

type cpuSet struct {
	CPUs []uint16 `json:"cpus,omitempty"`
	Mems []uint16 `json:"mems,omitempty"`
}

type memoryStats struct {
	Cache     uint64            `json:"cache,omitempty"`
	Usage     memoryEntry       `json:"usage"`
	Swap      memoryEntry       `json:"swap"`
	Kernel    memoryEntry       `json:"kernel"`
	KernelTCP memoryEntry       `json:"kernelTCP"`
	Raw       map[string]uint64 `json:"raw,omitempty"`
	PSI       *pressure         `json:"psi,omitempty"`
}

// memoryEntry is in bytes; a limit of the highest number is none.
type memoryEntry struct {
	Limit   uint64 `json:"limit"`
	Usage   uint64 `json:"usage,omitempty"`
	Max     uint64 `json:"max,omitempty"`
	Failcnt uint64 `json:"failcnt"`
}

type pidsStats struct {
	Current uint64 `json:"current,omitempty"`
	Limit   uint64 `json:"limit,omitempty"`
}

type blkioStats struct {
	Bytes       []blkioEntry `json:"ioServiceBytesRecursive,omitempty"`
	Requests    []blkioEntry `json:"ioServicedRecursive,omitempty"`
	Queued      []blkioEntry `json:"ioQueueRecursive,omitempty"`
	ServiceTime []blkioEntry `json:"ioServiceTimeRecursive,omitempty"`
	WaitTime    []blkioEntry `json:"ioWaitTimeRecursive,omitempty"`
	Merged      []blkioEntry `json:"ioMergedRecursive,omitempty"`
	Time        []blkioEntry `json:"ioTimeRecursive,omitempty"`
	Sectors     []blkioEntry `json:"sectorsRecursive,omitempty"`
	PSI         *pressure    `json:"psi,omitempty"`
}

type blkioEntry struct {
	Major uint64 `json:"major,omitempty"`
	Minor uint64 `json:"minor,omitempty"`
	Op    string `json:"op,omitempty"`
	Value uint64 `json:"value,omitempty"`
}

type hugeStat struct {
	Usage   uint64 `json:"usage,omitempty"`
	Max     uint64 `json:"max,omitempty"`
	Failcnt uint64 `json:"failcnt"`
}

type pressure struct {
	Some pressureLine `json:"some"`
	Full pressureLine `json:"full"`
}

// pressureLine is shares of time in percent, and the sum in microseconds.
type pressureLine struct {
	Avg10  float64 `json:"avg10"`
	Avg60  float64 `json:"avg60"`
	Avg300 float64 `json:"avg300"`
	Total  uint64  `json:"total"`
}

func newStats(c cgroup.Stats) *stats {
	s := &stats{Hugetlb: map[string]hugeStat{}}
	s.CPU.Usage = cpuUsage{Total: uint64(c.CPU.Total), Kernel: uint64(c.CPU.System), User: uint64(c.CPU.User)}
	s.CPU.Throttling = throttling{Periods: c.CPU.Periods, ThrottledPeriods: c.CPU.Throttled, ThrottledTime: uint64(c.CPU.ThrottledTime)}
	limit := c.Memory.Limit
	if limit == 0 {
		limit = cgroup.NoLimit // as runc shows "max"
	}
	s.Memory = memoryStats{
		// The page cache, by v1's name of it or v2's.
		Cache: max(c.Memory.Detail["cache"], c.Memory.Detail["file"]),
		Usage: memoryEntry{Limit: limit, Usage: c.Memory.Usage, Max: c.Memory.MaxUsage},
		Raw:   c.Memory.Detail,
	}
	s.Pids = pidsStats{Current: c.Pids.Current, Limit: c.Pids.Limit}
	for _, d := range c.IO {
		s.Blkio.Bytes = append(s.Blkio.Bytes, blkioEntry{d.Major, d.Minor, "Read", d.ReadBytes}, blkioEntry{d.Major, d.Minor, "Write", d.WriteBytes})
		s.Blkio.Requests = append(s.Blkio.Requests, blkioEntry{d.Major, d.Minor, "Read", d.ReadRequests}, blkioEntry{d.Major, d.Minor, "Write", d.WriteRequests})
	}
	if c.Details != nil {
		s.detail(c.Details)
	}
	return s
}

// detail adds the counters that only some kernels have.
func (s *stats) detail(d *cgroup.Details) {
	s.CPU.Usage.PerCPU, s.CPU.Usage.PerCPUKernel, s.CPU.Usage.PerCPUUser = nanoseconds(d.PerCPU), nanoseconds(d.PerCPUSystem), nanoseconds(d.PerCPUUser)
	s.CPUSet = cpuSet{CPUs: expand(d.CPUs), Mems: expand(d.Mems)}
	for _, m := range []struct {
		to   *memoryEntry
		from cgroup.Counter
	}{
		{&s.Memory.Usage, d.Memory}, {&s.Memory.Swap, d.Swap}, {&s.Memory.Kernel, d.Kernel}, {&s.Memory.KernelTCP, d.KernelTCP},
	} {
		if m.from != (cgroup.Counter{}) {
			*m.to = memoryEntry{Limit: m.from.Limit, Usage: m.from.Usage, Max: m.from.Max, Failcnt: m.from.Failures}
		}
	}
	for size, c := range d.Huge {
		s.Hugetlb[size] = hugeStat{Usage: c.Usage, Max: c.Max, Failcnt: c.Failures}
	}
	for _, b := range []struct {
		to   *[]blkioEntry
		from []cgroup.BlockEntry
	}{
		{&s.Blkio.Bytes, d.Block.Bytes}, {&s.Blkio.Requests, d.Block.Requests}, {&s.Blkio.Queued, d.Block.Queued},
		{&s.Blkio.ServiceTime, d.Block.ServiceTime}, {&s.Blkio.WaitTime, d.Block.WaitTime}, {&s.Blkio.Merged, d.Block.Merged},
		{&s.Blkio.Time, d.Block.Time}, {&s.Blkio.Sectors, d.Block.Sectors},
	} {
		if b.from == nil {
			continue
		}
		*b.to = nil
		for _, e := range b.from {
			*b.to = append(*b.to, blkioEntry(e))
		}
	}
	s.CPU.PSI, s.Memory.PSI, s.Blkio.PSI = newPressure(d.CPUPressure), newPressure(d.MemoryPressure), newPressure(d.IOPressure)
}

func newPressure(p *cgroup.Pressure) *pressure {
	if p == nil {
		return nil
	}
	return &pressure{Some: pressureLine(p.Some), Full: pressureLine(p.Full)}
}

func nanoseconds(times []time.Duration) []uint64 {
	var all []uint64
	for _, t := range times {
		all = append(all, uint64(t))
	}
	return all
}

// expand reads a list of the kernel's, "0-2,4"; what is none adds nothing.
func expand(list string) []uint16 {
	var all []uint16
	for part := range strings.SplitSeq(strings.TrimSpace(list), ",") {
		first, last, ranged := strings.Cut(part, "-")
		if !ranged {
			last = first
		}
		from, err := strconv.ParseUint(first, 10, 16)
		if err != nil {
			continue
		}
		to, err := strconv.ParseUint(last, 10, 16)
		if err != nil {
			continue
		}
		for n := from; n <= to; n++ {
			all = append(all, uint16(n))
		}
	}
	return all
}

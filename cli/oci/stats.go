package oci

import "berth/cgroup"

// The names and the nesting below are those of runc's types.Stats, which is no
// part of the runtime specification but what go-runc decodes.

type stats struct {
	CPU     cpuStats            `json:"cpu"`
	CPUSet  struct{}            `json:"cpuset"`
	Memory  memoryStats         `json:"memory"`
	Pids    pidsStats           `json:"pids"`
	Blkio   blkioStats          `json:"blkio"`
	Hugetlb map[string]struct{} `json:"hugetlb"`
	Rdt     struct{}            `json:"intel_rdt"`
	Network []struct{}          `json:"network_interfaces"`
}

type cpuStats struct {
	Usage      cpuUsage   `json:"usage"`
	Throttling throttling `json:"throttling"`
}

// cpuUsage is in nanoseconds.
type cpuUsage struct {
	Total  uint64 `json:"total,omitempty"`
	Kernel uint64 `json:"kernel"`
	User   uint64 `json:"user"`
}

type throttling struct {
	Periods          uint64 `json:"periods,omitempty"`
	ThrottledPeriods uint64 `json:"throttledPeriods,omitempty"`
	// ThrottledTime is in nanoseconds.
	ThrottledTime uint64 `json:"throttledTime,omitempty"`
}

type memoryStats struct {
	Cache uint64            `json:"cache,omitempty"`
	Usage memoryEntry       `json:"usage"`
	Swap  memoryEntry       `json:"swap"`
	Raw   map[string]uint64 `json:"raw,omitempty"`
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
	Bytes  []blkioEntry `json:"ioServiceBytesRecursive,omitempty"`
	Serves []blkioEntry `json:"ioServicedRecursive,omitempty"`
}

type blkioEntry struct {
	Major uint64 `json:"major,omitempty"`
	Minor uint64 `json:"minor,omitempty"`
	Op    string `json:"op,omitempty"`
	Value uint64 `json:"value,omitempty"`
}

func newStats(c cgroup.Stats) *stats {
	s := &stats{Hugetlb: map[string]struct{}{}}
	s.CPU.Usage = cpuUsage{Total: uint64(c.CPU.Total), Kernel: uint64(c.CPU.System), User: uint64(c.CPU.User)}
	s.CPU.Throttling = throttling{Periods: c.CPU.Periods, ThrottledPeriods: c.CPU.Throttled, ThrottledTime: uint64(c.CPU.ThrottledTime)}
	limit := c.Memory.Limit
	if limit == 0 {
		limit = ^uint64(0) // as runc shows "max"
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
		s.Blkio.Serves = append(s.Blkio.Serves, blkioEntry{d.Major, d.Minor, "Read", d.ReadRequests}, blkioEntry{d.Major, d.Minor, "Write", d.WriteRequests})
	}
	return s
}

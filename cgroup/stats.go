package cgroup

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Stats are what a container used. Fields that no group of the container
// counts stay zero.
type Stats struct {
	Memory MemoryStats
	CPU    CPUStats
	Pids   PidsStats
	IO     []IOStats
	// Details are nil unless they were asked for, by [Manager.Details].
	Details *Details
}

// MemoryStats are in bytes.
type MemoryStats struct {
	// Usage includes the page cache.
	Usage uint64
	// Cache is the part of it that is cache nobody used lately; docker shows
	// Usage less Cache.
	Cache uint64
	// MaxUsage is the highest Usage ever, 0 where the kernel does not tell
	// (v2 before 5.19).
	MaxUsage uint64
	// Limit is 0 for none.
	Limit uint64
	// OOMKills is how often the kernel killed a process for lack of memory.
	OOMKills uint64
	// Detail is memory.stat as it is.
	Detail map[string]uint64
}

// Used is what docker calls MEM USAGE.
func (m *MemoryStats) Used() uint64 { return m.Usage - min(m.Usage, m.Cache) }

// CPUStats are processor times.
type CPUStats struct {
	Total, User, System time.Duration
	// Periods, Throttled and ThrottledTime count the CFS quota's work.
	Periods, Throttled uint64
	ThrottledTime      time.Duration
	// Host is what all processors of the host have spent since boot, idle
	// time included, and Online how many there are: Total's growth divided by
	// Host's, times Online, is the share of one processor that docker shows.
	Host   time.Duration
	Online int
}

// PidsStats count tasks (threads).
type PidsStats struct {
	Current uint64
	// Limit is 0 for none.
	Limit uint64
}

// IOStats are what went to and from one block device.
type IOStats struct {
	Major, Minor                uint64
	ReadBytes, WriteBytes       uint64
	ReadRequests, WriteRequests uint64
}

// Stats reads the counters. It is a handful of small files, 0.1 to 0.3 ms.
func (m *Manager) Stats(ctx context.Context) (Stats, error) {
	var s Stats
	for _, read := range []func(*Stats) error{m.memoryStats, m.cpuStats, m.hostStats, m.pidsStats, m.ioStats} {
		if err := ctx.Err(); err != nil {
			return s, fmt.Errorf("read statistics of cgroup %s: %w", m.main(), err)
		}
		if err := read(&s); err != nil && !isGone(err) {
			return s, err
		}
	}
	return s, nil
}

func (m *Manager) memoryStats(s *Stats) error {
	dir, v2, err := m.with("memory")
	if dir == "" {
		return err
	}
	usage, limit, peak, cache := "memory.usage_in_bytes", "memory.limit_in_bytes", "memory.max_usage_in_bytes", "total_inactive_file"
	if v2 {
		usage, limit, peak, cache = "memory.current", "memory.max", "memory.peak", "inactive_file"
	}
	if s.Memory.Usage, err = readNumber(dir + "/" + usage); err != nil {
		return err
	}
	if s.Memory.Limit, err = readNumber(dir + "/" + limit); err != nil {
		return err
	}
	if s.Memory.MaxUsage, err = readNumber(dir + "/" + peak); err != nil && !isGone(err) {
		return err
	}
	text, err := readFile(dir + "/memory.stat")
	if err != nil {
		return err
	}
	s.Memory.Detail = parseFlat(text)
	s.Memory.Cache = s.Memory.Detail[cache]
	s.Memory.OOMKills, err = m.oomKills(dir, v2)
	return err
}

// OOMKilled returns how many processes the kernel killed because the container
// was out of memory; it must be asked before [Manager.Remove]. A container
// without a memory group has none to report.
func (m *Manager) OOMKilled(ctx context.Context) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	dir, v2, err := m.with("memory")
	if dir == "" {
		return 0, err
	}
	n, err := m.oomKills(dir, v2)
	if isGone(err) {
		return 0, nil
	}
	return n, err
}

// oomKills reads the counter. v2's memory.events includes groups below; on v1
// a group counts its own processes only, so those below are added.
func (m *Manager) oomKills(dir string, v2 bool) (uint64, error) {
	file := "/memory.oom_control"
	if v2 {
		file = "/memory.events"
	}
	text, err := readFile(dir + file)
	if err != nil {
		return 0, err
	}
	n := flatValue(text, "oom_kill")
	if v2 {
		return n, nil
	}
	for _, sub := range subgroups(dir) {
		below, err := m.oomKills(dir+"/"+sub, v2)
		if err != nil && !isGone(err) {
			return n, err
		}
		n += below
	}
	return n, nil
}

// cpuStats prefers v2's cpu.stat, which every v2 group has: also on hybrid
// hosts, without the cpu controller. Throttling is counted where the
// controller is.
func (m *Manager) cpuStats(s *Stats) error {
	if dir := m.v2(); dir != "" {
		text, err := readFile(dir + "/cpu.stat")
		if err != nil {
			return err
		}
		c := parseFlat(text)
		s.CPU.Total = microseconds(c["usage_usec"])
		s.CPU.User, s.CPU.System = microseconds(c["user_usec"]), microseconds(c["system_usec"])
		s.CPU.Periods, s.CPU.Throttled = c["nr_periods"], c["nr_throttled"]
		s.CPU.ThrottledTime = microseconds(c["throttled_usec"])
	} else if dir, _, err := m.with("cpuacct"); err != nil {
		return err
	} else if dir != "" {
		total, err := readNumber(dir + "/cpuacct.usage")
		if err != nil {
			return err
		}
		text, err := readFile(dir + "/cpuacct.stat")
		if err != nil {
			return err
		}
		c := parseFlat(text)
		s.CPU.Total = nanoseconds(total)
		s.CPU.User, s.CPU.System = ticks(c["user"]), ticks(c["system"])
	}
	dir, v2, err := m.with("cpu")
	if dir == "" || v2 {
		return err
	}
	text, err := readFile(dir + "/cpu.stat")
	c := parseFlat(text)
	s.CPU.Periods, s.CPU.Throttled, s.CPU.ThrottledTime = c["nr_periods"], c["nr_throttled"], nanoseconds(c["throttled_time"])
	return err
}

// hostStats sums up the first line of /proc/stat and counts the processors.
func (m *Manager) hostStats(s *Stats) error {
	text, err := readFile("/proc/stat")
	if err != nil {
		return err
	}
	s.CPU.Host, s.CPU.Online = parseProcStat(text)
	return nil
}

// parseProcStat reads the "cpu" lines of /proc/stat (proc_stat(5)). Of the ten
// numbers the last two, guest times, are part of the first two already.
func parseProcStat(text string) (total time.Duration, online int) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || !strings.HasPrefix(fields[0], "cpu") {
			continue
		}
		if fields[0] != "cpu" {
			online++
			continue
		}
		var sum uint64
		for _, f := range fields[1:min(9, len(fields))] {
			n, _ := strconv.ParseUint(f, 10, 64)
			sum += min(n, math.MaxUint64-sum)
		}
		total = ticks(sum)
	}
	return total, online
}

// pidsStats counts tasks. Without the pids controller a v2 group still lists
// its threads.
func (m *Manager) pidsStats(s *Stats) error {
	dir, _, err := m.with("pids")
	if err != nil {
		return err
	}
	if dir != "" {
		s.Pids.Current, err = readNumber(dir + "/pids.current")
		if err == nil {
			s.Pids.Limit, err = readNumber(dir + "/pids.max")
		}
		// On v2 the controller may not be enabled for this group.
		if !isGone(err) {
			return err
		}
	}
	if dir := m.v2(); dir != "" {
		return countThreads(dir, &s.Pids.Current)
	}
	return nil
}

// countThreads adds the threads of a group and those below it.
func countThreads(dir string, n *uint64) error {
	text, err := readFile(dir + "/cgroup.threads")
	if err != nil {
		return err
	}
	*n += uint64(bytes.Count([]byte(text), []byte{'\n'}))
	for _, sub := range subgroups(dir) {
		if err := countThreads(dir+"/"+sub, n); err != nil && !isGone(err) {
			return err
		}
	}
	return nil
}

func microseconds(n uint64) time.Duration { return nanoseconds(saturate(n, 1000)) }

func nanoseconds(n uint64) time.Duration { return time.Duration(min(n, math.MaxInt64)) }

// ticks converts USER_HZ, which is 100 on every architecture that Go has.
func ticks(n uint64) time.Duration { return nanoseconds(saturate(n, uint64(10*time.Millisecond))) }

// saturate multiplies without wrapping round.
func saturate(n, by uint64) uint64 {
	if n > math.MaxInt64/by {
		return math.MaxInt64
	}
	return n * by
}

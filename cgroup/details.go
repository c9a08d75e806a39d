package cgroup

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Details are what a container used, beyond [Stats]: what the OCI runtimes'
// "events --stats" shows. Reading them costs some dozen files.
type Details struct {
	// PerCPU, PerCPUUser and PerCPUSystem are processor times by processor;
	// v1 only.
	PerCPU, PerCPUUser, PerCPUSystem []time.Duration
	// CPUs and Mems are what the container may run on, as the kernel lists it.
	CPUs, Mems string
	// Memory, Swap, Kernel and KernelTCP are the counters in full. Swap counts
	// memory and swap together, as v1 does; SwapOnly swap alone, on v2 only.
	Memory, Swap, SwapOnly, Kernel, KernelTCP Counter
	// Hierarchical says that the memory of groups below is counted.
	Hierarchical bool
	// Huge are huge pages in use, by size as in "2MB".
	Huge map[string]Counter
	// Block are the counters of block devices.
	Block BlockDetails
	// CPUPressure, MemoryPressure and IOPressure tell how long tasks waited
	// (psi.rst); nil on v1 and on kernels without.
	CPUPressure, MemoryPressure, IOPressure *Pressure
}

// Counter is one resource counter, in bytes.
type Counter struct {
	Usage, Max uint64
	// Limit is [NoLimit] for none; 0 is a limit, too.
	Limit uint64
	// Failures is how often the limit was hit.
	Failures uint64
}

// NoLimit is the Limit of a Counter without one.
const NoLimit = math.MaxUint64

// BlockDetails are counters by device and operation ("Read", "Write", "Sync",
// "Async", "Discard", "Total"). Only Bytes and Requests are counted by every
// kernel; the others need the BFQ scheduler on v1.
type BlockDetails struct {
	Bytes, Requests, Queued, ServiceTime, WaitTime, Merged, Time, Sectors []BlockEntry
}

// BlockEntry is one line of a blkio file.
type BlockEntry struct {
	Major, Minor uint64
	Op           string
	Value        uint64
}

// Pressure is one file of pressure stall information.
type Pressure struct{ Some, Full PressureLine }

// PressureLine are shares of time in percent, and the sum in microseconds.
type PressureLine struct {
	Avg10, Avg60, Avg300 float64
	Total                uint64
}

// Details reads everything there is. What the kernel does not count stays
// empty.
func (m *Manager) Details(ctx context.Context) (*Details, error) {
	d := &Details{}
	for _, read := range []func(*Details) error{
		m.perCPU, m.cpusetDetails, m.memoryDetails, m.hugeDetails, m.blockDetails, m.pressureDetails,
	} {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("read details of cgroup %s: %w", m.main(), err)
		}
		if err := read(d); err != nil && !isGone(err) {
			return nil, err
		}
	}
	return d, nil
}

// perCPU reads v1's counters by processor.
func (m *Manager) perCPU(d *Details) error {
	dir, v2, err := m.with("cpuacct")
	if dir == "" || v2 {
		return err
	}
	words, err := readWords(dir + "/cpuacct.usage_percpu")
	if err != nil {
		return err
	}
	for _, w := range words {
		n, _ := strconv.ParseUint(w, 10, 64)
		d.PerCPU = append(d.PerCPU, nanoseconds(n))
	}
	text, err := readFile(dir + "/cpuacct.usage_all")
	if err != nil {
		return err
	}
	d.PerCPUUser, d.PerCPUSystem = parseUsageAll(text)
	return nil
}

// parseUsageAll reads cpuacct.usage_all: a title, then "0 123 45" for processor,
// user and system time in nanoseconds.
func parseUsageAll(text string) (user, system []time.Duration) {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) != 3 {
			continue
		}
		u, err := strconv.ParseUint(words[1], 10, 64)
		s, err2 := strconv.ParseUint(words[2], 10, 64)
		if err != nil || err2 != nil {
			continue
		}
		user, system = append(user, nanoseconds(u)), append(system, nanoseconds(s))
	}
	return user, system
}

func (m *Manager) cpusetDetails(d *Details) error {
	dir, _, err := m.with("cpuset")
	if dir == "" {
		return err
	}
	for file, to := range map[string]*string{"cpus": &d.CPUs, "mems": &d.Mems} {
		// v2 shows what the parent has in the file for what holds.
		text, err := readFile(dir + "/cpuset." + file + ".effective")
		if isGone(err) {
			text, err = readFile(dir + "/cpuset.effective_" + file)
		}
		if err != nil {
			return err
		}
		*to = strings.TrimSpace(text)
	}
	return nil
}

func (m *Manager) memoryDetails(d *Details) error {
	dir, v2, err := m.with("memory")
	if dir == "" {
		return err
	}
	d.Hierarchical = true // since 5.11 on v1, too
	if !v2 {
		for name, to := range map[string]*Counter{
			"memory": &d.Memory, "memory.memsw": &d.Swap, "memory.kmem": &d.Kernel, "memory.kmem.tcp": &d.KernelTCP,
		} {
			err := to.read(dir+"/"+name, ".usage_in_bytes", ".max_usage_in_bytes", ".limit_in_bytes", ".failcnt")
			if err != nil {
				return err
			}
		}
		return nil
	}
	if err := d.Memory.read(dir+"/memory", ".current", ".peak", ".max", ""); err != nil {
		return err
	}
	if err := d.SwapOnly.read(dir+"/memory.swap", ".current", ".peak", ".max", ""); err != nil {
		return err
	}
	text, err := readFile(dir + "/memory.events")
	if err != nil {
		return err
	}
	d.Memory.Failures = flatValue(text, "max")
	if !exists(dir + "/memory.swap.current") {
		return nil
	}
	d.Swap = Counter{Usage: d.Memory.Usage + d.SwapOnly.Usage, Failures: d.SwapOnly.Failures}
	if d.Swap.Limit = NoLimit; d.Memory.Limit != NoLimit && d.SwapOnly.Limit != NoLimit {
		d.Swap.Limit = d.Memory.Limit + d.SwapOnly.Limit
	}
	return nil
}

// read reads a counter's files; those that are missing count nothing.
func (c *Counter) read(prefix, usage, peak, limit, failures string) error {
	for _, x := range []struct {
		file string
		to   *uint64
	}{{usage, &c.Usage}, {peak, &c.Max}, {failures, &c.Failures}} {
		if x.file == "" {
			continue
		}
		n, err := readNumber(prefix + x.file)
		if err != nil && !isGone(err) {
			return err
		}
		*x.to = n
	}
	text, err := readFile(prefix + limit)
	if isGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if n, err := parseNumber(text); err != nil {
		return fmt.Errorf("read %s%s: %w", prefix, limit, err)
	} else if c.Limit = n; n == 0 && strings.TrimSpace(text) != "0" {
		c.Limit = NoLimit
	}
	return nil
}

// hugeDetails reads the counters of every size of huge pages.
func (m *Manager) hugeDetails(d *Details) error {
	dir, v2, err := m.with("hugetlb")
	if dir == "" {
		return err
	}
	tail := ".usage_in_bytes"
	if v2 {
		tail = ".current"
	}
	files, err := filepath.Glob(dir + "/hugetlb.*" + tail)
	if err != nil {
		return fmt.Errorf("list %s: %w", dir, err)
	}
	for _, file := range files {
		prefix := strings.TrimSuffix(file, tail)
		size := strings.TrimPrefix(filepath.Base(prefix), "hugetlb.")
		if strings.HasSuffix(size, ".rsvd") {
			continue
		}
		var c Counter
		if v2 {
			err = c.read(prefix, ".current", "", ".max", "")
			text, err2 := readFile(prefix + ".events")
			if err2 == nil {
				c.Failures = flatValue(text, "max")
			}
		} else {
			err = c.read(prefix, ".usage_in_bytes", ".max_usage_in_bytes", ".limit_in_bytes", ".failcnt")
		}
		if err != nil {
			return err
		}
		if d.Huge == nil {
			d.Huge = map[string]Counter{}
		}
		d.Huge[size] = c
	}
	return nil
}

// pressureDetails reads the pressure files of the v2 group.
func (m *Manager) pressureDetails(d *Details) error {
	dir := m.v2()
	if dir == "" {
		return nil
	}
	for name, to := range map[string]**Pressure{"cpu": &d.CPUPressure, "memory": &d.MemoryPressure, "io": &d.IOPressure} {
		text, err := readFile(dir + "/" + name + ".pressure")
		if err != nil {
			continue // built without, or switched off (EOPNOTSUPP)
		}
		if p, ok := parsePressure(text); ok {
			*to = p
		}
	}
	return nil
}

// parsePressure reads lines such as
//
//	some avg10=0.00 avg60=1.25 avg300=0.31 total=4711
func parsePressure(text string) (*Pressure, bool) {
	p := &Pressure{}
	found := false
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		to := &p.Some
		switch words[0] {
		case "some":
		case "full":
			to = &p.Full
		default:
			continue
		}
		found = true
		for _, w := range words[1:] {
			key, value, _ := strings.Cut(w, "=")
			switch key {
			case "avg10":
				to.Avg10, _ = strconv.ParseFloat(value, 64)
			case "avg60":
				to.Avg60, _ = strconv.ParseFloat(value, 64)
			case "avg300":
				to.Avg300, _ = strconv.ParseFloat(value, 64)
			case "total":
				to.Total, _ = strconv.ParseUint(value, 10, 64)
			}
		}
	}
	return p, found
}

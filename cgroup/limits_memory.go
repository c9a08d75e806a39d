package cgroup

import (
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func (l *limits) memory(res *specs.LinuxResources) {
	m := res.Memory
	if m == nil || !asksMemory(m) || !l.use(memoryField(m), "memory", "memory") {
		return
	}
	l.memoryAndSwap(m)
	if n := given(m.Reservation); n != 0 {
		file := "memory.soft_limit_in_bytes"
		if l.v2() {
			file = "memory.low"
		}
		l.add(file, l.limitText(n), "memory.reservation", "protect this much from reclaim")
	}
	l.memoryOfV1(m)
	// Since 5.11 every v1 group counts its children, and on v2 all always did.
	if m.UseHierarchy != nil && !*m.UseHierarchy {
		l.refuse("memory.useHierarchy", "kernels since 5.11 always account hierarchically")
	}
}

// memoryOfV1 applies what v2 has no files for.
func (l *limits) memoryOfV1(m *specs.LinuxMemory) {
	// Like the limit on kernel memory it is "not recommended" since runtime-spec
	// 1.0.2; v2 counts both in memory.max, and 6.12 kernels warn of the file.
	if n := given(m.KernelTCP); n != 0 && !l.v2() {
		l.put(setting{
			files: []string{"memory.kmem.tcp.limit_in_bytes"}, value: l.limitText(n), optional: true,
			field: "memory.kernelTCP", why: "limit memory of TCP buffers",
		})
	}
	if m.Swappiness != nil && l.onlyV1("memory.swappiness") {
		if *m.Swappiness > 100 {
			l.refuse("memory.swappiness", "%d is above 100", *m.Swappiness)
			return
		}
		l.add("memory.swappiness", strconv.FormatUint(*m.Swappiness, 10), "memory.swappiness", "choose between swapping and dropping caches")
	}
	if m.DisableOOMKiller != nil && *m.DisableOOMKiller && l.onlyV1("memory.disableOOMKiller") {
		l.add("memory.oom_control", "1", "memory.disableOOMKiller", "pause at the limit instead of killing")
	}
}

// asksMemory tells whether anything is asked of the controller. Limits on
// kernel memory are ignored, as the runtime-spec allows: no supported kernel
// has them since 5.16.
func asksMemory(m *specs.LinuxMemory) bool {
	return given(m.Limit) != 0 || given(m.Swap) != 0 || given(m.Reservation) != 0 || given(m.KernelTCP) != 0 ||
		m.Swappiness != nil || m.DisableOOMKiller != nil && *m.DisableOOMKiller || m.UseHierarchy != nil && !*m.UseHierarchy
}

// memoryField names the field to blame when the controller is missing.
func memoryField(m *specs.LinuxMemory) string {
	switch {
	case given(m.Limit) != 0:
		return "memory.limit"
	case given(m.Swap) != 0:
		return "memory.swap"
	case given(m.Reservation) != 0:
		return "memory.reservation"
	default:
		return "memory"
	}
}

// memoryAndSwap applies limit and swap, which the OCI spec defines as memory
// plus swap. A fresh v1 group takes them in this order only: its memsw limit
// may never be below its memory limit.
func (l *limits) memoryAndSwap(m *specs.LinuxMemory) {
	limit, swap := given(m.Limit), given(m.Swap)
	if l.checkMemory(limit, swap); l.err != nil {
		return
	}
	if limit != 0 {
		file := "memory.limit_in_bytes"
		if l.v2() {
			file = "memory.max"
		}
		l.add(file, l.limitText(limit), "memory.limit", "limit memory; above it the payload is killed")
	}
	// An unlimited group would keep the limits of its past: lift swap's too.
	if limit == -1 && swap == 0 {
		swap = -1
	}
	if swap == 0 {
		return
	}
	s := setting{files: []string{"memory.swap.max"}, field: "memory.swap"}
	switch {
	case !l.v2():
		s.files[0], s.value, s.why = "memory.memsw.limit_in_bytes", l.limitText(swap), "limit memory and swap together"
	case swap == -1:
		s.value, s.why = "max", "do not limit swap"
	default:
		// v2 limits swap alone.
		s.value, s.why = strconv.FormatInt(swap-limit, 10), "limit swap: memory.swap less memory.limit"
	}
	// Without swap accounting the file is missing; then no limit is what holds,
	// and where there is no swap, a limit of none is kept as well.
	s.optional = swap == -1 || l.v2() && swap == limit || l.optionalSwap
	l.put(s)
}

// checkMemory refuses limits that contradict each other.
func (l *limits) checkMemory(limit, swap int64) {
	switch {
	case limit < -1:
		l.refuse("memory.limit", "%d is negative", limit)
	case swap < -1:
		l.refuse("memory.swap", "%d is negative", swap)
	case swap > 0 && limit <= 0 && (!l.update || l.v2()):
		// A running v1 group has a memory limit that it can be compared with.
		l.refuse("memory.swap", "a swap limit needs a memory limit")
	case swap > 0 && swap < limit:
		l.refuse("memory.swap", "memory plus swap (%d) is less than memory (%d)", swap, limit)
	}
}

package container

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// timeClocks are the clocks that a time namespace has of its own, as
// timens_offsets calls them (time_namespaces(7)).
func timeClocks() []string { return []string{"boottime", "monotonic"} }

// maxOffset is the largest offset in seconds: half of what the kernel can
// count in nanoseconds (KTIME_SEC_MAX).
const maxOffset = (1<<63 - 1) / 1_000_000_000 / 2

// checkTimeOffsets refuses offsets that cannot be.
func checkTimeOffsets(s *specs.Spec) error {
	offsets := s.Linux.TimeOffsets
	if len(offsets) == 0 {
		return nil
	}
	switch ns := namespace(s, specs.TimeNamespace); {
	case ns == nil:
		return fmt.Errorf("linux.timeOffsets: offsets need a time namespace")
	case ns.Path != "":
		return fmt.Errorf("linux.timeOffsets: the offsets of the time namespace that is joined, %s, cannot change", ns.Path)
	}
	for _, clock := range slices.Sorted(maps.Keys(offsets)) {
		o := offsets[clock]
		switch {
		case !slices.Contains(timeClocks(), clock):
			return fmt.Errorf("linux.timeOffsets: clock %q is neither of %s", clock, strings.Join(timeClocks(), " and "))
		case o.Nanosecs >= 1_000_000_000:
			return fmt.Errorf("linux.timeOffsets[%s].nanosecs: %d is a second or more", clock, o.Nanosecs)
		case o.Secs > maxOffset || o.Secs < -maxOffset:
			return fmt.Errorf("linux.timeOffsets[%s].secs: %d is out of range", clock, o.Secs)
		}
	}
	return nil
}

// openTimeOffsets opens the child's file of offsets through the host's /proc.
// In a user namespace the child could not: the file belongs to the host's root.
func (c *compiler) openTimeOffsets() nsenter.Slot {
	if len(c.in.Spec.Linux.TimeOffsets) == 0 {
		return nsenter.NoSlot
	}
	if c.proc == nsenter.NoSlot {
		c.proc = openProc(c.p, "linux.timeOffsets")
	}
	fd := c.p.NewSlot("/proc/self/timens_offsets")
	how := nsenter.OpenHow(unix.O_WRONLY|unix.O_CLOEXEC, 0, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_MAGICLINKS|unix.RESOLVE_NO_XDEV)
	c.p.Add(nsenter.Call(nsenter.Child, unix.SYS_OPENAT2, nsenter.Fd(c.proc), nsenter.Str("self/timens_offsets"), nsenter.Ptr(how), nsenter.Int(24)).
		To(fd).On("/proc/self/timens_offsets").For("linux.timeOffsets", "while it may; what is written goes to the time namespace of its children"))
	return fd
}

// setTimeOffsets writes the offsets, which the kernel allows until the first
// process enters the namespace.
func (c *compiler) setTimeOffsets(file nsenter.Slot) {
	if file == nsenter.NoSlot {
		return
	}
	var b strings.Builder
	for _, clock := range slices.Sorted(maps.Keys(c.in.Spec.Linux.TimeOffsets)) {
		o := c.in.Spec.Linux.TimeOffsets[clock]
		fmt.Fprintf(&b, "%s %d %d\n", clock, o.Secs, o.Nanosecs)
	}
	text := b.String()
	c.p.Add(nsenter.Call(nsenter.Child, unix.SYS_WRITE, nsenter.Fd(file), nsenter.Bytes([]byte(text), strconv.Quote(text)), nsenter.Int(len(text))).
		On("/proc/self/timens_offsets").For("linux.timeOffsets", "before the first process is in the namespace: later the offsets are fixed"))
}

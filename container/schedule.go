package container

import (
	"encoding/binary"
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// schedPolicy returns the number of a scheduling policy. SCHED_ISO has one but
// no kernel of the main line has the policy.
func schedPolicy(p specs.LinuxSchedulerPolicy) (uint32, bool) {
	switch p {
	case specs.SchedOther:
		return unix.SCHED_NORMAL, true
	case specs.SchedFIFO:
		return unix.SCHED_FIFO, true
	case specs.SchedRR:
		return unix.SCHED_RR, true
	case specs.SchedBatch:
		return unix.SCHED_BATCH, true
	case specs.SchedISO:
		return 4, true
	case specs.SchedIdle:
		return unix.SCHED_IDLE, true
	case specs.SchedDeadline:
		return unix.SCHED_DEADLINE, true
	}
	return 0, false
}

// schedFlag returns the bit of a flag of sched_setattr(2).
func schedFlag(f specs.LinuxSchedulerFlag) (uint64, bool) {
	switch f {
	case specs.SchedFlagResetOnFork:
		return unix.SCHED_FLAG_RESET_ON_FORK, true
	case specs.SchedFlagReclaim:
		return unix.SCHED_FLAG_RECLAIM, true
	case specs.SchedFlagDLOverrun:
		return unix.SCHED_FLAG_DL_OVERRUN, true
	case specs.SchedFlagKeepPolicy:
		return unix.SCHED_FLAG_KEEP_POLICY, true
	case specs.SchedFlagKeepParams:
		return unix.SCHED_FLAG_KEEP_PARAMS, true
	case specs.SchedFlagUtilClampMin:
		return unix.SCHED_FLAG_UTIL_CLAMP_MIN, true
	case specs.SchedFlagUtilClampMax:
		return unix.SCHED_FLAG_UTIL_CLAMP_MAX, true
	}
	return 0, false
}

// checkScheduler refuses what sched_setattr(2) does not take together.
func checkScheduler(s *specs.Scheduler) error {
	realtime := s.Policy == specs.SchedFIFO || s.Policy == specs.SchedRR
	switch {
	case s.Nice < -20 || s.Nice > 19:
		return fmt.Errorf("process.scheduler.nice: %d is not between -20 and 19", s.Nice)
	case s.Priority != 0 && !realtime:
		return fmt.Errorf("process.scheduler.priority: only SCHED_FIFO and SCHED_RR have one, not %s", s.Policy)
	case realtime && (s.Priority < 1 || s.Priority > 99):
		return fmt.Errorf("process.scheduler.priority: %d is not between 1 and 99, as %s needs it", s.Priority, s.Policy)
	}
	return checkDeadline(s)
}

// checkDeadline refuses times that are no schedule, or that the policy does not
// go by.
func checkDeadline(s *specs.Scheduler) error {
	switch {
	case s.Policy != specs.SchedDeadline && (s.Runtime != 0 || s.Deadline != 0 || s.Period != 0):
		return fmt.Errorf("process.scheduler: runtime, deadline and period are SCHED_DEADLINE's, not %s's", s.Policy)
	case s.Policy == specs.SchedDeadline && (s.Runtime == 0 || s.Runtime > s.Deadline || s.Period != 0 && s.Deadline > s.Period):
		return fmt.Errorf("process.scheduler: SCHED_DEADLINE needs 0 < runtime <= deadline <= period, not %d, %d, %d", s.Runtime, s.Deadline, s.Period)
	}
	return nil
}

// schedAttrSize is the size of struct sched_attr with the utilisation clamps,
// which every kernel since 5.3 takes.
const schedAttrSize = 56

// scheduler sets the scheduling policy (sched_setattr(2)).
func (pl *payload) scheduler() error {
	s := pl.spec.Scheduler
	if s == nil {
		return nil
	}
	policy, ok := schedPolicy(s.Policy)
	if !ok {
		return fmt.Errorf("process.scheduler.policy: %q is not a scheduling policy", s.Policy)
	}
	if err := checkScheduler(s); err != nil {
		return err
	}
	var flags uint64
	for _, f := range s.Flags {
		bit, ok := schedFlag(f)
		if !ok {
			return fmt.Errorf("process.scheduler.flags: unknown flag %q", f)
		}
		flags |= bit
	}
	le := binary.NativeEndian
	attr := make([]byte, schedAttrSize)
	le.PutUint32(attr[0:], schedAttrSize)
	le.PutUint32(attr[4:], policy)
	le.PutUint64(attr[8:], flags)
	le.PutUint32(attr[16:], uint32(s.Nice))
	le.PutUint32(attr[20:], uint32(s.Priority))
	le.PutUint64(attr[24:], s.Runtime)
	le.PutUint64(attr[32:], s.Deadline)
	le.PutUint64(attr[40:], s.Period)
	pl.child(nsenter.Call(nsenter.Child, unix.SYS_SCHED_SETATTR, nsenter.Int(0), nsenter.Bytes(attr, ""), nsenter.Int(0)).
		On(string(s.Policy)).For(pl.fromField("process.scheduler"), "how the kernel shares the CPUs between it and others"))
	return nil
}

// ioprioWhoProcess makes ioprio_set(2) act on one process. The payload is alone
// in its group then, and hands the value on to its children.
const ioprioWhoProcess = 1

// ioPriority sets the priority of its reads and writes (ioprio_set(2)).
func (pl *payload) ioPriority() error {
	s := pl.spec.IOPriority
	if s == nil {
		return nil
	}
	var class int
	switch s.Class {
	case specs.IOPRIO_CLASS_RT:
		class = 1
	case specs.IOPRIO_CLASS_BE:
		class = 2
	case specs.IOPRIO_CLASS_IDLE:
		class = 3
	default:
		return fmt.Errorf("process.ioPriority.class: %q is not an I/O class", s.Class)
	}
	if s.Priority < 0 || s.Priority > 7 {
		return fmt.Errorf("process.ioPriority.priority: %d is not between 0 and 7", s.Priority)
	}
	pl.child(nsenter.Call(nsenter.Child, unix.SYS_IOPRIO_SET, nsenter.Int(ioprioWhoProcess), nsenter.Int(0), nsenter.Int(class<<13|s.Priority)).
		For(pl.fromField("process.ioPriority"), "whose reads and writes the disks serve first"))
	return nil
}

// personality sets the execution domain (personality(2)).
func (pl *payload) personality() error {
	if pl.linux == nil || pl.linux.Personality == nil {
		return nil
	}
	s := pl.linux.Personality
	if len(s.Flags) > 0 {
		return fmt.Errorf("linux.personality.flags: %q: no flag is supported", s.Flags[0])
	}
	domain := 0
	switch s.Domain {
	case specs.PerLinux:
	case specs.PerLinux32:
		domain = 0x8
	default:
		return fmt.Errorf("linux.personality.domain: %q is neither LINUX nor LINUX32", s.Domain)
	}
	pl.child(nsenter.Call(nsenter.Child, unix.SYS_PERSONALITY, nsenter.Int(domain)).
		For(pl.fromField("linux.personality"), "which machine uname(2) tells it of"))
	return nil
}

// maxNodes is how many memory nodes a kernel can be built for.
const maxNodes = 1024

// memoryMode returns the number of a NUMA policy, and how many nodes it takes:
// none below 0, at least one above.
func memoryMode(m specs.MemoryPolicyModeType) (mode, nodes int, ok bool) {
	switch m {
	case specs.MpolDefault:
		return unix.MPOL_DEFAULT, -1, true
	case specs.MpolPreferred:
		return unix.MPOL_PREFERRED, 0, true
	case specs.MpolBind:
		return unix.MPOL_BIND, 1, true
	case specs.MpolInterleave:
		return unix.MPOL_INTERLEAVE, 1, true
	case specs.MpolLocal:
		return unix.MPOL_LOCAL, -1, true
	case specs.MpolPreferredMany:
		return unix.MPOL_PREFERRED_MANY, 1, true
	case specs.MpolWeightedInterleave:
		return unix.MPOL_WEIGHTED_INTERLEAVE, 1, true
	}
	return 0, 0, false
}

// memoryFlags returns the bits of the flags of set_mempolicy(2).
func memoryFlags(list []specs.MemoryPolicyFlagType) (int, error) {
	flags := 0
	for _, f := range list {
		switch f {
		case specs.MpolFNumaBalancing:
			flags |= unix.MPOL_F_NUMA_BALANCING
		case specs.MpolFRelativeNodes:
			flags |= unix.MPOL_F_RELATIVE_NODES
		case specs.MpolFStaticNodes:
			flags |= unix.MPOL_F_STATIC_NODES
		default:
			return 0, fmt.Errorf("linux.memoryPolicy.flags: unknown flag %q", f)
		}
	}
	if flags&unix.MPOL_F_RELATIVE_NODES != 0 && flags&unix.MPOL_F_STATIC_NODES != 0 {
		return 0, fmt.Errorf("linux.memoryPolicy.flags: MPOL_F_RELATIVE_NODES and MPOL_F_STATIC_NODES exclude each other")
	}
	return flags, nil
}

// memoryPolicy sets from which nodes its memory comes (set_mempolicy(2)). The
// kernel allows those of the process's cgroup, which it is in by now.
func (pl *payload) memoryPolicy() error {
	if pl.linux == nil || pl.linux.MemoryPolicy == nil {
		return nil
	}
	s := pl.linux.MemoryPolicy
	mode, want, ok := memoryMode(s.Mode)
	if !ok {
		return fmt.Errorf("linux.memoryPolicy.mode: %q is not a memory policy", s.Mode)
	}
	flags, err := memoryFlags(s.Flags)
	if err != nil {
		return err
	}
	nodes, bits := nsenter.Null(), 0
	switch {
	case s.Nodes != "" && want < 0:
		return fmt.Errorf("linux.memoryPolicy.nodes: %s takes none, not %q", s.Mode, s.Nodes)
	case s.Nodes == "" && want > 0:
		return fmt.Errorf("linux.memoryPolicy.nodes: %s needs a node", s.Mode)
	case s.Nodes != "":
		mask, err := parseList(s.Nodes, maxNodes)
		if err != nil {
			return fmt.Errorf("linux.memoryPolicy.nodes: %w", err)
		}
		// The kernel reads one bit less than it is told.
		nodes, bits = maskData(mask), 8*len(mask)+1
	}
	pl.child(nsenter.Call(nsenter.Child, unix.SYS_SET_MEMPOLICY, nsenter.Int(mode|flags), nodes, nsenter.Int(bits)).
		On(string(s.Mode)).For(pl.fromField("linux.memoryPolicy"), "which memory nodes its pages come from"))
	return nil
}

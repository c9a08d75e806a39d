package container

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

func TestParseList(t *testing.T) {
	for list, want := range map[string]string{
		"0": "0100000000000000", "0-3,7": "8f00000000000000", "63": "0000000000000080", "64": "00000000000000000100000000000000",
		" 1 , 2 ,,": "0600000000000000", "5-5": "2000000000000000", "0-127": "ffffffffffffffffffffffffffffffff",
		"": "", ",": "", " ": "", "a": "", "1-": "", "-1": "", "3-1": "", "1-2-3": "", "128": "", "0-128": "", "+1": "", "0x1": "", "1.5": "",
		"99999999999999999999": "", "1 2": "", "0-4294967296": "",
	} {
		mask, err := parseList(list, 128)
		if got := hex.EncodeToString(mask); got != want || (err == nil) != (want != "") {
			t.Errorf("%q is %s, %v; want %s", list, got, err, want)
		}
	}
}

// FuzzParseList: whatever a list says, its mask is in bounds, and its numbers
// written out make the same mask.
func FuzzParseList(f *testing.F) {
	for _, s := range []string{"0-3,7", "", "8191", "0-8191", "1,,2", "7-3", "4294967295"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, list string) {
		mask, err := parseList(list, maxCPUs)
		if err != nil {
			return
		}
		if len(mask) == 0 || len(mask)%8 != 0 || len(mask) > maxCPUs/8 || bytes.Count(mask, []byte{0}) == len(mask) {
			t.Fatalf("%q is %x", list, mask)
		}
		var words []string
		for n := range 8 * len(mask) {
			if mask[n/8]&(1<<(n%8)) != 0 {
				words = append(words, strconv.Itoa(n))
			}
		}
		again, err := parseList(strings.Join(words, ","), maxCPUs)
		if err != nil || !bytes.Equal(again, mask) {
			t.Fatalf("%q is %x, but %q is %x, %v", list, mask, words, again, err)
		}
	})
}

// TestProcessRefuses: the error names the field, and there is no plan.
func TestProcessRefuses(t *testing.T) {
	sched := func(s specs.Scheduler) func(*specs.Spec) {
		return func(spec *specs.Spec) { spec.Process.Scheduler = &s }
	}
	ioprio := func(s specs.LinuxIOPriority) func(*specs.Spec) {
		return func(spec *specs.Spec) { spec.Process.IOPriority = &s }
	}
	memory := func(s specs.LinuxMemoryPolicy) func(*specs.Spec) {
		return func(spec *specs.Spec) { spec.Linux.MemoryPolicy = &s }
	}
	personality := func(s specs.LinuxPersonality) func(*specs.Spec) {
		return func(spec *specs.Spec) { spec.Linux.Personality = &s }
	}
	rlimits := func(list ...specs.POSIXRlimit) func(*specs.Spec) {
		return func(spec *specs.Spec) { spec.Process.Rlimits = list }
	}
	affinity := func(a specs.CPUAffinity) func(*specs.Spec) {
		return func(spec *specs.Spec) { spec.Process.ExecCPUAffinity = &a }
	}
	user := func(u specs.User) func(*specs.Spec) { return func(spec *specs.Spec) { spec.Process.User = u } }
	mask := uint32(0o1000)
	for want, spoil := range map[string]func(*specs.Spec){
		"process.scheduler.policy: \"\"":               sched(specs.Scheduler{}),
		"process.scheduler.policy: \"SCHED_MAGIC\"":    sched(specs.Scheduler{Policy: "SCHED_MAGIC"}),
		"process.scheduler.nice: -21":                  sched(specs.Scheduler{Policy: specs.SchedOther, Nice: -21}),
		"process.scheduler.nice: 20":                   sched(specs.Scheduler{Policy: specs.SchedOther, Nice: 20}),
		"process.scheduler.priority: only":             sched(specs.Scheduler{Policy: specs.SchedBatch, Priority: 1}),
		"process.scheduler.priority: 0":                sched(specs.Scheduler{Policy: specs.SchedFIFO}),
		"process.scheduler.priority: 100":              sched(specs.Scheduler{Policy: specs.SchedRR, Priority: 100}),
		"process.scheduler: runtime":                   sched(specs.Scheduler{Policy: specs.SchedOther, Runtime: 1}),
		"process.scheduler: SCHED_DEADLINE needs":      sched(specs.Scheduler{Policy: specs.SchedDeadline, Runtime: 3, Deadline: 2}),
		"process.scheduler: SCHED_DEADLINE needs 0":    sched(specs.Scheduler{Policy: specs.SchedDeadline}),
		"process.scheduler.flags: unknown flag":        sched(specs.Scheduler{Policy: specs.SchedOther, Flags: []specs.LinuxSchedulerFlag{"X"}}),
		"process.ioPriority.class: \"\"":               ioprio(specs.LinuxIOPriority{}),
		"process.ioPriority.priority: 8":               ioprio(specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: 8}),
		"process.ioPriority.priority: -1":              ioprio(specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: -1}),
		"linux.memoryPolicy.mode":                      memory(specs.LinuxMemoryPolicy{Mode: "MPOL_X"}),
		"linux.memoryPolicy.nodes: MPOL_BIND needs":    memory(specs.LinuxMemoryPolicy{Mode: specs.MpolBind}),
		"linux.memoryPolicy.nodes: MPOL_DEFAULT takes": memory(specs.LinuxMemoryPolicy{Mode: specs.MpolDefault, Nodes: "0"}),
		"linux.memoryPolicy.nodes: \"1024\"":           memory(specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "1024"}),
		"linux.memoryPolicy.flags: unknown":            memory(specs.LinuxMemoryPolicy{Mode: specs.MpolLocal, Flags: []specs.MemoryPolicyFlagType{"X"}}),
		"linux.memoryPolicy.flags: MPOL_F_RELATIVE": memory(specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "0",
			Flags: []specs.MemoryPolicyFlagType{specs.MpolFRelativeNodes, specs.MpolFStaticNodes}}),
		"linux.personality.domain: \"\"":                       personality(specs.LinuxPersonality{}),
		"linux.personality.flags: \"X\"":                       personality(specs.LinuxPersonality{Domain: specs.PerLinux, Flags: []specs.LinuxPersonalityFlag{"X"}}),
		"process.rlimits: unknown limit":                       rlimits(specs.POSIXRlimit{Type: "CORE"}),
		"process.rlimits: RLIMIT_CORE is there twice":          rlimits(specs.POSIXRlimit{Type: "RLIMIT_CORE"}, specs.POSIXRlimit{Type: "RLIMIT_CORE"}),
		"process.rlimits: RLIMIT_CORE: soft limit 2":           rlimits(specs.POSIXRlimit{Type: "RLIMIT_CORE", Soft: 2, Hard: 1}),
		"process.rlimits: RLIMIT_NOFILE: hard limit 2048":      rlimits(specs.POSIXRlimit{Type: "RLIMIT_NOFILE", Hard: 2048}),
		"process.user.uid: 2147483648":                         user(specs.User{UID: 1 << 31}),
		"process.user.gid: 2147483648":                         user(specs.User{GID: 1 << 31}),
		"process.user.additionalGids: 2147483648":              user(specs.User{AdditionalGids: []uint32{1, 1 << 31}}),
		"process.user.umask: 01000":                            user(specs.User{Umask: &mask}),
		"process.execCPUAffinity.initial: \"x\" is not a":      affinity(specs.CPUAffinity{Initial: "x"}),
		"process.execCPUAffinity.final: \"8192\" is out of":    affinity(specs.CPUAffinity{Initial: "0", Final: "8192"}),
		"process.execCPUAffinity.final: \",\" names no number": affinity(specs.CPUAffinity{Final: ","}),
	} {
		spec := &specs.Spec{Process: &specs.Process{Args: []string{"x"}}, Linux: &specs.Linux{}}
		spoil(spec)
		host := Host{Limits: make([]unix.Rlimit, rlimitCount), Withheld: 1 << unix.CAP_SYS_RESOURCE}
		host.Limits[unix.RLIMIT_NOFILE].Max = 1024
		pl, err := newPayload(&nsenter.Plan{}, host, spec, nil)
		if err == nil {
			pl.id = identify(spec.Process.User)
			err = pl.add()
		}
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// calls lists the child's calls of a plan, in order.
func calls(p *nsenter.Plan) []string {
	var names []string
	for i := range p.Steps {
		if s := &p.Steps[i]; s.Who == nsenter.Child && s.Op == nsenter.OpCall {
			names = append(names, nsenter.CallName(s.Call))
		}
	}
	return names
}

// TestBeforeUserNamespace: what takes the host's capabilities is made once, and
// before the namespace; limits that are meant for the payload come behind all
// that the set-up does.
func TestBeforeUserNamespace(t *testing.T) {
	score := 5
	spec := &specs.Spec{Linux: &specs.Linux{}, Process: &specs.Process{
		Args: []string{"/x"}, OOMScoreAdj: &score,
		Scheduler:  &specs.Scheduler{Policy: specs.SchedIdle},
		IOPriority: &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_IDLE},
		Rlimits:    []specs.POSIXRlimit{{Type: "RLIMIT_AS", Soft: 5, Hard: 10}},
	}}
	host := Host{Limits: make([]unix.Rlimit, rlimitCount)}
	pl, err := newPayload(&nsenter.Plan{}, host, spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	pl.id = identify(spec.Process.User)
	if err := pl.beforeUserNamespace(openProc(pl.p, "test")); err != nil {
		t.Fatal(err)
	}
	before := calls(pl.p)
	if want := []string{"setgroups", "openat2", "write", "prlimit64", "sched_setattr", "ioprio_set"}; !slices.Equal(before, want) {
		t.Errorf("before: %v, want %v", before, want)
	}
	if err := pl.add(); err != nil {
		t.Fatal(err)
	}
	behind := calls(pl.p)[len(before):]
	for _, name := range []string{"sched_setattr", "ioprio_set", "write"} {
		if slices.Contains(behind, name) {
			t.Errorf("behind: %s, in %v", name, behind)
		}
	}
	limit := slices.Index(behind, "prlimit64")
	if limit < slices.Index(behind, "setresuid") || slices.Index(behind[limit+1:], "prlimit64") >= 0 {
		t.Errorf("behind: %v", behind)
	}
	for i := range pl.p.Steps {
		if s := &pl.p.Steps[i]; s.Call == unix.SYS_SETGROUPS && i > len(before) && !slices.Contains(s.OK, unix.EPERM) {
			t.Error("a namespace that forbids setgroups ends the payload")
		}
	}
}

// TestFindHome: the first entry with the number that has a folder.
func TestFindHome(t *testing.T) {
	const passwd = "root:x:0:0::/root:/bin/sh\nbroken\nnobody:x:7:7:::\na:x:7:7::/home/a:/bin/sh\nb:x:7:7::/home/b:/bin/sh\n"
	for uid, want := range map[uint32]string{0: "/root", 7: "/home/a", 8: "/"} {
		i := &Identity{UID: uid, Home: "/"}
		if err := i.findHome(strings.NewReader(passwd)); err != nil || i.Home != want {
			t.Errorf("user %d: %s, %v; want %s", uid, i.Home, err, want)
		}
	}
}

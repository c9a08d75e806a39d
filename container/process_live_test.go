package container

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// TestScheduler: what sched_setattr(2) was told is what the process has.
func TestScheduler(t *testing.T) {
	flags := func(f ...specs.LinuxSchedulerFlag) []specs.LinuxSchedulerFlag { return f }
	for _, s := range []specs.Scheduler{
		{Policy: specs.SchedOther, Nice: 7},
		{Policy: specs.SchedOther, Nice: -20},
		{Policy: specs.SchedBatch, Nice: 19},
		{Policy: specs.SchedIdle},
		{Policy: specs.SchedFIFO, Priority: 42},
		{Policy: specs.SchedRR, Priority: 99, Flags: flags(specs.SchedFlagResetOnFork)},
		{Policy: specs.SchedDeadline, Runtime: 1e6, Deadline: 10e6, Period: 20e6, Flags: flags(specs.SchedFlagResetOnFork, specs.SchedFlagReclaim)},
	} {
		t.Run(fmt.Sprintf("%s %d %d", s.Policy, s.Nice, s.Priority), func(t *testing.T) {
			b := newBench(t)
			b.spec.Process.Scheduler = &s
			// The payload is another user, who may set nothing of the kind.
			b.spec.Process.User = specs.User{UID: 65534, GID: 65534}
			attr, err := unix.SchedGetAttr(b.pid(t), 0)
			if err != nil {
				t.Fatal(err)
			}
			policy, _ := schedPolicy(s.Policy)
			if attr.Policy != policy || attr.Nice != s.Nice || attr.Priority != uint32(s.Priority) {
				t.Errorf("got %+v", attr)
			}
			if s.Policy == specs.SchedDeadline && (attr.Runtime != s.Runtime || attr.Deadline != s.Deadline || attr.Period != s.Period) {
				t.Errorf("got %+v", attr)
			}
			for _, f := range s.Flags {
				if bit, _ := schedFlag(f); attr.Flags&bit == 0 {
					t.Errorf("flags %#x lack %s", attr.Flags, f)
				}
			}
		})
	}
}

// TestSchedISO: the spec has a policy that no kernel has; the error names it.
func TestSchedISO(t *testing.T) {
	b := newBench(t)
	b.spec.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedISO}
	_, err := b.start(t)
	if !errors.Is(err, unix.EINVAL) || !strings.Contains(err.Error(), "SCHED_ISO") {
		t.Errorf("got %v", err)
	}
}

// TestIOPriority reads the priorities back with ioprio_get(2).
func TestIOPriority(t *testing.T) {
	for want, s := range map[uintptr]specs.LinuxIOPriority{
		1 << 13:   {Class: specs.IOPRIO_CLASS_RT},
		2<<13 | 7: {Class: specs.IOPRIO_CLASS_BE, Priority: 7},
		3<<13 | 4: {Class: specs.IOPRIO_CLASS_IDLE, Priority: 4},
	} {
		b := newBench(t)
		b.spec.Process.IOPriority = &s
		b.spec.Process.User = specs.User{UID: 65534, GID: 65534}
		got, _, errno := unix.Syscall(unix.SYS_IOPRIO_GET, ioprioWhoProcess, uintptr(b.pid(t)), 0)
		if errno != 0 || got != want {
			t.Errorf("%s %d: got %#x, %v", s.Class, s.Priority, got, errno)
		}
	}
}

// TestPersonality also holds that the domain outlives execve.
func TestPersonality(t *testing.T) {
	for domain, want := range map[specs.LinuxPersonalityDomain]string{specs.PerLinux: "00000000", specs.PerLinux32: "00000008"} {
		b := newBench(t)
		b.spec.Linux.Personality = &specs.LinuxPersonality{Domain: domain}
		got, err := os.ReadFile(fmt.Sprintf("/proc/%d/personality", b.pid(t)))
		if err != nil || strings.TrimSpace(string(got)) != want {
			t.Errorf("%s: got %s, %v; want %s", domain, got, err, want)
		}
	}
}

// TestMemoryPolicy reads the policy from numa_maps.
func TestMemoryPolicy(t *testing.T) {
	for _, x := range []struct {
		policy specs.LinuxMemoryPolicy
		want   string
	}{
		{specs.LinuxMemoryPolicy{Mode: specs.MpolDefault}, " default "},
		{specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "0"}, " bind:0 "},
		{specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "0", Flags: []specs.MemoryPolicyFlagType{specs.MpolFStaticNodes}}, " bind=static:0 "},
		{specs.LinuxMemoryPolicy{Mode: specs.MpolInterleave, Nodes: "0", Flags: []specs.MemoryPolicyFlagType{specs.MpolFRelativeNodes}}, " interleave=relative:0 "},
		{specs.LinuxMemoryPolicy{Mode: specs.MpolPreferred, Nodes: "0"}, " prefer:0 "},
		{specs.LinuxMemoryPolicy{Mode: specs.MpolPreferred}, " local "},
		{specs.LinuxMemoryPolicy{Mode: specs.MpolPreferredMany, Nodes: "0"}, " prefer (many):0 "},
		{specs.LinuxMemoryPolicy{Mode: specs.MpolLocal}, " local "},
	} {
		b := newBench(t)
		b.spec.Linux.MemoryPolicy = &x.policy
		got, err := os.ReadFile(fmt.Sprintf("/proc/%d/numa_maps", b.pid(t)))
		if errors.Is(err, os.ErrNotExist) {
			t.Skip("a kernel without NUMA")
		}
		if err != nil || !strings.Contains(string(got), x.want) {
			t.Errorf("%+v: got %s, %v", x.policy, got, err)
		}
	}
	b := newBench(t)
	b.spec.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "1023"}
	if _, err := b.start(t); err == nil || !strings.Contains(err.Error(), "set_mempolicy MPOL_BIND") {
		t.Errorf("a node that is not there: %v", err)
	}
}

// TestAffinity: the first list is in force before the cgroup is joined, the
// second behind it.
func TestAffinity(t *testing.T) {
	b := newBench(t)
	var own unix.CPUSet
	if err := unix.SchedGetaffinity(0, &own); err != nil {
		t.Fatal(err)
	}
	if !own.IsSet(0) || !own.IsSet(1) {
		t.Skip("needs the CPUs 0 and 1")
	}
	born := b.plan.NewSlot("cgroup")
	dir := testCgroup(t)
	b.plan.Add(nsenter.Call(nsenter.Host, unix.SYS_OPENAT, nsenter.Int(unix.AT_FDCWD), nsenter.Str(dir), nsenter.Int(unix.O_PATH|unix.O_CLOEXEC), nsenter.Int(0)).To(born))
	a, err := newAffinity(&specs.CPUAffinity{Initial: "0", Final: "1"}, "test")
	if err != nil {
		t.Fatal(err)
	}
	join := enterCgroup2(b.plan, born)
	b.first = slices.Concat(a.initial, []nsenter.Step{join}, a.final)
	pid := b.pid(t)
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(pid, &set); err != nil || set.Count() != 1 || !set.IsSet(1) {
		t.Errorf("affinity %v, %v", set, err)
	}
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil || !strings.Contains(string(groups), "::"+filepath.Join("/", filepath.Base(dir))+"\n") && !strings.Contains(string(groups), "/"+filepath.Base(dir)+"\n") {
		t.Errorf("groups %s, %v", groups, err)
	}
}

// testCgroup makes a cgroup v2 directory that goes when the test ends.
func testCgroup(t *testing.T) string {
	t.Helper()
	for _, mount := range []string{"/sys/fs/cgroup/unified", "/sys/fs/cgroup"} {
		var st unix.Statfs_t
		if unix.Statfs(mount, &st) != nil || st.Type != unix.CGROUP2_SUPER_MAGIC {
			continue
		}
		dir, err := os.MkdirTemp(mount, "berth-test-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := unix.Rmdir(dir); err != nil {
				t.Error(err)
			}
		})
		return dir
	}
	t.Skip("needs cgroup v2")
	return ""
}

// TestRlimits sets all limits at once.
func TestRlimits(t *testing.T) {
	b := newBench(t)
	names := []string{
		"CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE",
		"MEMLOCK", "AS", "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME",
	}
	for i, name := range names {
		l := specs.POSIXRlimit{Type: "RLIMIT_" + name, Soft: min(b.host.Limits[i].Max, 1<<30), Hard: min(b.host.Limits[i].Max, 1<<31)}
		b.spec.Process.Rlimits = append(b.spec.Process.Rlimits, l)
	}
	b.spec.Process.User = specs.User{UID: 65534, GID: 65534}
	pid := b.pid(t)
	for i, l := range b.spec.Process.Rlimits {
		if got := rlimit(t, pid, i); got.Cur != l.Soft || got.Max != l.Hard {
			t.Errorf("%s: got %+v, want %+v", l.Type, got, l)
		}
	}
}

// rlimit reads a limit of another user's process, which prlimit(2) refuses to
// do without CAP_SYS_RESOURCE. The file has the limits in an order of its own.
func rlimit(t *testing.T, pid, number int) unix.Rlimit {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil {
		t.Fatal(err)
	}
	name := []string{
		"Max cpu time", "Max file size", "Max data size", "Max stack size", "Max core file size", "Max resident set", "Max processes",
		"Max open files", "Max locked memory", "Max address space", "Max file locks", "Max pending signals", "Max msgqueue size",
		"Max nice priority", "Max realtime priority", "Max realtime timeout",
	}[number]
	var l unix.Rlimit
	for line := range strings.Lines(string(text)) {
		rest, ok := strings.CutPrefix(line, name+" ")
		if !ok {
			continue
		}
		for i, to := range []*uint64{&l.Cur, &l.Max} {
			*to = unix.RLIM_INFINITY
			if word := strings.Fields(rest)[i]; word != "unlimited" {
				if *to, err = strconv.ParseUint(word, 10, 64); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return l
}

// TestRaisedRlimit: with the capability it works, also for another user;
// without, an error says why before anything is done.
func TestRaisedRlimit(t *testing.T) {
	b := newBench(t)
	b.host.Limits[unix.RLIMIT_MSGQUEUE] = unix.Rlimit{Cur: 4096, Max: 4096}
	if err := unix.Setrlimit(unix.RLIMIT_MSGQUEUE, &b.host.Limits[unix.RLIMIT_MSGQUEUE]); err != nil {
		t.Fatal(err)
	}
	b.spec.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_MSGQUEUE", Soft: 8192, Hard: 16384}}
	b.spec.Process.User = specs.User{UID: 65534}
	run, err := b.start(t)
	if b.host.Withheld&(1<<unix.CAP_SYS_RESOURCE) != 0 {
		if err == nil || !strings.Contains(err.Error(), "RLIMIT_MSGQUEUE") || !strings.Contains(err.Error(), "CAP_SYS_RESOURCE") {
			t.Errorf("got %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := rlimit(t, run.Pid(), unix.RLIMIT_MSGQUEUE); got.Cur != 8192 || got.Max != 16384 {
		t.Errorf("got %+v", got)
	}
}

// TestCredentials looks at all that /proc tells of what a process may do.
func TestCredentials(t *testing.T) {
	b := newBench(t)
	bind := []string{"CAP_NET_BIND_SERVICE"}
	score, mask := 321, uint32(0o027)
	b.spec.Process.User = specs.User{UID: 1234, GID: 2345, AdditionalGids: []uint32{7, 9}, Umask: &mask}
	b.spec.Process.Capabilities = &specs.LinuxCapabilities{Bounding: append(bind, "CAP_CHOWN"), Permitted: bind, Effective: nil, Inheritable: bind, Ambient: bind}
	b.spec.Process.NoNewPrivileges = true
	b.spec.Process.OOMScoreAdj = &score
	pid := b.pid(t)
	got := status(t, pid)
	for key, want := range map[string]string{
		"Uid": "1234 1234 1234 1234", "Gid": "2345 2345 2345 2345", "Groups": "7 9", "Umask": "0027", "NoNewPrivs": "1",
		"CapBnd": "0000000000000401", "CapPrm": "0000000000000400", "CapInh": "0000000000000400", "CapAmb": "0000000000000400", "CapEff": "0000000000000400",
	} {
		if got[key] != want {
			t.Errorf("%s is %s, want %s", key, got[key], want)
		}
	}
	if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid)); err != nil || string(text) != "321\n" {
		t.Errorf("oom_score_adj %s, %v", text, err)
	}
}

// TestRootWithoutCapabilities: none in the config is none in the process.
func TestRootWithoutCapabilities(t *testing.T) {
	got := status(t, newBench(t).pid(t))
	for _, key := range []string{"CapBnd", "CapPrm", "CapInh", "CapAmb", "CapEff"} {
		if got[key] != "0000000000000000" {
			t.Errorf("%s is %s", key, got[key])
		}
	}
	if got["Umask"] != "0022" || got["NoNewPrivs"] != "0" {
		t.Errorf("umask %s, no_new_privs %s", got["Umask"], got["NoNewPrivs"])
	}
}

// TestKeyring: a named keyring is the one that a later program joins.
func TestKeyring(t *testing.T) {
	name := fmt.Sprintf("_ses.berth-test-%d", os.Getpid())
	rings := func(b *bench) []string {
		var ids []string
		for line := range strings.Lines(b.output(t, "cat /proc/keys")) {
			// ID flags usage expiry permissions uid gid type name: summary
			if f := strings.Fields(line); len(f) > 8 && f[8] == name+":" {
				ids = append(ids, f[0]+" "+f[4])
			}
		}
		return ids
	}
	b := newBench(t)
	if got := rings(b); len(got) != 0 {
		t.Fatalf("before: %q", got)
	}
	b = newBench(t)
	b.set = func(pl *payload) { pl.keyringName = name }
	b.pid(t)
	join := newBench(t)
	join.set = func(pl *payload) { pl.keyringName, pl.joined = name, true }
	if got := rings(join); len(got) != 1 || !strings.HasSuffix(got[0], " 3f1b0000") {
		t.Errorf("with two programs: %q", got)
	}
	b = newBench(t)
	b.set = func(pl *payload) { pl.noKeyring = true }
	b.pid(t)
	for _, s := range b.plan.Steps {
		if s.Call == unix.SYS_KEYCTL && s.Who == nsenter.Child {
			t.Error("a keyring though there should be none")
		}
	}
}

// TestLabelsNeedAModule: on a kernel without it, the error names the field;
// what a kernel's module says of a label is the step's error.
func TestLabelsNeedAModule(t *testing.T) {
	for want, process := range map[string]*specs.Process{
		"process.apparmorProfile: apparmor: config provided but apparmor not supported": {ApparmorProfile: "x"},
		"process.selinuxLabel: selinux label is specified in config":                    {SelinuxLabel: "x"},
		"process.apparmorProfile: \"a\\x00\" contains a NUL":                            {ApparmorProfile: "a\x00"},
		"process.selinuxLabel: \"a\\x00\" contains a NUL":                               {SelinuxLabel: "a\x00"},
	} {
		_, err := newPayload(&nsenter.Plan{}, Host{}, &specs.Spec{Process: process}, nil)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	b := newBench(t)
	b.host.AppArmor = appArmor()
	b.spec.Process.ApparmorProfile = unconfined // what every process is, also without AppArmor
	pid := b.pid(t)
	if file := appArmor(); file != "" {
		if got, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, strings.Replace(file, "exec", "current", 1))); err != nil || string(got) != "unconfined\n" {
			t.Errorf("profile %q, %v", got, err)
		}
		b := newBench(t)
		b.host.AppArmor = file
		b.spec.Process.ApparmorProfile = "berth-no-such-profile"
		if _, err := b.start(t); !errors.Is(err, unix.ENOENT) || !strings.Contains(err.Error(), "process.apparmorProfile") {
			t.Errorf("a profile that is not loaded: %v", err)
		}
	}
	if appArmor() != "" || exists("/sys/fs/selinux/enforce") {
		return // it takes labels; what follows wants one that takes none
	}
	for field, set := range map[string]func(b *bench){
		"self/attr/exec": func(b *bench) { b.host.AppArmor, b.spec.Process.ApparmorProfile = "attr/exec", "x" },
		"/proc/self/attr": func(b *bench) {
			b.host.SELinux, b.spec.Process.SelinuxLabel = true, "system_u:system_r:container_t:s0"
		},
	} {
		b := newBench(t)
		set(b)
		_, err := b.start(t)
		if !errors.Is(err, unix.EINVAL) || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: got %v", field, err)
		}
	}
}

// TestStreams: a user who is not root can open the pipe that its output is
// anew; a file that the caller gave stays the caller's.
func TestStreams(t *testing.T) {
	b := newBench(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "err"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	b.opts.Stdout, b.opts.Stderr = w, file
	b.spec.Process.Args = []string{"/bin/sh", "-c", "echo new >/proc/self/fd/1; echo old"}
	b.spec.Process.User = specs.User{UID: 65534, GID: 65534}
	b.pid(t)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != "new\nold\n" {
		t.Errorf("got %q, %v", got, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil || st.Uid != 0 {
		t.Errorf("the caller's file is user %d's, %v", st.Uid, err)
	}
}

func TestHostID(t *testing.T) {
	maps := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 1000, Size: 10}, {ContainerID: 10, HostID: 5, Size: 1}}
	for id, want := range map[uint32]uint32{0: 1000, 9: 1009, 10: 5} {
		if got, ok := hostID(maps, id); !ok || got != want {
			t.Errorf("%d is %d, %v; want %d", id, got, ok, want)
		}
	}
	if _, ok := hostID(maps, 11); ok {
		t.Error("11 is nobody")
	}
	if got, ok := hostID(nil, 11); !ok || got != 11 {
		t.Errorf("without maps 11 is %d, %v", got, ok)
	}
}

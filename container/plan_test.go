package container_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/cgroup"
	"berth/container"
	"berth/nsenter"
	"berth/rootfs"
	"berth/seccomp"
	"berth/teach"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got; go test -update rewrites it):\n%s", path, diff)
	}
}

// v1Hierarchies are those of a host with a hierarchy for each controller.
func v1Hierarchies() []cgroup.Hierarchy {
	var list []cgroup.Hierarchy
	for _, name := range []string{"cpuset", "cpu,cpuacct", "blkio", "memory", "devices", "freezer", "pids"} {
		list = append(list, cgroup.Hierarchy{
			Name: name, Controllers: strings.Split(name, ","), Mount: "/sys/fs/cgroup/" + name, Own: "/",
		})
	}
	return list
}

// hosts are machines that do not exist.
func hosts() map[string]container.Host {
	unified := cgroup.Hierarchy{Name: "unified", V2: true, Mount: "/sys/fs/cgroup/unified", Own: "/"}
	v2 := cgroup.Hierarchy{
		Name: "unified", V2: true, Mount: "/sys/fs/cgroup", Own: "/user.slice",
		Controllers: []string{"cpuset", "cpu", "io", "memory", "pids"},
	}
	groups := map[string]cgroup.Host{
		"v1": {Mode: cgroup.Legacy, Hierarchies: v1Hierarchies()},
		"hybrid": {
			Mode:        cgroup.Hybrid,
			Hierarchies: append(v1Hierarchies(), cgroup.Hierarchy{Name: "systemd", Named: "systemd", Mount: "/sys/fs/cgroup/systemd", Own: "/"}, unified),
			Enabled:     map[string][]string{},
		},
		"v2": {
			Mode: cgroup.Unified, Hierarchies: []cgroup.Hierarchy{v2},
			Enabled: map[string][]string{"/": {"cpu", "memory", "pids"}, "/berth": {"cpu", "memory", "pids"}},
		},
	}
	all := map[string]container.Host{}
	for mode, g := range groups {
		for release, kernel := range map[string]int{"5.15": 5015, "6.1": 6001, "6.18": 6018} {
			all[mode+"-"+release] = container.Host{Cgroup: g, Kernel: kernel, LastCap: unix.CAP_LAST_CAP, NoFile: 1 << 20, PathKind: pathKind}
		}
	}
	return all
}

// pathKind stands for a kernel that has all that is masked but two files.
func pathKind(p string) rootfs.Kind {
	switch {
	case p == "/proc/latency_stats" || p == "/proc/timer_stats":
		return rootfs.Missing
	case slices.Contains([]string{"/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/sched_debug", "/proc/timer_list", "/proc/sysrq-trigger"}, p):
		return rootfs.File
	}
	return rootfs.Dir
}

// input is the default container, as the command line makes it.
func input(host container.Host) container.Input {
	spec := container.DefaultSpec()
	spec.Hostname = "0123456789ab"
	spec.Process.Args = []string{"sh", "-c", "true"}
	spec.Process.Env = []string{"PATH=/usr/bin:/bin", "TERM=xterm"}
	spec.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 1024, Hard: 524288}}
	return container.Input{
		Host: host, Spec: spec,
		Layers: []string{"/var/lib/berth/layer/top", "/var/lib/berth/layer/base"},
		Upper:  "/var/lib/berth/container/ID/upper", Work: "/var/lib/berth/container/ID/work",
		Volatile: true, Hold: "/run/berth", Cgroup: "/berth/ID", OwnCgroup: true,
		Filter: seccomp.Program{Filter: []unix.SockFilter{{Code: 6, K: 0x7fff0000}}},
		Lookup: true, Tied: true, From: map[string]string{"process.args": "command"},
	}
}

// variants are what a command line changes of the default container.
func variants() map[string]func(*container.Input) {
	spec := func(f func(*specs.Spec)) func(*container.Input) { return func(in *container.Input) { f(in.Spec) } }
	bind := func(source, dest string, options ...string) func(*specs.Spec) {
		return func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Type: "bind", Source: source, Destination: dest, Options: options})
		}
	}
	return map[string]func(*container.Input){
		"read-only": spec(func(s *specs.Spec) { s.Root.Readonly = true }),
		"terminal": spec(func(s *specs.Spec) {
			s.Process.Terminal = true
			s.Process.ConsoleSize = &specs.Box{Height: 24, Width: 80}
		}),
		"privileged": func(in *container.Input) {
			container.Privilege(in.Spec, []specs.LinuxDevice{{Path: "/dev/vda", Type: "b", Major: 254, Minor: 0}})
			// The kernel of the test's machine is not the one in the golden file.
			all := []string{"CAP_CHOWN", "CAP_SYS_ADMIN"}
			in.Spec.Process.Capabilities = &specs.LinuxCapabilities{Bounding: all, Effective: all, Permitted: all}
			in.Filter = seccomp.Program{}
		},
		"user": func(in *container.Input) {
			in.Spec.Process.User = specs.User{Username: "postgres:staff"}
			in.GroupAdd = []string{"video"}
			in.From["process.user"] = "--user"
		},
		"user-by-number": func(in *container.Input) {
			in.Lookup = false
			in.Spec.Process.User = specs.User{UID: 1000, GID: 1000, AdditionalGids: []uint32{4, 44}}
		},
		"init":         func(in *container.Input) { in.Init = true },
		"detached":     func(in *container.Input) { in.Account, in.Volatile = true, false },
		"folder":       func(in *container.Input) { in.Layers, in.Spec.Root.Path = nil, "/srv/root" },
		"bind":         spec(bind("/srv/data", "/data", "rbind")),
		"bind-ro":      spec(bind("/srv/data", "/data", "rbind", "ro")),
		"bind-rro":     spec(bind("/srv/data", "/data", "rbind", "rro")),
		"bind-shared":  spec(bind("/srv/data", "/data", "rbind", "rshared")),
		"bind-slave":   spec(bind("/srv/data", "/data", "bind", "rslave")),
		"bind-nested":  spec(func(s *specs.Spec) { bind("/srv/a", "/data")(s); bind("/srv/b", "/data/sub/dir", "ro")(s) }),
		"bind-in-proc": spec(bind("/srv/uptime", "/proc/uptime", "bind", "ro")),
		"bind-file":    spec(bind("/etc/hosts", "/etc/hosts", "rbind", "ro", "nosuid", "noatime")),
		"tmpfs":        spec(func(s *specs.Spec) { s.Mounts = append(s.Mounts, tmpfs("/run")) }),
		"sysctl":       spec(func(s *specs.Spec) { s.Linux.Sysctl = sysctls() }),
		"limits":       limits,
		"no-new-privs": spec(func(s *specs.Spec) { s.Process.NoNewPrivileges = true }),
		"ambient":      spec(func(s *specs.Spec) { ambient(s.Process) }),
		"host-network": spec(func(s *specs.Spec) { remove(s, specs.NetworkNamespace); s.Hostname = "host" }),
		"joins":        spec(joins),
		"workdir":      spec(func(s *specs.Spec) { s.Process.Cwd = "/srv/app" }),
		"propagation":  spec(func(s *specs.Spec) { s.Linux.RootfsPropagation = "rslave" }),
		"oom-score":    spec(func(s *specs.Spec) { score := 500; s.Process.OOMScoreAdj = &score }),
		"devices":      spec(func(s *specs.Spec) { s.Linux.Devices = extraDevices() }),
		"masks-in-image": spec(func(s *specs.Spec) {
			s.Linux.MaskedPaths = []string{"/etc/secret"}
			s.Linux.ReadonlyPaths = []string{"/etc"}
		}),
		"gate":           func(in *container.Input) { in.Gate, in.Spec.Process.Cwd = "/run/berth/oci/c1/start", "/srv" },
		"files":          func(in *container.Input) { in.Files, in.Gate = []int{7, 5}, "/run/berth/oci/c1/start" },
		"keyring":        func(in *container.Input) { in.Keyring = "_ses.c1" },
		"no-new-keyring": func(in *container.Input) { in.NoNewKeyring = true },
		"schedule":       spec(schedule),
		"labels":         labels,
		"raised-limits":  raisedLimits,
		"volume-over-run": spec(func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, tmpfs("/run"))
			bind("/srv/sock", "/var/run/app.sock")(s)
		}),
	}
}

func tmpfs(dest string) specs.Mount {
	return specs.Mount{Type: "tmpfs", Source: "tmpfs", Destination: dest, Options: []string{"rw", "noexec", "nosuid", "nodev", "size=1m"}}
}

func sysctls() map[string]string {
	return map[string]string{"net.ipv4.ip_unprivileged_port_start": "0", "kernel.shmmax": "65536", "net.ipv4.conf.eth0/1.rp_filter": "2"}
}

func limits(in *container.Input) {
	memory, pids := int64(64<<20), int64(100)
	in.Spec.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &memory}
	in.Spec.Linux.Resources.Pids = &specs.LinuxPids{Limit: &pids}
	in.Spec.Process.Rlimits = append(in.Spec.Process.Rlimits, specs.POSIXRlimit{Type: "RLIMIT_CORE"})
	in.From["linux.resources.memory.limit"], in.From["process.rlimits[RLIMIT_CORE]"] = "--memory", "--ulimit"
}

func ambient(p *specs.Process) {
	p.User = specs.User{UID: 1000}
	p.Capabilities.Inheritable = []string{"CAP_NET_BIND_SERVICE"}
	p.Capabilities.Ambient = []string{"CAP_NET_BIND_SERVICE"}
}

func schedule(s *specs.Spec) {
	s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedFIFO, Priority: 10, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagResetOnFork}}
	s.Process.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: 6}
	s.Process.ExecCPUAffinity = &specs.CPUAffinity{Initial: "0"} // not for the first process
	s.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux32}
	s.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "0-1", Flags: []specs.MemoryPolicyFlagType{specs.MpolFStaticNodes}}
}

func labels(in *container.Input) {
	in.Host.AppArmor, in.Host.SELinux = "attr/apparmor/exec", true
	in.Spec.Process.ApparmorProfile = "docker-default"
	in.Spec.Process.SelinuxLabel = "system_u:system_r:container_t:s0:c1,c2"
	in.Keyring = "_ses.c1"
}

func raisedLimits(in *container.Input) {
	in.Host.Limits = make([]unix.Rlimit, 16)
	in.Host.Limits[unix.RLIMIT_NOFILE] = unix.Rlimit{Cur: 1024, Max: 4096}
}

func remove(s *specs.Spec, kind specs.LinuxNamespaceType) {
	s.Linux.Namespaces = slices.DeleteFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == kind })
}

func joins(s *specs.Spec) {
	for i := range s.Linux.Namespaces {
		n := &s.Linux.Namespaces[i]
		if n.Type != specs.MountNamespace && n.Type != specs.CgroupNamespace {
			n.Path = "/proc/4711/ns/" + map[specs.LinuxNamespaceType]string{
				specs.PIDNamespace: "pid", specs.IPCNamespace: "ipc", specs.UTSNamespace: "uts", specs.NetworkNamespace: "net",
			}[n.Type]
		}
	}
}

func extraDevices() []specs.LinuxDevice {
	mode, gid := os.FileMode(0o660), uint32(5)
	return []specs.LinuxDevice{
		{Path: "/dev/net/tun", Type: "c", Major: 10, Minor: 200, FileMode: &mode, GID: &gid},
		{Path: "/dev/null", Type: "c", Major: 1, Minor: 3},
	}
}

// TestPlans holds the default plan in full, and of every variant and every
// other host what differs from it.
func TestPlans(t *testing.T) {
	all := hosts()
	usual := explain(t, input(all["hybrid-6.18"]))
	golden(t, "plan/default.txt", []byte(usual))
	for name, change := range variants() {
		t.Run(name, func(t *testing.T) {
			in := input(all["hybrid-6.18"])
			change(&in)
			golden(t, "plan/"+name+".diff", difference(usual, explain(t, in)))
		})
	}
	for name, host := range all {
		t.Run(name, func(t *testing.T) {
			golden(t, "plan/host-"+name+".diff", difference(usual, explain(t, input(host))))
		})
		t.Run(name+" limits", func(t *testing.T) {
			in := input(host)
			limits(&in)
			explain(t, in)
		})
	}
}

// difference lists the steps that only one of two listings has, in order, with
// a line of dots where both have the same.
func difference(old, changed string) []byte {
	a, b := steps(old), steps(changed)
	// same[i][j] is the length of the longest common part of a[i:] and b[j:].
	same := make([][]int, len(a)+1)
	for i := range same {
		same[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if same[i][j] = max(same[i+1][j], same[i][j+1]); a[i] == b[j] {
				same[i][j] = same[i+1][j+1] + 1
			}
		}
	}
	var out bytes.Buffer
	dots := false
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			i, j, dots = i+1, j+1, true
			continue
		case dots:
			out.WriteString("...\n")
			dots = false
		}
		if j == len(b) || i < len(a) && same[i+1][j] >= same[i][j+1] {
			out.WriteString("- " + a[i] + "\n")
			i++
		} else {
			out.WriteString("+ " + b[j] + "\n")
			j++
		}
	}
	return out.Bytes()
}

// steps takes the numbers and the layout from the lines of a listing.
func steps(text string) []string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i, line := range lines {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		lines[i] = strings.Join(strings.Fields(rest), " ")
	}
	return lines
}

// lineWidth keeps a step on one line.
const lineWidth = 4000

// explain renders a plan, and makes sure that a second compilation is equal:
// an order that comes from a map would differ sooner or later.
func explain(t *testing.T, in container.Input) string {
	t.Helper()
	var first string
	for range 3 {
		out, err := container.Compile(in)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := teach.Explain(&b, out.Plan, teach.Options{Width: lineWidth}); err != nil {
			t.Fatal(err)
		}
		if first == "" {
			first = b.String()
		}
		if diff := cmp.Diff(first, b.String()); diff != "" {
			t.Fatalf("two plans of one input differ:\n%s", diff)
		}
		checkOrder(t, out.Plan)
	}
	return first
}

// checkOrder holds what every plan must be like, whatever is in it.
func checkOrder(t *testing.T, p *nsenter.Plan) {
	t.Helper()
	filled := map[nsenter.Slot]bool{}
	at := map[uintptr]int{}
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.From == "" || s.Why == "" {
			t.Errorf("step %d, %s: who asked for it (%q) and why (%q) must be said", i+1, s.Title(), s.From, s.Why)
		}
		for _, a := range s.Args {
			if a.Kind() == nsenter.KindSlot && !filled[a.Slot()] && s.Who == nsenter.Child && !byFunction(p.SlotName(a.Slot())) {
				t.Errorf("step %d, %s: nothing has filled slot %s", i+1, s.Title(), p.SlotName(a.Slot()))
			}
		}
		if s.Out != nsenter.NoSlot {
			filled[s.Out] = true
		}
		if s.Who == nsenter.Child && s.Func == nil && s.Op == nsenter.OpCall {
			at[s.Call] = i
		}
	}
	for _, pair := range [][2]uintptr{
		{unix.SYS_PIVOT_ROOT, unix.SYS_SETRESUID}, {unix.SYS_SETGROUPS, unix.SYS_SETRESGID}, {unix.SYS_SETRESGID, unix.SYS_SETRESUID},
		{unix.SYS_SETRESUID, unix.SYS_CAPSET}, {unix.SYS_CAPSET, unix.SYS_EXECVE}, {unix.SYS_PIVOT_ROOT, unix.SYS_UMOUNT2},
	} {
		if at[pair[0]] >= at[pair[1]] {
			t.Errorf("%s is step %d, not before %s, step %d", nsenter.CallName(pair[0]), at[pair[0]]+1, nsenter.CallName(pair[1]), at[pair[1]]+1)
		}
	}
}

// byFunction tells the slots that a host step's function fills beside the one
// that the step names.
func byFunction(slot string) bool {
	return slices.Contains([]string{"uid", "gid", "number of groups", "uid of the namespace", "gid of the namespace"}, slot) || strings.HasSuffix(slot, " tasks") || strings.HasPrefix(slot, "/etc")
}

// TestLegacyKernelsMountTheOverlay: fsconfig's lowerdir+ came with 6.8.
func TestLegacyKernelsMountTheOverlay(t *testing.T) {
	for name, host := range hosts() {
		text := explain(t, input(host))
		if legacy := host.Kernel < 6008; strings.Contains(text, "scratch mount namespace") != legacy || strings.Contains(text, "lowerdir+") == legacy {
			t.Errorf("%s: the wrong kind of overlay:\n%s", name, text)
		}
	}
}

func addFuzzSeeds(f *testing.F) {
	all := hosts()
	for _, change := range variants() {
		in := input(all["hybrid-6.18"])
		change(&in)
		data, err := json.Marshal(in.Spec)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, text := range []string{"", "{}", "null", `{"process":{"args":["a"]},"root":{},"linux":{}}`, `{"linux":{"resources":{"devices":[{"type":"x"}]}}}`} {
		f.Add([]byte(text))
	}
}

// FuzzCompile: whatever a config.json says, there is a plan or an error.
func FuzzCompile(f *testing.F) {
	addFuzzSeeds(f)
	all := hosts()
	f.Fuzz(func(t *testing.T, data []byte) {
		for name, host := range all {
			var spec *specs.Spec
			if json.Unmarshal(data, &spec) != nil {
				return
			}
			in := input(host)
			in.Spec = spec
			out, err := container.Compile(in)
			if err == nil && (out == nil || len(out.Plan.Steps) == 0) {
				t.Errorf("%s: neither a plan nor an error", name)
			}
			if err != nil {
				continue
			}
			if err := teach.Explain(&bytes.Buffer{}, out.Plan, teach.Options{}); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestJoinResctrl: one more program of a container is put into its resctrl
// group before it has done anything, so what it forks is in there, too.
func TestJoinResctrl(t *testing.T) {
	host := hosts()["v1-6.18"]
	groups, err := cgroup.Open(host.Cgroup, []string{"/sys/fs/cgroup/memory/berth/ID"})
	if err != nil {
		t.Fatal(err)
	}
	in := container.JoinInput{
		Host: host, ID: "ID", Spec: input(host).Spec, Groups: groups,
		Resctrl: &container.HostStep{Text: "enter the group", Target: "/group", Do: func(int) error { return nil }},
	}
	compiled, err := container.CompileJoin(in)
	if err != nil {
		t.Fatal(err)
	}
	steps := compiled.Plan.Steps
	entered := slices.IndexFunc(steps, func(s nsenter.Step) bool { return s.Target == "/group" })
	if entered < 0 || steps[entered].From != "linux.intelRdt" {
		t.Fatalf("step %d of %d enters the group", entered, len(steps))
	}
	for _, s := range steps[:entered] {
		if s.Who == nsenter.Child {
			t.Errorf("the child has done this before: %s %s", s.Text, s.Target)
		}
	}
}

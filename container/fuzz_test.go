package container_test

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/container"
	"berth/rootfs"
	"berth/seccomp"
	"berth/teach"
)

// fragments set each field of runtime-spec 1.3 at least once. A number chooses
// among them by its bits, so there are 64 at most.
func fragments() []string {
	return []string{
		`{"root":{"path":"/srv/root","readonly":true},"hostname":"h","domainname":"d","annotations":{"org.systemd.property.TimeoutStopUSec":"uint64 1"}}`,
		`{"process":{"terminal":true,"consoleSize":{"height":24,"width":80}}}`,
		`{"process":{"user":{"uid":1,"gid":2,"umask":18,"additionalGids":[5,6]}}}`,
		`{"process":{"user":{"username":"nobody:nogroup"}}}`,
		`{"process":{"args":["sh"],"commandLine":"x","env":["PATH=/bin","A=b"],"cwd":"/work/dir"}}`,
		`{"process":{"capabilities":{"bounding":["CAP_CHOWN"],"effective":["CAP_CHOWN"],"inheritable":["CAP_CHOWN"],"permitted":["CAP_CHOWN"],"ambient":["CAP_CHOWN"]}}}`,
		`{"process":{"capabilities":{"bounding":["CAP_SYS_ADMIN","cap_bpf","CAP_NONE"],"ambient":["CAP_SYS_ADMIN"]}}}`,
		`{"process":{"rlimits":[{"type":"RLIMIT_NOFILE","hard":1024,"soft":10},{"type":"RLIMIT_MEMLOCK","hard":18446744073709551615,"soft":0}]}}`,
		`{"process":{"noNewPrivileges":true,"oomScoreAdj":-1000}}`,
		`{"process":{"apparmorProfile":"unconfined"}}`,
		`{"process":{"selinuxLabel":"system_u:system_r:t:s0"},"linux":{"mountLabel":"system_u:object_r:t:s0"}}`,
		`{"process":{"scheduler":{"policy":"SCHED_DEADLINE","nice":0,"priority":0,"flags":["SCHED_FLAG_RESET_ON_FORK"],"runtime":1000000,"deadline":2000000,"period":3000000}}}`,
		`{"process":{"scheduler":{"policy":"SCHED_OTHER","nice":-20}}}`,
		`{"process":{"ioPriority":{"class":"IOPRIO_CLASS_BE","priority":7}}}`,
		`{"process":{"execCPUAffinity":{"initial":"0-3,7","final":"1"}}}`,
		`{"linux":{"namespaces":[{"type":"mount"}]}}`,
		`{"linux":{"namespaces":[{"type":"pid"},{"type":"network"},{"type":"ipc"},{"type":"uts"},{"type":"mount"},{"type":"cgroup"},{"type":"time"}]}}`,
		`{"linux":{"namespaces":[{"type":"user"},{"type":"mount"},{"type":"pid"}],"uidMappings":[{"containerID":0,"hostID":1000,"size":65536}],"gidMappings":[{"containerID":0,"hostID":1000,"size":65536}]}}`,
		`{"linux":{"namespaces":[{"type":"user","path":"/proc/1/ns/user"},{"type":"mount","path":"/proc/1/ns/mnt"},{"type":"network","path":"/run/netns/a"},{"type":"pid","path":"/proc/1/ns/pid"}]}}`,
		`{"linux":{"namespaces":[{"type":"time"},{"type":"mount"}],"timeOffsets":{"monotonic":{"secs":172800,"nanosecs":5},"boottime":{"secs":-1,"nanosecs":999999999}}}}`,
		`{"linux":{"uidMappings":[{"containerID":4294967295,"hostID":4294967295,"size":4294967295},{"containerID":0,"hostID":0,"size":0}],"gidMappings":[]}}`,
		`{"linux":{"devices":[{"path":"/dev/fuse","type":"c","major":10,"minor":229,"fileMode":438,"uid":0,"gid":0},{"path":"/dev/fifo","type":"p"},{"path":"/dev/u","type":"u","major":-1,"minor":-1}]}}`,
		`{"linux":{"netDevices":{"eth0":{"name":"eth1"},"lo":{}}}}`,
		`{"linux":{"cgroupsPath":"/a/../b"}}`,
		`{"linux":{"cgroupsPath":"system.slice:berth:x"}}`,
		`{"linux":{"resources":{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":3,"access":"r"}]}}}`,
		`{"linux":{"resources":{"memory":{"limit":1048576,"reservation":524288,"swap":2097152,"kernel":-1,"kernelTCP":-1,"swappiness":60,"disableOOMKiller":true,"useHierarchy":true,"checkBeforeUpdate":true}}}}`,
		`{"linux":{"resources":{"cpu":{"shares":1024,"quota":100000,"burst":1,"period":100000,"realtimeRuntime":9,"realtimePeriod":1000,"cpus":"0-1","mems":"0","idle":1}}}}`,
		`{"linux":{"resources":{"pids":{"limit":-1}}}}`,
		`{"linux":{"resources":{"blockIO":{"weight":100,"leafWeight":10,"weightDevice":[{"major":8,"minor":0,"weight":500,"leafWeight":300}],"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":600}],"throttleWriteIOPSDevice":[{"major":8,"minor":16,"rate":300}]}}}}`,
		`{"linux":{"resources":{"hugepageLimits":[{"pageSize":"2MB","limit":209715200}],"network":{"classID":1048577,"priorities":[{"name":"eth0","priority":500}]},"rdma":{"mlx5_1":{"hcaHandles":3,"hcaObjects":10000}}}}}`,
		`{"linux":{"resources":{"unified":{"memory.high":"1048576","io.max":"8:0 rbps=1","../x":"1","cgroup.procs":"1"}}}}`,
		`{"linux":{"sysctl":{"net.ipv4.ip_forward":"1","kernel.shmmax":"1","kernel.hostname":"x","fs.mqueue.msg_max":"1","net/core/somaxconn":"256"}}}`,
		`{"linux":{"rootfsPropagation":"unbindable"}}`,
		`{"linux":{"rootfsPropagation":"shared"}}`,
		`{"linux":{"maskedPaths":["/proc/kcore","/nope","relative"],"readonlyPaths":["/proc/sys","/"]}}`,
		`{"linux":{"seccomp":{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,"architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X32"],"flags":["SECCOMP_FILTER_FLAG_LOG"],"syscalls":[{"names":["read","write","execve"],"action":"SCMP_ACT_ALLOW"},{"names":["clone"],"action":"SCMP_ACT_ERRNO","errnoRet":1,"args":[{"index":0,"value":2114060288,"valueTwo":0,"op":"SCMP_CMP_MASKED_EQ"}]}]}}}`,
		`{"linux":{"seccomp":{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/run/agent","listenerMetadata":"m","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_NOTIFY"}]}}}`,
		`{"linux":{"intelRdt":{"closID":"g","l3CacheSchema":"L3:0=f","memBwSchema":"MB:0=20","schemata":["L3:0=1"],"enableMonitoring":true}}}`,
		`{"linux":{"personality":{"domain":"LINUX32","flags":[]}}}`,
		`{"linux":{"memoryPolicy":{"mode":"MPOL_INTERLEAVE","nodes":"0-1","flags":["MPOL_F_STATIC_NODES"]}}}`,
		`{"hooks":{"prestart":[{"path":"/bin/a","args":["a"],"env":["B=c"],"timeout":1}],"createRuntime":[{"path":"/bin/b"}],"createContainer":[{"path":"/bin/c"}]}}`,
		`{"hooks":{"startContainer":[{"path":"/bin/d","timeout":0}],"poststart":[{"path":"relative"}],"poststop":[{"path":"/bin/f"}]}}`,
		`{"mounts":[{"destination":"/proc","type":"proc","source":"proc"},{"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["ro","relatime"]}]}`,
		`{"mounts":[{"destination":"/data","type":"none","source":"/srv/data","options":["rbind","rro","rnosuid","rslave","rnoexec","idmap"],"uidMappings":[{"containerID":0,"hostID":5,"size":1}],"gidMappings":[{"containerID":0,"hostID":5,"size":1}]}]}`,
		`{"mounts":[{"destination":"/data","type":"bind","source":"/srv/data","options":["ridmap","bind","runbindable"]}]}`,
		`{"mounts":[{"destination":"/run","type":"tmpfs","source":"tmpfs","options":["tmpcopyup","mode=1777","size=65536k","uid=5","noswap"]},{"destination":"relative/path","type":"tmpfs"}]}`,
		`{"mounts":[{"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["ro"]},{"destination":"/dev/pts","type":"devpts","source":"devpts","options":["newinstance","ptmxmode=0666","mode=0620","gid=5"]},{"destination":"/dev/mqueue","type":"mqueue","source":"mqueue"}]}`,
		`{"mounts":[{"destination":"/","type":"bind","source":"/","options":["rbind"]},{"destination":"/../x/./y","type":"overlay","source":"o","options":["lowerdir=/a:/b","upperdir=/c","workdir=/d","unknown=1"]}]}`,
		`{"mounts":[{"destination":"/sys","type":"sysfs","source":"sysfs","options":["rro","remount","defaults","private","silent","sync","mand","strictatime","nosymfollow"]}]}`,
		`{"ociVersion":"1.3.0","solaris":{},"windows":{"layerFolders":["a"]},"vm":{"kernel":{"path":"/k"}},"zos":{}}`,
	}
}

// fuzzInput chooses a machine and a way of starting by the bits of pick.
func fuzzInput(all []container.Host, spec *specs.Spec, pick uint16) container.Input {
	host := all[int(pick)%len(all)]
	bit := func(n int) bool { return pick>>(4+n)&1 == 1 }
	in := container.Input{
		Host: host, Spec: spec, Hold: "/run/berth", Cgroup: "/berth/ID", OwnCgroup: bit(0), Account: bit(0), Everywhere: !bit(0),
		Lookup: bit(1), Init: bit(2), Tied: bit(3), Check: bit(4), NoPivot: bit(5), NoNewKeyring: bit(6), Keyring: "_ses.ID",
	}
	if bit(7) {
		in.Gate = "/run/berth/ID/start"
	}
	if bit(8) {
		in.Layers, in.Upper, in.Work, in.Volatile = []string{"/l/a", "/l/b"}, "/l/upper", "/l/work", bit(3)
	}
	if bit(9) {
		in.Files = []int{0, 1}
	}
	if !bit(10) {
		in.Hooks, in.MoveDevice = noHooks{}, func(int, string, string) error { return nil }
		in.Listener = func(int, int) error { return nil }
	}
	return in
}

type noHooks struct{}

func (noHooks) RunHook(context.Context, string, specs.Hook, int, bool) error { return nil }

// fuzzHosts are hybrid, v1 and v2 machines, old and new, and one with all the
// security modules and little power.
func fuzzHosts() []container.Host {
	all := hosts()
	list := []container.Host{all["hybrid-6.18"], all["v1-5.15"], all["v2-5.15"], all["v2-6.1"], all["v2-6.18"]}
	strict := all["v2-6.18"]
	strict.SELinux, strict.AppArmor, strict.Withheld = true, "attr/apparmor/exec", 1<<unix.CAP_SYS_RESOURCE
	strict.Limits = make([]unix.Rlimit, 16)
	strict.PathKind = func(string) rootfs.Kind { return rootfs.Missing }
	return append(list, strict)
}

func addConfigs(f *testing.F) {
	f.Helper()
	base := `{"ociVersion":"1.3.0","process":{"args":["sh"],"cwd":"/"},"root":{"path":"/srv/root"},"linux":{"namespaces":[` +
		`{"type":"mount"},{"type":"pid"},{"type":"network"},{"type":"ipc"},{"type":"uts"}]}}`
	f.Add([]byte(base), uint64(0), uint16(0))
	for i := range fragments() {
		for pick := range uint16(6) {
			f.Add([]byte(base), uint64(1)<<i, pick|uint16(i)<<4)
		}
	}
	f.Add([]byte(base), ^uint64(0), uint16(4))
	whole, err := json.Marshal(container.DefaultSpec())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole, uint64(0), uint16(0xfff3))
	for _, fragment := range fragments() {
		f.Add([]byte(fragment), uint64(0), uint16(3))
	}
	for _, text := range []string{"", "null", "{}", `{"linux":null,"process":null,"root":null}`} {
		f.Add([]byte(text), uint64(7), uint16(1))
	}
}

// FuzzConfig: a config.json, with any of the fragments laid over it, gives an
// error or a plan that the executor takes and that can be explained.
func FuzzConfig(f *testing.F) {
	addConfigs(f)
	all, parts := fuzzHosts(), fragments()
	f.Fuzz(func(t *testing.T, data []byte, mix uint64, pick uint16) {
		spec := &specs.Spec{}
		if json.Unmarshal(data, spec) != nil {
			return
		}
		for i, part := range parts {
			if mix>>i&1 == 1 {
				if err := json.Unmarshal([]byte(part), spec); err != nil {
					t.Fatalf("fragment %s: %v", part, err)
				}
			}
		}
		in := fuzzInput(all, spec, pick)
		if spec.Linux != nil && spec.Linux.Seccomp != nil {
			filter, err := seccomp.Compile(spec.Linux.Seccomp, "amd64")
			if err != nil {
				return
			}
			in.Filter = filter
		}
		out, err := container.Compile(in)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without a text")
			}
			return
		}
		if out == nil || len(out.Plan.Steps) == 0 {
			t.Fatal("neither a plan nor an error")
		}
		if err := out.Plan.Verify(); err != nil {
			t.Errorf("the executor refuses the plan: %v", err)
		}
		if err := teach.Explain(&bytes.Buffer{}, out.Plan, teach.Options{}); err != nil {
			t.Error(err)
		}
	})
}

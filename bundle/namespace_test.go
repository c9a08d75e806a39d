package bundle

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/container"
)

// The first ids of the host that tests map containers to.
const (
	firstUID = 500000
	firstGID = 600000
)

// mapped gives a spec a user namespace.
func mapped(s *specs.Spec) *specs.Spec {
	s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace}, specs.LinuxNamespace{Type: specs.CgroupNamespace})
	s.Linux.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: firstUID, Size: 1000}, {ContainerID: 5000, HostID: firstUID + 5000, Size: 10}}
	s.Linux.GIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: firstGID, Size: 1000}, {ContainerID: 5000, HostID: firstGID + 5000, Size: 10}}
	return s
}

// mappedBundle writes a bundle whose root belongs to the mapped ids.
func (h *harness) mappedBundle(s *specs.Spec) string {
	h.t.Helper()
	dir := h.bundle(s)
	root := filepath.Join(dir, "rootfs")
	err := filepath.WalkDir(root, func(name string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(name, firstUID, firstGID)
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return dir
}

// runBundle runs a bundle in the foreground.
func (h *harness) runBundle(id, dir string) (output string, code int, err error) {
	h.t.Helper()
	w, done := h.pipe()
	code, err = h.Run(h.t.Context(), id, RunOptions{CreateOptions: CreateOptions{Bundle: dir, Stdio: container.Stdio{Out: w, Err: w}}})
	return done(), code, err
}

// TestUserNamespace: root in the container is nobody special on the host, and
// all that takes the host's powers is done all the same.
func TestUserNamespace(t *testing.T) {
	h := newHarness(t)
	s := mapped(shell(`
		id -u; id -g; cat /proc/self/uid_map | tr -s " "
		: > /file; stat -c %u:%g /file /dev/null /proc/self/status
		cat /proc/self/oom_score_adj /proc/sys/net/ipv4/ip_unprivileged_port_start
		ulimit -Hn; hostname; grep -E "^(CapEff|Seccomp|Groups):" /proc/self/status
		echo x 2>/dev/null >/proc/sys/kernel/msgmax && echo written; head -c1 /proc/kcore 2>/dev/null | wc -c
		ls /sys/fs/cgroup | head -1 | wc -l; echo >/dev/null && echo device`))
	score := 500
	s.Process.OOMScoreAdj = &score
	s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 1000, Hard: hardFiles(t) - 1}}
	s.Linux.Sysctl = map[string]string{"net.ipv4.ip_unprivileged_port_start": "77"}
	s.Linux.MaskedPaths = []string{"/proc/kcore"}
	s.Linux.ReadonlyPaths = []string{"/proc/sys"}
	s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{"reboot"}, Action: specs.ActErrno}}}
	s.Mounts = append(s.Mounts, specs.Mount{Destination: "/sys", Type: "sysfs", Source: "sysfs"},
		specs.Mount{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"ro"}},
		specs.Mount{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue"})
	dir := h.mappedBundle(s)
	if err := os.Mkdir(filepath.Join(dir, "rootfs/sys"), 0o755); err != nil {
		t.Fatal(err)
	}
	out, code, err := h.runBundle("mapped", dir)
	want := fmt.Sprintf(`0
0
 0 %d 1000
 5000 %d 10
0:0
0:0
0:0
500
77
%d
test
Groups:	 
CapEff:	00000000000000e1
Seccomp:	2
0
1
device
`, firstUID, firstUID+5000, hardFiles(t)-1)
	if err != nil || code != 0 || out != want {
		t.Errorf("%d, %v:\n%s\nwant\n%s", code, err, out, want)
	}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(dir, "rootfs/file"), &st); err != nil || st.Uid != firstUID || st.Gid != firstGID {
		t.Errorf("a file of the container belongs to %d:%d, %v", st.Uid, st.Gid, err)
	}
	h.empty()
}

// hardFiles is this process's own limit.
func hardFiles(t *testing.T) uint64 {
	t.Helper()
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		t.Fatal(err)
	}
	return l.Max
}

// TestUserNamespaceOwnsTheOthers: so that its root may use its powers in them.
func TestUserNamespaceOwnsTheOthers(t *testing.T) {
	h := newHarness(t)
	s := mapped(shell("sleep 60"))
	s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.TimeNamespace})
	s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"monotonic": {Secs: 1000, Nanosecs: 5}}
	if err := h.Create(t.Context(), "owner", CreateOptions{Bundle: h.mappedBundle(s)}); err != nil {
		t.Fatal(err)
	}
	h.start("owner")
	state, err := h.State(t.Context(), "owner")
	if err != nil {
		t.Fatal(err)
	}
	ns := fmt.Sprintf("/proc/%d/ns/", state.Pid)
	var user unix.Stat_t
	if err := unix.Stat(ns+"user", &user); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"mnt", "pid", "net", "ipc", "uts", "cgroup", "time"} {
		fd, err := unix.Open(ns+name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		owner, err := unix.IoctlRetInt(fd, unix.NS_GET_USERNS)
		unix.Close(fd)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var st unix.Stat_t
		if err := unix.Fstat(owner, &st); err != nil || st.Ino != user.Ino {
			t.Errorf("%s belongs to user namespace %d, %v; want %d", name, st.Ino, err, user.Ino)
		}
		unix.Close(owner)
	}
	offsets, err := os.ReadFile(fmt.Sprintf("/proc/%d/timens_offsets", state.Pid))
	if want := "monotonic 1000 5 boottime 0 0"; err != nil || strings.Join(strings.Fields(string(offsets)), " ") != want {
		t.Errorf("offsets %q, %v; want %q", offsets, err, want)
	}
	h.execs("owner", s, "id -u; cat /proc/self/oom_score_adj; awk '{print $1}' /proc/self/uid_map", "0\n0\n0\n5000\n")
}

// execs runs a script in a container.
func (h *harness) execs(id string, s *specs.Spec, script, want string) {
	h.t.Helper()
	w, done := h.pipe()
	p := *s.Process
	p.Args = []string{"/bin/sh", "-c", script}
	code, err := h.Exec(h.t.Context(), id, ExecOptions{Process: &p, Stdio: container.Stdio{Out: w, Err: w}})
	if out := done(); err != nil || code != 0 || out != want {
		h.t.Errorf("exec: %q, %d, %v; want %q", out, code, err, want)
	}
}

// TestUserNamespaceWithoutRoot: where 0 is not mapped, the first id that is
// makes the container.
func TestUserNamespaceWithoutRoot(t *testing.T) {
	h := newHarness(t)
	s := mapped(shell(`id -u; id -g; : > /tmp/file && stat -c %u:%g /tmp/file; awk "/^CapPrm/ {print \$2}" /proc/self/status`))
	s.Linux.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 1000, HostID: firstUID + 1000, Size: 5}}
	s.Linux.GIDMappings = []specs.LinuxIDMapping{{ContainerID: 2000, HostID: firstGID + 2000, Size: 5}}
	s.Process.User = specs.User{UID: 1001, GID: 2002}
	// A tmpfs and what is made in it would belong to a root that is not there.
	s.Mounts = slices.DeleteFunc(s.Mounts, func(m specs.Mount) bool { return m.Type == "tmpfs" || m.Type == "devpts" })
	s.Mounts = append(s.Mounts, specs.Mount{Destination: "/dev", Type: "bind", Source: "/dev", Options: []string{"rbind"}})
	dir := h.mappedBundle(s)
	if err := os.Chown(filepath.Join(dir, "rootfs/tmp"), firstUID+1001, firstGID+2002); err != nil {
		t.Fatal(err)
	}
	out, code, err := h.runBundle("rootless", dir)
	if want := "1001\n2002\n1001:2002\n0000000000000000\n"; err != nil || code != 0 || out != want {
		t.Errorf("%q, %d, %v; want %q", out, code, err, want)
	}
}

// sleeper is a process in namespaces of its own, whose pid it returns.
func sleeper(t *testing.T, attr syscall.SysProcAttr) int {
	t.Helper()
	cmd := exec.Command("/bin/sleep", "60")
	cmd.SysProcAttr = &attr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}

// joining gives a spec the namespaces of a process.
func joining(s *specs.Spec, pid int, kinds ...specs.LinuxNamespaceType) *specs.Spec {
	files := map[specs.LinuxNamespaceType]string{specs.NetworkNamespace: "net", specs.MountNamespace: "mnt"}
	for i := range s.Linux.Namespaces {
		n := &s.Linux.Namespaces[i]
		for _, k := range kinds {
			if n.Type != k {
				continue
			}
			file := files[k]
			if file == "" {
				file = string(k)
			}
			n.Path = "/proc/" + strconv.Itoa(pid) + "/ns/" + file
		}
	}
	return s
}

// TestJoinNamespaces joins each kind of namespace, alone and all together,
// with and without a user namespace.
func TestJoinNamespaces(t *testing.T) {
	h := newHarness(t)
	kinds := []specs.LinuxNamespaceType{
		specs.MountNamespace, specs.PIDNamespace, specs.NetworkNamespace, specs.IPCNamespace, specs.UTSNamespace, specs.CgroupNamespace, specs.TimeNamespace,
	}
	const flags = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP
	host := syscall.SysProcAttr{Cloneflags: flags}
	user := syscall.SysProcAttr{
		Cloneflags:  flags | unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: firstUID, Size: 1000}, {ContainerID: 5000, HostID: firstUID + 5000, Size: 10}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: firstGID, Size: 1000}, {ContainerID: 5000, HostID: firstGID + 5000, Size: 10}},
	}
	type variant struct {
		name  string
		of    syscall.SysProcAttr
		kinds []specs.LinuxNamespaceType
		user  string
	}
	list := []variant{{"all", host, kinds, ""}}
	for _, k := range kinds {
		list = append(list, variant{string(k), host, []specs.LinuxNamespaceType{k}, ""})
	}
	withUser := append([]specs.LinuxNamespaceType{specs.UserNamespace}, kinds...)
	list = append(list,
		variant{"all of a user namespace", user, withUser, "mappings"},
		variant{"user namespace only", user, withUser[:1], "mappings"},
		variant{"user namespace without mappings", user, withUser[:1], "none"},
		variant{"all of a user namespace without mappings", user, withUser, "none"},
		variant{"network of the host's, new user namespace", host, []specs.LinuxNamespaceType{specs.NetworkNamespace}, "mappings"},
	)
	for i, x := range list {
		t.Run(x.name, func(t *testing.T) {
			s := shell("sleep 60")
			if x.user != "" {
				mapped(s)
			} else {
				s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.CgroupNamespace})
			}
			if x.user == "none" {
				s.Linux.UIDMappings, s.Linux.GIDMappings = nil, nil
			}
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.TimeNamespace})
			// A mount namespace has another root once a container has joined it.
			joining(s, sleeper(t, x.of), x.kinds...)
			id := "join" + strconv.Itoa(i)
			if err := h.Create(t.Context(), id, CreateOptions{Bundle: h.mappedBundle(s)}); err != nil {
				t.Fatal(err)
			}
			h.start(id)
			state, err := h.State(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range s.Linux.Namespaces {
				name := filepath.Base(n.Path)
				if n.Path == "" {
					name = map[specs.LinuxNamespaceType]string{specs.NetworkNamespace: "net", specs.MountNamespace: "mnt"}[n.Type]
					if name == "" {
						name = string(n.Type)
					}
				}
				got, err1 := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", state.Pid, name))
				own, err2 := os.Readlink("/proc/self/ns/" + name)
				if err1 != nil || err2 != nil {
					t.Fatal(err1, err2)
				}
				want := own
				if n.Path != "" {
					if want, err = os.Readlink(n.Path); err != nil {
						t.Fatal(err)
					}
				}
				if (got == want) != (n.Path != "") {
					t.Errorf("%s is %s; the path's is %s", n.Type, got, want)
				}
			}
			h.execs(id, s, "id -u", "0\n")
			if err := h.Delete(t.Context(), id, true); err != nil {
				t.Error(err)
			}
			// A zombie in a PID namespace keeps its PID 1 from ending.
			_, _ = unix.Wait4(state.Pid, nil, 0, nil)
		})
	}
}

// TestJoinRefused: what a path turns out to be is told before anything is made.
func TestJoinRefused(t *testing.T) {
	h := newHarness(t)
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	other := sleeper(t, syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 7, Size: 1}}, GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 7, Size: 1}}})
	path := func(kind specs.LinuxNamespaceType, p string) func(*specs.Spec) {
		return func(s *specs.Spec) {
			for i := range s.Linux.Namespaces {
				if s.Linux.Namespaces[i].Type == kind {
					s.Linux.Namespaces[i].Path = p
				}
			}
		}
	}
	for _, x := range []struct {
		name   string
		change func(*specs.Spec)
		want   string
	}{
		{"missing", path(specs.NetworkNamespace, "/no/such/ns"), "/no/such/ns"},
		{"of another type", path(specs.NetworkNamespace, "/proc/self/ns/uts"), "linux.namespaces[network].path: /proc/self/ns/uts is another type of namespace"},
		{"a file", path(specs.PIDNamespace, "/etc/passwd"), "linux.namespaces[pid].path: /etc/passwd is not a namespace"},
		{"a FIFO", path(specs.IPCNamespace, fifo), "linux.namespaces[ipc].path: " + fifo + " is not a namespace"},
		{"a folder", path(specs.IPCNamespace, dir), "linux.namespaces[ipc].path: " + dir + " is not a namespace"},
		{"host name of the host", path(specs.UTSNamespace, "/proc/self/ns/uts"), "hostname: not allowed in the host's uts namespace"},
		{"parameter of the host", func(s *specs.Spec) {
			path(specs.NetworkNamespace, "/proc/self/ns/net")(s)
			s.Linux.Sysctl = map[string]string{"net/ipv4/ip_forward": "1"}
		}, "linux.sysctl[net/ipv4/ip_forward]: not allowed in the host's network namespace"},
		{"message queues of the host", func(s *specs.Spec) {
			path(specs.IPCNamespace, "/proc/self/ns/ipc")(s)
			s.Linux.Sysctl = map[string]string{"fs.mqueue.msg_max": "11"}
		}, "linux.sysctl[fs.mqueue.msg_max]: not allowed in the host's ipc namespace"},
		{"devices for the host", func(s *specs.Spec) {
			path(specs.NetworkNamespace, "/proc/self/ns/net")(s)
			s.Linux.NetDevices = map[string]specs.LinuxNetDevice{"btnothing": {}}
		}, "linux.netDevices: not allowed in the host's network namespace"},
		{"own user namespace", func(s *specs.Spec) {
			mapped(s)
			s.Linux.UIDMappings, s.Linux.GIDMappings = nil, nil
			path(specs.UserNamespace, "/proc/self/ns/user")(s)
		}, "linux.namespaces[user].path: /proc/self/ns/user is the runtime's own user namespace"},
		{"other mappings", func(s *specs.Spec) {
			mapped(s)
			path(specs.UserNamespace, fmt.Sprintf("/proc/%d/ns/user", other))(s)
		}, "linux.uidMappings: the user namespace to join maps differently (0 7 1): mappings must be left out or match"},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := shell("echo payload")
			x.change(s)
			before, err := os.Hostname()
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = h.run(s)
			if err == nil || !strings.Contains(err.Error(), x.want) {
				t.Errorf("got %v, want %s", err, x.want)
			}
			h.empty()
			if after, err := os.Hostname(); after != before {
				t.Errorf("the host is called %s, was %s: %v", after, before, err)
			}
		})
	}
}

// TestUserNamespaceTerminal: the terminal belongs to the payload's user.
func TestUserNamespaceTerminal(t *testing.T) {
	h := newHarness(t)
	s := mapped(shell("tty; stat -c '%n %u' $(tty) /dev/console; stty size; echo to-console > /dev/console; : < /dev/ptmx && echo more"))
	s.Process.Terminal, s.Process.User = true, specs.User{UID: 5, GID: 6}
	s.Process.ConsoleSize = &specs.Box{Height: 11, Width: 22}
	out, code, err := h.runBundle("tty", h.mappedBundle(s))
	if want := "/dev/pts/0\r\n/dev/pts/0 5\r\n/dev/console 5\r\n11 22\r\nto-console\r\nmore\r\n"; err != nil || code != 0 || out != want {
		t.Errorf("%q, %d, %v; want %q", out, code, err, want)
	}
}

// TestUserNamespaceInClosedFolders: the mapped root need not be able to walk
// to the root on the host, hooks or not.
func TestUserNamespaceInClosedFolders(t *testing.T) {
	h := newHarness(t)
	for _, hooks := range []bool{false, true} {
		s := mapped(shell("echo payload"))
		file := filepath.Join(t.TempDir(), "seen")
		if hooks {
			s.Hooks = &specs.Hooks{
				CreateRuntime:   []specs.Hook{script(`id -u; ls -d rootfs/usr > "$0"`, file)},
				CreateContainer: []specs.Hook{script(`test $(id -u) = 0 && test $(id -g) = 0 && grep -q ' 500000 ' /proc/self/uid_map && readlink /proc/self/ns/user > /dev/null`)},
			}
		}
		dir := h.mappedBundle(s)
		if err := errors.Join(os.Chmod(dir, 0o700), os.Chmod(h.Dir, 0o700)); err != nil && hooks {
			t.Fatal(err)
		}
		out, code, err := h.runBundle("closed", dir)
		if err != nil || code != 0 || out != "payload\n" {
			t.Errorf("hooks %v: %q, %d, %v", hooks, out, code, err)
		}
		if hooks {
			if seen, err := os.ReadFile(file); err != nil || string(seen) != "rootfs/usr\n" {
				t.Errorf("the hook saw %q, %v", seen, err)
			}
		}
	}
	h.empty()
}

// TestTimeNamespace: clocks have their offsets from the first process on, for
// programs that join, too.
func TestTimeNamespace(t *testing.T) {
	h := newHarness(t)
	s := shell("sleep 60")
	s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.TimeNamespace})
	s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"boottime": {Secs: 100_000_000}, "monotonic": {Secs: 7}}
	h.create("clock", s)
	h.start("clock")
	state, err := h.State(t.Context(), "clock")
	if err != nil {
		t.Fatal(err)
	}
	if pid, err := innerPid(state.Pid); err != nil || pid != 1 {
		t.Errorf("the payload is process %d, %v", pid, err)
	}
	h.execs("clock", s, `test $(cut -d. -f1 /proc/uptime) -gt 100000000 && echo late; test $(readlink /proc/self/ns/time) = $(readlink /proc/1/ns/time) && echo same`, "late\nsame\n")
}

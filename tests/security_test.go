package tests

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSecurityPowers: what a payload may do, at run and at exec
// (CVE-2022-24769 was inheritable capabilities).
func TestSecurityPowers(t *testing.T) {
	s, p := newStage(t), probe(t)
	const docker, none = "00000000a80425fb", "0000000000000000"
	for _, x := range []struct {
		name  string
		flags string
		want  map[string]string
	}{
		{"default", "", map[string]string{"CapInh": none, "CapPrm": docker, "CapEff": docker, "CapBnd": docker, "CapAmb": none, "Seccomp": "2", "NoNewPrivs": "0", "Groups": "0", "Uid": "0\t0\t0\t0"}},
		{"user", "--user 1000:1001", map[string]string{"CapInh": none, "CapPrm": none, "CapEff": none, "CapBnd": docker, "CapAmb": none, "Seccomp": "2", "Uid": "1000\t1000\t1000\t1000", "Gid": "1001\t1001\t1001\t1001", "Groups": "1001"}},
		{"flags", "--security-opt no-new-privileges --security-opt seccomp=unconfined --cap-drop ALL --cap-add CHOWN --group-add 44", map[string]string{"CapInh": none, "CapEff": "0000000000000001", "CapBnd": "0000000000000001", "CapAmb": none, "Seccomp": "0", "NoNewPrivs": "1", "Groups": "0 44"}},
		{"init", "--init", map[string]string{"CapInh": none, "CapEff": docker, "CapBnd": docker, "CapAmb": none, "Seccomp": "2"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			check := func(how, text string) {
				for field, want := range x.want {
					if got := statusField(text, field); got != want {
						t.Errorf("%s: %s is %q, want %q", how, field, got, want)
					}
				}
			}
			check("run", s.must(words("run --rm", x.flags, p, "box /probe status")...))
			s.must(words("run -d --rm --name powers", x.flags, p, "box sleep 1000")...)
			check("exec", s.must("exec", "powers", "/probe", "status"))
			s.must("rm", "-f", "powers")
		})
	}
	s.clean()
}

// TestSecurityDescriptors: a payload has its three streams and nothing that
// berth or its caller had open (CVE-2016-9962, CVE-2024-21626).
func TestSecurityDescriptors(t *testing.T) {
	s, p := newStage(t), probe(t)
	dir, err := os.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	s.must(words("run -d --rm --name descriptors", p, "box sleep 1000")...)
	for _, args := range [][]string{
		words("run --rm", p, "box /probe fds"), words("run --rm --init", p, "box /probe fds"),
		words("run --rm -i", p, "box /probe fds"), words("exec descriptors /probe fds"), words("exec -i descriptors /probe fds"),
	} {
		cmd := s.command(args...)
		cmd.ExtraFiles = []*os.File{dir, dir}
		r := finish(t, cmd)
		lines := strings.Split(strings.TrimSpace(r.out), "\n")
		if len(lines) != 3 {
			t.Errorf("%v: descriptors\n%s%s", args, r.out, r.errs)
			continue
		}
		for i, line := range lines {
			number, what, _ := strings.Cut(line, " ")
			if number != fmt.Sprint(i) || what != "/dev/null" && !strings.HasPrefix(what, "pipe:") {
				t.Errorf("%v: descriptor %s is %s", args, number, what)
			}
		}
	}
	for fd := 3; fd <= 40; fd += 1 + fd/12 {
		for _, args := range [][]string{words("run --rm -w", fmt.Sprint("/proc/self/fd/", fd), "box ls"), words("exec -w", fmt.Sprint("/proc/self/fd/", fd), "descriptors ls")} {
			cmd := s.command(args...)
			cmd.ExtraFiles = []*os.File{dir, dir}
			if r := finish(t, cmd); r.code == 0 || r.out != "" {
				t.Errorf("%v: exit code %d, and it sees\n%s", args, r.code, r.out)
			}
		}
	}
	s.must("rm", "-f", "descriptors")
	dir.Close()
	s.clean()
}

// writable are the files of /proc and /sys that a payload may open for
// writing. Only what is about the payload itself may be here.
func writable() []string {
	// docker leaves dynamic_debug open too; kernels that have it are rare.
	all := []string{"/proc/dynamic_debug/control", "/proc/pressure/io", "/proc/pressure/cpu", "/proc/pressure/memory", "/proc/pressure/irq"}
	for _, name := range []string{
		"attr/current", "attr/exec", "attr/fscreate", "attr/keycreate", "attr/sockcreate", "attr/apparmor/current", "attr/apparmor/exec",
		"attr/smack/current", "autogroup", "clear_refs", "comm", "coredump_filter", "gid_map", "loginuid", "mem", "oom_adj", "oom_score_adj",
		"projid_map", "sched", "setgroups", "timens_offsets", "timerslack_ns", "uid_map", "make-it-fail", "fail-nth", "latency", "patch_state",
	} {
		all = append(all, "/proc/1/"+name, "/proc/1/task/1/"+name)
	}
	return all
}

// TestSecurityProcAndSys walks what the kernel shows and looks for anything
// that can be written and is not the payload's own.
func TestSecurityProcAndSys(t *testing.T) {
	s, p := newStage(t), probe(t)
	found := strings.Fields(s.must(words("run --rm", p, "box /probe walk /proc /sys")...))
	if !slices.Contains(found, "/proc/1/comm") {
		t.Fatalf("the walk found only %v", found)
	}
	for _, name := range found {
		if !slices.Contains(writable(), name) {
			t.Errorf("%s can be written", name)
		}
	}
	masked := "/proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats /proc/sched_debug /proc/scsi /proc/timer_list /proc/timer_stats /sys/devices/virtual/powercap /sys/firmware"
	script := "for p in " + masked + `; do
	test -e $p || continue
	if test -d $p; then test -z "$(ls $p)" || echo $p is not empty; touch $p/x 2>/dev/null && echo $p can be written
	else test "$(head -c 1 $p | wc -c)" -eq 0 || echo $p can be read; fi
done
for p in /proc/bus /proc/fs /proc/irq /proc/sys/kernel /proc/sysrq-trigger /sys/fs/cgroup /sys/kernel; do
	test -e $p || continue
	if test -d $p; then touch $p/x 2>/dev/null && echo $p can be written
	else (echo h >$p) 2>/dev/null && echo $p can be written; fi
done
mount -t tmpfs none /tmp 2>/dev/null && echo mounted
umount /proc/kcore 2>/dev/null && echo unmounted
mount -o remount,rw /sys 2>/dev/null && echo remounted
true`
	if out := s.must("run", "--rm", "box", "sh", "-c", script); out != "" {
		t.Errorf("in the container:\n%s", out)
	}
	table := s.must("run", "--rm", "box", "cat", "/proc/self/mountinfo")
	mounts := 0
	for line := range strings.Lines(table) {
		// proc_pid_mountinfo(5): the mount point and its own options.
		if f := strings.Fields(line); strings.HasPrefix(f[4], "/sys/fs/cgroup") {
			mounts++
			if !strings.HasPrefix(f[5]+",", "ro,") {
				t.Errorf("a cgroup mount is not read-only: %s", line)
			}
		}
	}
	if mounts == 0 {
		t.Errorf("no cgroup is mounted:\n%s", table)
	}
	s.clean()
}

// TestSecuritySysctl: settings stay in the container's namespaces
// (CVE-2022-0811).
func TestSecuritySysctl(t *testing.T) {
	s := newStage(t)
	const file = "/proc/sys/net/ipv4/ip_default_ttl"
	host := readFile(t, file)
	if got := s.must("run", "--rm", "--sysctl", "net.ipv4.ip_default_ttl=77", "--sysctl", "kernel.msgmax=4321", "box", "cat", file, "/proc/sys/kernel/msgmax"); got != "77\n4321" {
		t.Errorf("in the container they are %q", got)
	}
	if now := readFile(t, file); now != host {
		t.Errorf("the host's %s was %s and is %s", file, host, now)
	}
	for _, bad := range []string{
		"kernel.core_pattern=|/x", "kernel/core_pattern=x", "vm.overcommit_memory=1", "fs.file-max=1", "net/../kernel/core_pattern=x",
		"net.ipv4.ip_forward", "=1", "kernel.shm_rmid_forced=1\nkernel.core_pattern=x", "kernel.modprobe=/x",
	} {
		if r := s.do("run", "--rm", "--sysctl", bad, "box", "true"); r.code != 125 {
			t.Errorf("--sysctl %q: exit code %d\n%s", bad, r.code, r.errs)
		}
	}
	if r := s.do("run", "--rm", "--network", "host", "--sysctl", "net.ipv4.ip_default_ttl=78", "box", "true"); r.code != 125 {
		t.Errorf("a setting of the host's network: exit code %d", r.code)
	}
	if now := readFile(t, file); now != host {
		t.Errorf("the host's %s was %s and is %s", file, host, now)
	}
	s.clean()
}

// TestSecurityDevices: nodes may be made, and only the usual ones opened.
func TestSecurityDevices(t *testing.T) {
	s, p := newStage(t), probe(t)
	for device, want := range map[string]string{
		"c 1 3": "ok", "c 1 5": "ok", "c 1 8": "ok", "b 8 0": "Operation not permitted", "b 254 0": "Operation not permitted",
		"c 1 1": "Operation not permitted", "c 1 11": "Operation not permitted", "c 10 200": "Operation not permitted", "c 5 1": "",
	} {
		got := s.must(words("run --rm", p, "box /probe device", device)...)
		if want != "" && got != want {
			t.Errorf("%s: %s, want %s", device, got, want)
		}
	}
	if got := s.must(words("run --rm --device /dev/zero:/dev/other:r", p, "box /probe device c 1 5")...); got != "ok" {
		t.Errorf("--device: %s", got)
	}
	s.clean()
}

// TestSecurityCalls: system calls that have no business in a container.
func TestSecurityCalls(t *testing.T) {
	s, p := newStage(t), probe(t)
	const vsock, alg, inet, netlink = 40, 38, 2, 16
	for family, works := range map[int]bool{inet: true, netlink: true, alg: false, vsock: false} {
		got := s.must(words("run --rm", p, "box /probe socket", fmt.Sprint(family), "2")...)
		if family == netlink || family == vsock || family == alg {
			got = s.must(words("run --rm", p, "box /probe socket", fmt.Sprint(family), map[int]string{netlink: "3", vsock: "1", alg: "5"}[family])...)
		}
		if (got == "ok") != works {
			t.Errorf("socket of family %d: %s", family, got)
		}
	}
	// Keyrings are no namespace: each container has one of its own.
	rings := map[string]bool{"-1": true}
	for range 2 {
		ring := s.must(words("run --rm --security-opt seccomp=unconfined", p, "box /probe keyring")...)
		if rings[ring] {
			t.Errorf("the keyring %s is not the container's own", ring)
		}
		rings[ring] = true
	}
	s.clean()
}

// TestSecurityOwnBinary: nothing in a container can write what berth is
// executed from (CVE-2019-5736).
func TestSecurityOwnBinary(t *testing.T) {
	s, p := newStage(t), probe(t)
	hash := func() [32]byte {
		data, err := os.ReadFile(s.path)
		if err != nil {
			t.Fatal(err)
		}
		return sha256.Sum256(data)
	}
	before := hash()
	if got := s.must(words("run --rm --init", p, "box /probe open w /proc/1/exe")...); got == "ok" {
		t.Error("PID 1's program can be written")
	}
	if got := s.must(words("run --rm --init --privileged", p, "box /probe open w /proc/1/exe")...); got == "ok" {
		t.Error("a privileged payload can write PID 1's program")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "script"), []byte("#!/proc/self/exe\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		words("run --rm -v", dir+":/x", "box /x/script"), words("run --rm --init -v", dir+":/x", "box /x/script"),
		words("run --rm --entrypoint /proc/self/exe box"), words("run --rm --init --entrypoint /proc/1/exe box run"),
	} {
		r := s.do(args...)
		t.Logf("%v: %d %s%s", args, r.code, r.out, r.errs)
	}
	s.must("run", "-d", "--rm", "--name", "victim", "-v", dir+":/x", "box", "sleep", "1000")
	s.do("exec", "victim", "/x/script")
	s.do("exec", "victim", "/proc/self/exe")
	s.must("rm", "-f", "victim")
	if hash() != before {
		t.Error("the binary changed")
	}
	s.clean()
}

// TestSecurityHostUnaffected: names, mounts, masks and scores are the host's.
func TestSecurityHostUnaffected(t *testing.T) {
	s := newStage(t)
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	score := readFile(t, "/proc/self/oom_score_adj")
	sockets := abstractSockets(t)
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	out := s.must("run", "--rm", "--hostname", "inside", "--oom-score-adj", "321", "box", "sh", "-c", "hostname; umask; cat /proc/self/oom_score_adj; touch /tmp/f; stat -c %a /tmp/f / /dev /dev/null")
	if out != "inside\n0022\n321\n644\n755\n755\n666" {
		t.Errorf("in the container:\n%s", out)
	}
	s.must("run", "-d", "--name", "quiet", "--network", "host", "box", "sleep", "1000")
	if now := abstractSockets(t); !slices.Equal(now, sockets) {
		t.Errorf("abstract sockets (CVE-2020-15257): %v, there were %v", now, sockets)
	}
	s.must("rm", "-f", "quiet")
	if now, err := os.Hostname(); err != nil || now != name {
		t.Errorf("the host was called %s and is called %s, %v", name, now, err)
	}
	if now := readFile(t, "/proc/self/oom_score_adj"); now != score {
		t.Errorf("the score was %s and is %s", score, now)
	}
	s.clean()
}

// abstractSockets lists the abstract unix sockets that berth could have made.
// Other programs have some, which come and go.
func abstractSockets(t *testing.T) []string {
	var names []string
	for line := range strings.Lines(readFile(t, "/proc/net/unix")) {
		if f := strings.Fields(line); len(f) == 8 && strings.HasPrefix(f[7], "@") && strings.Contains(f[7], "berth") {
			names = append(names, f[7])
		}
	}
	return names
}

// TestSecurityStateFolders: whatever the umask, nobody else reads berth's state
// or reaches a setuid file in a layer (CVE-2021-41091).
func TestSecurityStateFolders(t *testing.T) {
	s := newStage(t)
	for _, mask := range []int{0o000, 0o022, 0o077} {
		t.Run(fmt.Sprintf("%03o", mask), func(t *testing.T) {
			base, err := os.MkdirTemp("/run", "b")
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(base)
			if err := os.Chmod(base, 0o755); err != nil {
				t.Fatal(err)
			}
			env := append(os.Environ(), "BERTH_ROOT="+base+"/lib", "BERTH_RUNROOT="+base+"/run")
			old := unix.Umask(mask)
			defer unix.Umask(old)
			for _, args := range []string{"run -d --name state box sleep 1000", "run --name other box sh -c id"} {
				cmd := s.command(strings.Fields(args)...)
				cmd.Env = env
				if r := finish(t, cmd); r.code != 0 {
					t.Fatalf("%s: %d %s", args, r.code, r.errs)
				}
			}
			for _, dir := range []string{"lib", "run"} {
				if st, err := os.Stat(base + "/" + dir); err != nil || st.Mode().Perm() != 0o700 {
					t.Errorf("%s: %v, %v", dir, st.Mode(), err)
				}
			}
			look := exec.Command("find", base+"/lib", base+"/run", "-mindepth", "1")
			look.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			if out, _ := look.Output(); len(out) > 0 {
				t.Errorf("uid 65534 sees:\n%s", out)
			}
			cmd := s.command("rm", "-f", "state", "other")
			cmd.Env = env
			if r := finish(t, cmd); r.code != 0 {
				t.Errorf("rm: %s", r.errs)
			}
		})
	}
	s.clean()
}

// TestSecurityHostileUserFiles: /etc/passwd and /etc/group of an image can be
// anything, and nothing makes a start hang or read the host's
// (CVE-2026-47262).
func TestSecurityHostileUserFiles(t *testing.T) {
	s := newStage(t)
	layers, err := filepath.Glob(s.root + "/layer/*/bin/sh")
	if err != nil || len(layers) != 1 {
		t.Fatalf("find the layer of box: %v, %v", layers, err)
	}
	for _, file := range []string{"passwd", "group"} {
		for kind, spoil := range map[string]func(path string) error{
			"fifo":   func(p string) error { return unix.Mkfifo(p, 0o644) },
			"device": func(p string) error { return unix.Mknod(p, unix.S_IFCHR|0o644, int(unix.Mkdev(1, 5))) },
			"out":    func(p string) error { return os.Symlink("../../../../../../../../etc/"+file, p) },
			"magic":  func(p string) error { return os.Symlink("/proc/self/root/etc/"+file, p) },
			"loop":   func(p string) error { return os.Symlink(file, p) },
			"folder": func(p string) error { return os.Mkdir(p, 0o755) },
			"huge":   func(p string) error { return errors.Join(os.WriteFile(p, nil, 0o644), os.Truncate(p, 1<<40)) },
			"socket": func(p string) error { return unix.Mknod(p, unix.S_IFSOCK|0o644, 0) },
		} {
			t.Run(file+" "+kind, func(t *testing.T) {
				root := t.TempDir()
				if out, err := exec.Command("cp", "-a", filepath.Dir(filepath.Dir(layers[0]))+"/.", root).CombinedOutput(); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				path := filepath.Join(root, "etc", file)
				if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
					t.Fatal(err)
				}
				if err := spoil(path); err != nil {
					t.Fatal(err)
				}
				// daemon is a user of the host, and not of the image.
				r := s.do("run", "--rm", "--user", "daemon", "--rootfs", root, "/bin/id")
				if r.code == 0 || strings.Count(r.errs, "Error: ") != 1 {
					t.Errorf("exit code %d\n%s%s", r.code, r.out, r.errs)
				}
			})
		}
	}
	s.clean()
}

package teach

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// Short forms for the table below.
var (
	call = func(nr uintptr, args ...nsenter.Arg) nsenter.Step { return nsenter.Call(nsenter.Child, nr, args...) }
	str  = nsenter.Str
	fd   = nsenter.Fd(0)
	null = nsenter.Null()
)

func num(v int64) nsenter.Arg { return nsenter.Int(v) }

func data(b []byte) nsenter.Arg { return nsenter.Ptr(&nsenter.Data{Bytes: b}) }

func TestCall(t *testing.T) {
	tests := []struct {
		step        nsenter.Step
		short, full string // full is empty when it is as short
	}{
		{call(unix.SYS_OPENAT2, fd, str("proc"), nsenter.Ptr(nsenter.OpenHow(unix.O_PATH|unix.O_CLOEXEC, 0, unix.RESOLVE_IN_ROOT)), num(24)),
			`openat2(<root>, "proc", {flags=O_PATH|O_CLOEXEC, resolve=RESOLVE_IN_ROOT}, 24)`, ""},
		{call(unix.SYS_OPENAT2, num(unix.AT_FDCWD), str("f"), nsenter.Ptr(nsenter.OpenHow(unix.O_CREAT|unix.O_RDWR, 0o644, 0)), num(24)),
			`openat2(AT_FDCWD, "f", {flags=O_RDWR|O_CREAT, mode=0644}, 24)`, ""},
		{call(unix.SYS_OPENAT, fd, str("x"), num(unix.O_TMPFILE|unix.O_WRONLY), num(0o600)),
			`openat(<root>, "x", O_WRONLY|O_TMPFILE, 0600)`, ""},
		{call(unix.SYS_CLOSE, num(7)), `close(7)`, ""},
		{call(unix.SYS_CLOSE_RANGE, num(5), num(1<<32-1), num(0)), `close_range(5, 4294967295, 0)`, ""},
		{call(unix.SYS_WRITE, fd, str("0 0 4294967295\n"), num(15)), `write(<root>, "0 0 4294967295\n", 15)`, ""},
		{call(unix.SYS_READ, fd, nsenter.Bytes(nil, "/* one byte */"), num(1)), `read(<root>, /* one byte */, 1)`, ""},
		{call(unix.SYS_WRITE, fd, nsenter.Bytes([]byte("\x7fELF"), "/* a program */"), num(4)), `write(<root>, /* a program */, 4)`, ""},
		{call(unix.SYS_DUP3, fd, num(3), num(unix.O_CLOEXEC)), `dup3(<root>, 3, O_CLOEXEC)`, ""},
		{call(unix.SYS_FCNTL, fd, num(unix.F_SETFD), num(unix.FD_CLOEXEC)), `fcntl(<root>, F_SETFD, FD_CLOEXEC)`, ""},
		{call(unix.SYS_FCNTL, fd, num(unix.F_ADD_SEALS), num(unix.F_SEAL_WRITE|unix.F_SEAL_SEAL)),
			`fcntl(<root>, F_ADD_SEALS, F_SEAL_SEAL|F_SEAL_WRITE)`, ""},
		{call(unix.SYS_IOCTL, num(0), num(unix.TIOCSCTTY), num(1)), `ioctl(0, TIOCSCTTY, 1)`, ""},
		{call(unix.SYS_IOCTL, fd, num(unix.SIOCSIFFLAGS), data(append([]byte("lo\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), words16(unix.IFF_UP|unix.IFF_RUNNING, 0)...))),
			`ioctl(<root>, SIOCSIFFLAGS, {ifr_name="lo", ifr_flags=IFF_UP|IFF_RUNNING})`, ""},
		{call(unix.SYS_IOCTL, num(1), num(unix.TIOCSWINSZ), data(words16(24, 80, 0, 0))), `ioctl(1, TIOCSWINSZ, {ws_row=24, ws_col=80})`, ""},
		{call(unix.SYS_SOCKET, num(unix.AF_INET), num(unix.SOCK_DGRAM|unix.SOCK_CLOEXEC), num(0)),
			`socket(AF_INET, SOCK_DGRAM|SOCK_CLOEXEC, 0)`, ""},
		{call(unix.SYS_SENDTO, fd, data([]byte("\x14\x00")), num(2), num(unix.MSG_NOSIGNAL), null, num(0)),
			`sendto(<root>, "\x14\x00", 2, MSG_NOSIGNAL, NULL, 0)`, ""},
		{call(unix.SYS_FTRUNCATE, fd, num(4096)), `ftruncate(<root>, 4096)`, ""},
		{call(unix.SYS_BPF, num(unix.BPF_PROG_ATTACH), data(words32(5, 6, unix.BPF_CGROUP_DEVICE, unix.BPF_F_ALLOW_MULTI)), num(16)),
			`bpf(BPF_PROG_ATTACH, {target_fd=5, attach_bpf_fd=6, attach_type=BPF_CGROUP_DEVICE, attach_flags=BPF_F_ALLOW_MULTI}, 16)`, ""},
		{call(unix.SYS_BPF, num(unix.BPF_PROG_LOAD), data(words32(unix.BPF_PROG_TYPE_CGROUP_DEVICE, 12, 0, 0, 0, 0)), num(24)),
			`bpf(BPF_PROG_LOAD, {prog_type=BPF_PROG_TYPE_CGROUP_DEVICE, insns=12 instructions}, 24)`, ""},
		{call(unix.SYS_KEYCTL, num(unix.KEYCTL_JOIN_SESSION_KEYRING), str("_ses.3f2a")), `keyctl(KEYCTL_JOIN_SESSION_KEYRING, "_ses.3f2a")`, ""},
		{call(unix.SYS_KEYCTL, num(unix.KEYCTL_JOIN_SESSION_KEYRING), null), `keyctl(KEYCTL_JOIN_SESSION_KEYRING, NULL)`, ""},
		{call(unix.SYS_KEYCTL, num(unix.KEYCTL_SETPERM), num(-3), num(0x3f3f0000)), `keyctl(KEYCTL_SETPERM, KEY_SPEC_SESSION_KEYRING, 1061093376)`, ""},
		{call(unix.SYS_EXECVE, str("/bin/true"), nsenter.Strs([]string{"true", "a b"}), nsenter.Strs([]string{"A=1"})),
			`execve("/bin/true", ["true", "a b"], [/* 1 variable */])`, `execve("/bin/true", ["true", "a b"], ["A=1"])`},
		{call(unix.SYS_EXECVEAT, fd, str(""), nsenter.Strs(nil), null, num(unix.AT_EMPTY_PATH)),
			`execveat(<root>, "", [], NULL, AT_EMPTY_PATH)`, ""},
		{call(unix.SYS_CLONE, num(unix.CLONE_PARENT|int64(unix.SIGCHLD)), num(0)), `clone(PARENT|SIGCHLD, NULL)`, `clone(CLONE_PARENT|SIGCHLD, NULL)`},
		{call(unix.SYS_CLONE3, nsenter.Ptr(nsenter.Words("", unix.CLONE_NEWPID|unix.CLONE_INTO_CGROUP, 0, 0, 0, uint64(unix.SIGCHLD), 0, 0, 0, 0, 0, 9)), num(88)),
			`clone3({flags=NEWPID|INTO_CGROUP, exit_signal=SIGCHLD, cgroup=9}, 88)`,
			`clone3({flags=CLONE_NEWPID|CLONE_INTO_CGROUP, exit_signal=SIGCHLD, cgroup=9}, 88)`},
		{call(unix.SYS_UNSHARE, num(unix.CLONE_NEWNET|unix.CLONE_NEWTIME)), `unshare(NEWNET|NEWTIME)`, `unshare(CLONE_NEWNET|CLONE_NEWTIME)`},
		{call(unix.SYS_SETNS, fd, num(unix.CLONE_NEWNET)), `setns(<root>, NEWNET)`, `setns(<root>, CLONE_NEWNET)`},
		{call(unix.SYS_PIDFD_OPEN, num(42), num(unix.PIDFD_NONBLOCK)), `pidfd_open(42, PIDFD_NONBLOCK)`, ""},
		{call(unix.SYS_GETPID), `getpid()`, ""},
		{call(unix.SYS_GETPPID), `getppid()`, ""},

		{call(unix.SYS_FSOPEN, str("proc"), num(unix.FSOPEN_CLOEXEC)), `fsopen("proc", FSOPEN_CLOEXEC)`, ""},
		{call(unix.SYS_FSCONFIG, fd, num(unix.FSCONFIG_SET_STRING), str("hidepid"), str("2"), num(0)),
			`fsconfig(<root>, SET_STRING, "hidepid", "2", 0)`, `fsconfig(<root>, FSCONFIG_SET_STRING, "hidepid", "2", 0)`},
		{call(unix.SYS_FSCONFIG, fd, num(unix.FSCONFIG_SET_PATH), str("upperdir"), str("/up"), num(unix.AT_FDCWD)),
			`fsconfig(<root>, SET_PATH, "upperdir", "/up", AT_FDCWD)`, `fsconfig(<root>, FSCONFIG_SET_PATH, "upperdir", "/up", AT_FDCWD)`},
		{call(unix.SYS_FSCONFIG, fd, num(unix.FSCONFIG_CMD_CREATE), null, null, num(0)),
			`fsconfig(<root>, CMD_CREATE, NULL, NULL, 0)`, `fsconfig(<root>, FSCONFIG_CMD_CREATE, NULL, NULL, 0)`},
		{call(unix.SYS_FSMOUNT, fd, num(unix.FSMOUNT_CLOEXEC), num(unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOATIME)),
			`fsmount(<root>, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID|MOUNT_ATTR_NOATIME)`, ""},
		{call(unix.SYS_FSPICK, fd, str(""), num(unix.FSPICK_EMPTY_PATH)), `fspick(<root>, "", FSPICK_EMPTY_PATH)`, ""},
		{call(unix.SYS_OPEN_TREE, fd, str("data"), num(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)),
			`open_tree(<root>, "data", OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC|AT_RECURSIVE)`, ""},
		{call(unix.SYS_MOVE_MOUNT, fd, str(""), nsenter.Fd(1), str(""), num(unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)),
			`move_mount(<root> → <root/proc>, F_EMPTY_PATH|T_EMPTY_PATH)`,
			`move_mount(<root>, "", <root/proc>, "", MOVE_MOUNT_F_EMPTY_PATH|MOVE_MOUNT_T_EMPTY_PATH)`},
		{call(unix.SYS_MOVE_MOUNT, fd, str(""), num(unix.AT_FDCWD), str("/mnt"), num(unix.MOVE_MOUNT_F_EMPTY_PATH)),
			`move_mount(<root>, "", AT_FDCWD, "/mnt", F_EMPTY_PATH)`, `move_mount(<root>, "", AT_FDCWD, "/mnt", MOVE_MOUNT_F_EMPTY_PATH)`},
		{call(unix.SYS_MOUNT_SETATTR, fd, str(""), num(unix.AT_EMPTY_PATH|unix.AT_RECURSIVE), nsenter.Ptr(nsenter.MountAttr(unix.MOUNT_ATTR_RDONLY, unix.MOUNT_ATTR__ATIME, unix.MS_SLAVE, 0)), num(32)),
			`mount_setattr(<root>, "", AT_EMPTY_PATH|AT_RECURSIVE, {attr_set=MOUNT_ATTR_RDONLY, attr_clr=MOUNT_ATTR__ATIME, propagation=MS_SLAVE}, 32)`, ""},
		{call(unix.SYS_MOUNT_SETATTR, fd, str(""), num(unix.AT_EMPTY_PATH), nsenter.Ptr(nsenter.MountAttr(unix.MOUNT_ATTR_IDMAP, 0, 0, 11)), num(32)),
			`mount_setattr(<root>, "", AT_EMPTY_PATH, {attr_set=MOUNT_ATTR_IDMAP, userns_fd=11}, 32)`, ""},
		{call(unix.SYS_MOUNT, str("proc"), str("/proc"), str("proc"), num(unix.MS_NOSUID|unix.MS_NODEV), null),
			`mount("proc", "/proc", "proc", MS_NOSUID|MS_NODEV, NULL)`, ""},
		{call(unix.SYS_UMOUNT2, str("."), num(unix.MNT_DETACH)), `umount2(".", MNT_DETACH)`, ""},
		{call(unix.SYS_PIVOT_ROOT, str("."), str(".")), `pivot_root(".", ".")`, ""},
		{call(unix.SYS_CHROOT, str(".")), `chroot(".")`, ""},
		{call(unix.SYS_CHDIR, str("/")), `chdir("/")`, ""},
		{call(unix.SYS_FCHDIR, fd), `fchdir(<root>)`, ""},
		{call(unix.SYS_MKDIRAT, fd, str("shm"), num(0o1777)), `mkdirat(<root>, "shm", 01777)`, ""},
		{call(unix.SYS_MKNODAT, fd, str("null"), num(unix.S_IFCHR|0o666), num(int64(unix.Mkdev(1, 3)))),
			`mknodat(<root>, "null", S_IFCHR|0666, makedev(1, 3))`, ""},
		{call(unix.SYS_SYMLINKAT, str("/proc/self/fd"), fd, str("fd")), `symlinkat("/proc/self/fd", <root>, "fd")`, ""},
		{call(unix.SYS_FCHOWNAT, fd, str("pts"), num(1000), num(-1), num(unix.AT_SYMLINK_NOFOLLOW)),
			`fchownat(<root>, "pts", 1000, -1, AT_SYMLINK_NOFOLLOW)`, ""},
		{call(unix.SYS_FCHOWN, fd, num(0), num(5)), `fchown(<root>, 0, 5)`, ""},
		{call(unix.SYS_FCHMODAT, fd, str("null"), num(0o666)), `fchmodat(<root>, "null", 0666)`, ""},
		{call(unix.SYS_FCHMOD, fd, num(0o620)), `fchmod(<root>, 0620)`, ""},
		{call(unix.SYS_UMASK, num(0o22)), `umask(022)`, ""},
		{call(unix.SYS_FACCESSAT2, num(unix.AT_FDCWD), str("/bin/sh"), num(unix.X_OK), num(unix.AT_EACCESS)),
			`faccessat2(AT_FDCWD, "/bin/sh", X_OK, AT_EACCESS)`, ""},
		{call(unix.SYS_FSETXATTR, fd, str("security.selinux"), str("a:b:c:s0"), num(9), num(0)),
			`fsetxattr(<root>, "security.selinux", "a:b:c:s0", 9, 0)`, ""},

		{call(unix.SYS_PRCTL, num(unix.PR_CAPBSET_DROP), num(unix.CAP_SYS_ADMIN)), `prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN)`, ""},
		{call(unix.SYS_PRCTL, num(unix.PR_CAP_AMBIENT), num(unix.PR_CAP_AMBIENT_RAISE), num(unix.CAP_NET_RAW), num(0), num(0)),
			`prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0)`, ""},
		{call(unix.SYS_PRCTL, num(unix.PR_CAP_AMBIENT), num(unix.PR_CAP_AMBIENT_CLEAR_ALL), num(0), num(0), num(0)),
			`prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)`, ""},
		{call(unix.SYS_PRCTL, num(unix.PR_SET_PDEATHSIG), num(int64(unix.SIGKILL))), `prctl(PR_SET_PDEATHSIG, SIGKILL)`, ""},
		{call(unix.SYS_PRCTL, num(unix.PR_SET_NAME), str("berth")), `prctl(PR_SET_NAME, "berth")`, ""},
		{call(unix.SYS_PRCTL, num(unix.PR_SET_SECUREBITS), num(0x10)), `prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS)`, ""},
		{call(unix.SYS_PRCTL, num(unix.PR_SET_NO_NEW_PRIVS), num(1), num(0), num(0), num(0)), `prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)`, ""},
		{call(unix.SYS_SECCOMP, num(unix.SECCOMP_SET_MODE_FILTER), num(unix.SECCOMP_FILTER_FLAG_LOG), data(append(words16(1, 0, 0, 0), make([]byte, 8)...))),
			`seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_LOG, {1 instruction})`, ""},
		{call(unix.SYS_CAPSET, data(words32(unix.LINUX_CAPABILITY_VERSION_3, 0)), data(words32(1<<unix.CAP_CHOWN|1<<unix.CAP_KILL, 1<<unix.CAP_CHOWN|1<<unix.CAP_KILL, 0, 1<<(unix.CAP_BPF-32), 1<<(unix.CAP_BPF-32), 0))),
			`capset({version=_LINUX_CAPABILITY_VERSION_3, pid=0}, {effective=permitted=CHOWN|KILL|BPF, inheritable=0})`,
			`capset({version=_LINUX_CAPABILITY_VERSION_3, pid=0}, {effective=CAP_CHOWN|CAP_KILL|CAP_BPF, permitted=CAP_CHOWN|CAP_KILL|CAP_BPF, inheritable=0})`},
		{call(unix.SYS_SETRESUID, num(1000), num(1000), num(1000)), `setresuid(1000, 1000, 1000)`, ""},
		{call(unix.SYS_SETRESGID, num(-1), num(0), num(0)), `setresgid(-1, 0, 0)`, ""},
		{call(unix.SYS_SETGROUPS, num(2), data(words32(10, 20))), `setgroups(2, [10, 20])`, ""},
		{call(unix.SYS_SETGROUPS, num(0), null), `setgroups(0, NULL)`, ""},
		{call(unix.SYS_SETSID), `setsid()`, ""},
		{call(unix.SYS_SETPGID, num(0), num(0)), `setpgid(0, 0)`, ""},
		{call(unix.SYS_PRLIMIT64, num(0), num(unix.RLIMIT_NOFILE), nsenter.Ptr(nsenter.Words("", 1024, 1<<64-1)), null),
			`prlimit64(0, RLIMIT_NOFILE, {rlim_cur=1024, rlim_max=RLIM_INFINITY}, NULL)`, ""},
		{call(unix.SYS_SETHOSTNAME, str("box"), num(3)), `sethostname("box", 3)`, ""},
		{call(unix.SYS_SETDOMAINNAME, str("local\x00junk"), num(5)), `setdomainname("local", 5)`, ""},
		{call(unix.SYS_PERSONALITY, num(0x0040008)), `personality(PER_LINUX32|ADDR_NO_RANDOMIZE)`, ""},
		{call(unix.SYS_SCHED_SETATTR, num(0), data(append(words32(48, unix.SCHED_FIFO, 0, 0, 0, 10), make([]byte, 24)...)), num(0)),
			`sched_setattr(0, {sched_policy=SCHED_FIFO, sched_priority=10}, 0)`, ""},
		{call(unix.SYS_SCHED_SETAFFINITY, num(0), num(8), data([]byte{0x0f, 0x01, 0, 0, 0, 0, 0, 0x80})), `sched_setaffinity(0, 8, [0-3,8,63])`, ""},
		{call(unix.SYS_IOPRIO_SET, num(1), num(0), num(2<<13|4)), `ioprio_set(IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 4))`, ""},
		{call(unix.SYS_SET_MEMPOLICY, num(unix.MPOL_BIND|unix.MPOL_F_STATIC_NODES), data([]byte{3}), num(9)),
			`set_mempolicy(MPOL_BIND|MPOL_F_STATIC_NODES, [0-1], 9)`, ""},

		// What the package does not know is shown, too.
		{call(9999, num(1), str("x"), fd), `syscall 9999(1, <2 bytes>, <root>)`, ""},
		{call(unix.SYS_UNSHARE, num(unix.CLONE_NEWNET|1)), `unshare(NEWNET|0x1)`, `unshare(CLONE_NEWNET|0x1)`},
		{call(unix.SYS_PRCTL, num(123456), num(1)), `prctl(123456, 1)`, ""},
		{call(unix.SYS_OPENAT2, fd, str("x"), nsenter.Late("{flags from the config}", nil), num(24)), `openat2(<root>, "x", {flags from the config}, 24)`, ""},
		{call(unix.SYS_MOUNT_SETATTR, fd, str(""), num(0), data([]byte{1, 2, 3}), num(3)), `mount_setattr(<root>, "", 0, <3 bytes>, 3)`, ""},
		{call(unix.SYS_CHDIR, str("a\x1b[2Jb\u202ec\xff")), `chdir("a\x1b[2Jb\u202ec\xff")`, ""},
		{call(unix.SYS_CHDIR, str(strings.Repeat("äb", 50))), `chdir("` + strings.Repeat("äb", 32) + `"...)`, `chdir("` + strings.Repeat("äb", 50) + `")`},
	}
	p := &nsenter.Plan{}
	p.NewSlot("root")
	p.NewSlot("root/proc")
	seen := map[uintptr]bool{}
	for _, test := range tests {
		seen[test.step.Call] = true
		if test.full == "" {
			test.full = test.short
		}
		if got := (&decoder{plan: p}).call(&test.step); got != test.short {
			t.Errorf("short form:\ngot  %s\nwant %s", got, test.short)
		}
		if got := (&decoder{plan: p, full: true}).call(&test.step); got != test.full {
			t.Errorf("full form:\ngot  %s\nwant %s", got, test.full)
		}
	}
	// Every call that plans may use has an example here, and every parameter
	// a name: an unknown one would be listed as a bare number.
	for nr := uintptr(0); nr < 1000; nr++ {
		name := nsenter.CallName(nr)
		if strings.HasPrefix(name, "syscall ") {
			continue
		}
		if !seen[nr] {
			t.Errorf("%s has no example", name)
		}
		switch nr {
		case unix.SYS_GETPID, unix.SYS_GETPPID, unix.SYS_SETSID: // take nothing
			continue
		}
		if len(params(nr)) == 0 {
			t.Errorf("%s has no signature", name)
		}
		for _, p := range params(nr) {
			if p.name == "" || p.form == "" {
				t.Errorf("%s: parameter %+v lacks its name or form", name, p)
			}
		}
	}
}

func TestCapNames(t *testing.T) {
	for v, want := range map[uint64]string{
		unix.CAP_CHOWN: "CAP_CHOWN", unix.CAP_SETPCAP: "CAP_SETPCAP", unix.CAP_SYS_ADMIN: "CAP_SYS_ADMIN",
		unix.CAP_MKNOD: "CAP_MKNOD", unix.CAP_SYSLOG: "CAP_SYSLOG", unix.CAP_CHECKPOINT_RESTORE: "CAP_CHECKPOINT_RESTORE",
		unix.CAP_LAST_CAP + 1: "41",
	} {
		if got := capName(v); got != want {
			t.Errorf("capability %d: got %s, want %s", v, got, want)
		}
	}
	d := &decoder{}
	if got := d.capSet(1<<(unix.CAP_LAST_CAP+1) - 1); got != "/* all 41 */" {
		t.Errorf("all capabilities: got %s", got)
	}
}

package teach

import "golang.org/x/sys/unix"

// The constants of the calls on processes: namespaces, privileges, limits.

func cloneFlags() family {
	return family{"CLONE_", true, []constant{
		{unix.CLONE_NEWNS, "NEWNS"}, {unix.CLONE_NEWPID, "NEWPID"}, {unix.CLONE_NEWNET, "NEWNET"},
		{unix.CLONE_NEWIPC, "NEWIPC"}, {unix.CLONE_NEWUTS, "NEWUTS"}, {unix.CLONE_NEWCGROUP, "NEWCGROUP"},
		{unix.CLONE_NEWUSER, "NEWUSER"}, {unix.CLONE_NEWTIME, "NEWTIME"}, {unix.CLONE_INTO_CGROUP, "INTO_CGROUP"},
		{unix.CLONE_PARENT, "PARENT"}, {unix.CLONE_PIDFD, "PIDFD"}, {unix.CLONE_VM, "VM"},
		{unix.CLONE_VFORK, "VFORK"}, {unix.CLONE_FS, "FS"}, {unix.CLONE_FILES, "FILES"},
		{unix.CLONE_SIGHAND, "SIGHAND"}, {unix.CLONE_THREAD, "THREAD"}, {unix.CLONE_SYSVSEM, "SYSVSEM"},
		{unix.CLONE_PTRACE, "PTRACE"}, {unix.CLONE_UNTRACED, "UNTRACED"}, {unix.CLONE_SETTLS, "SETTLS"},
		{unix.CLONE_PARENT_SETTID, "PARENT_SETTID"}, {unix.CLONE_CHILD_SETTID, "CHILD_SETTID"},
		{unix.CLONE_CHILD_CLEARTID, "CHILD_CLEARTID"}, {unix.CLONE_IO, "IO"},
		{unix.CLONE_CLEAR_SIGHAND, "CLEAR_SIGHAND"},
	}}
}

func prctlOptions() family {
	return family{"PR_", false, []constant{
		{unix.PR_SET_PDEATHSIG, "SET_PDEATHSIG"}, {unix.PR_GET_PDEATHSIG, "GET_PDEATHSIG"},
		{unix.PR_GET_DUMPABLE, "GET_DUMPABLE"}, {unix.PR_SET_DUMPABLE, "SET_DUMPABLE"},
		{unix.PR_GET_KEEPCAPS, "GET_KEEPCAPS"}, {unix.PR_SET_KEEPCAPS, "SET_KEEPCAPS"},
		{unix.PR_SET_NAME, "SET_NAME"}, {unix.PR_GET_NAME, "GET_NAME"},
		{unix.PR_GET_SECCOMP, "GET_SECCOMP"}, {unix.PR_SET_SECCOMP, "SET_SECCOMP"},
		{unix.PR_CAPBSET_READ, "CAPBSET_READ"}, {unix.PR_CAPBSET_DROP, "CAPBSET_DROP"},
		{unix.PR_GET_SECUREBITS, "GET_SECUREBITS"}, {unix.PR_SET_SECUREBITS, "SET_SECUREBITS"},
		{unix.PR_SET_TIMERSLACK, "SET_TIMERSLACK"}, {unix.PR_SET_CHILD_SUBREAPER, "SET_CHILD_SUBREAPER"},
		{unix.PR_GET_CHILD_SUBREAPER, "GET_CHILD_SUBREAPER"}, {unix.PR_SET_NO_NEW_PRIVS, "SET_NO_NEW_PRIVS"},
		{unix.PR_GET_NO_NEW_PRIVS, "GET_NO_NEW_PRIVS"}, {unix.PR_SET_THP_DISABLE, "SET_THP_DISABLE"},
		{unix.PR_CAP_AMBIENT, "CAP_AMBIENT"}, {unix.PR_SET_SPECULATION_CTRL, "SET_SPECULATION_CTRL"},
		{unix.PR_SET_IO_FLUSHER, "SET_IO_FLUSHER"}, {unix.PR_SCHED_CORE, "SCHED_CORE"},
		{unix.PR_SET_MDWE, "SET_MDWE"}, {unix.PR_SET_MM, "SET_MM"}, {unix.PR_SET_PTRACER, "SET_PTRACER"},
		{unix.PR_SET_MEMORY_MERGE, "SET_MEMORY_MERGE"},
	}}
}

// securebits are the flags of linux/securebits.h (capabilities(7)).
func securebits() family {
	return family{"SECBIT_", false, []constant{
		{1 << 0, "NOROOT"}, {1 << 1, "NOROOT_LOCKED"}, {1 << 2, "NO_SETUID_FIXUP"},
		{1 << 3, "NO_SETUID_FIXUP_LOCKED"}, {1 << 4, "KEEP_CAPS"}, {1 << 5, "KEEP_CAPS_LOCKED"},
		{1 << 6, "NO_CAP_AMBIENT_RAISE"}, {1 << 7, "NO_CAP_AMBIENT_RAISE_LOCKED"},
	}}
}

func seccompFlags() family {
	return family{"SECCOMP_FILTER_FLAG_", false, []constant{
		{unix.SECCOMP_FILTER_FLAG_TSYNC, "TSYNC"}, {unix.SECCOMP_FILTER_FLAG_LOG, "LOG"},
		{unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, "SPEC_ALLOW"}, {unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, "NEW_LISTENER"},
		{unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH, "TSYNC_ESRCH"},
		{unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, "WAIT_KILLABLE_RECV"},
	}}
}

func rlimits() family {
	return family{"RLIMIT_", false, []constant{
		{unix.RLIMIT_CPU, "CPU"}, {unix.RLIMIT_FSIZE, "FSIZE"}, {unix.RLIMIT_DATA, "DATA"},
		{unix.RLIMIT_STACK, "STACK"}, {unix.RLIMIT_CORE, "CORE"}, {unix.RLIMIT_RSS, "RSS"},
		{unix.RLIMIT_NPROC, "NPROC"}, {unix.RLIMIT_NOFILE, "NOFILE"}, {unix.RLIMIT_MEMLOCK, "MEMLOCK"},
		{unix.RLIMIT_AS, "AS"}, {unix.RLIMIT_LOCKS, "LOCKS"}, {unix.RLIMIT_SIGPENDING, "SIGPENDING"},
		{unix.RLIMIT_MSGQUEUE, "MSGQUEUE"}, {unix.RLIMIT_NICE, "NICE"}, {unix.RLIMIT_RTPRIO, "RTPRIO"},
		{unix.RLIMIT_RTTIME, "RTTIME"},
	}}
}

func schedPolicies() family {
	return family{"SCHED_", false, []constant{
		{unix.SCHED_NORMAL, "OTHER"}, {unix.SCHED_FIFO, "FIFO"}, {unix.SCHED_RR, "RR"},
		{unix.SCHED_BATCH, "BATCH"}, {unix.SCHED_IDLE, "IDLE"}, {unix.SCHED_DEADLINE, "DEADLINE"},
		{unix.SCHED_EXT, "EXT"},
	}}
}

func schedFlags() family {
	return family{"SCHED_FLAG_", false, []constant{
		{unix.SCHED_FLAG_RESET_ON_FORK, "RESET_ON_FORK"}, {unix.SCHED_FLAG_RECLAIM, "RECLAIM"},
		{unix.SCHED_FLAG_DL_OVERRUN, "DL_OVERRUN"}, {unix.SCHED_FLAG_KEEP_POLICY, "KEEP_POLICY"},
		{unix.SCHED_FLAG_KEEP_PARAMS, "KEEP_PARAMS"}, {unix.SCHED_FLAG_UTIL_CLAMP_MIN, "UTIL_CLAMP_MIN"},
		{unix.SCHED_FLAG_UTIL_CLAMP_MAX, "UTIL_CLAMP_MAX"},
	}}
}

// ioprioClasses are the classes of linux/ioprio.h (ioprio_set(2)).
func ioprioClasses() family {
	return family{"IOPRIO_CLASS_", false, []constant{{0, "NONE"}, {1, "RT"}, {2, "BE"}, {3, "IDLE"}}}
}

func memoryPolicies() family {
	return family{"MPOL_", false, []constant{
		{unix.MPOL_DEFAULT, "DEFAULT"}, {unix.MPOL_PREFERRED, "PREFERRED"}, {unix.MPOL_BIND, "BIND"},
		{unix.MPOL_INTERLEAVE, "INTERLEAVE"}, {unix.MPOL_LOCAL, "LOCAL"},
		{unix.MPOL_PREFERRED_MANY, "PREFERRED_MANY"}, {unix.MPOL_WEIGHTED_INTERLEAVE, "WEIGHTED_INTERLEAVE"},
	}}
}

func memoryPolicyFlags() family {
	return family{"MPOL_F_", false, []constant{
		{unix.MPOL_F_STATIC_NODES, "STATIC_NODES"}, {unix.MPOL_F_RELATIVE_NODES, "RELATIVE_NODES"},
		{unix.MPOL_F_NUMA_BALANCING, "NUMA_BALANCING"},
	}}
}

// personalities and their flags are those of linux/personality.h.
func personalities() family {
	return family{"PER_", false, []constant{{0, "LINUX"}, {8, "LINUX32"}}}
}

func personalityFlags() family {
	return family{"", false, []constant{
		{0x0020000, "UNAME26"}, {0x0040000, "ADDR_NO_RANDOMIZE"}, {0x0080000, "FDPIC_FUNCPTRS"},
		{0x0100000, "MMAP_PAGE_ZERO"}, {0x0200000, "ADDR_COMPAT_LAYOUT"}, {0x0400000, "READ_IMPLIES_EXEC"},
		{0x0800000, "ADDR_LIMIT_32BIT"}, {0x1000000, "SHORT_INODE"}, {0x2000000, "WHOLE_SECONDS"},
		{0x4000000, "STICKY_TIMEOUTS"}, {0x8000000, "ADDR_LIMIT_3GB"},
	}}
}

func keyctlOperations() family {
	return family{"KEYCTL_", false, []constant{
		{unix.KEYCTL_GET_KEYRING_ID, "GET_KEYRING_ID"}, {unix.KEYCTL_JOIN_SESSION_KEYRING, "JOIN_SESSION_KEYRING"},
		{unix.KEYCTL_UPDATE, "UPDATE"}, {unix.KEYCTL_REVOKE, "REVOKE"}, {unix.KEYCTL_CHOWN, "CHOWN"},
		{unix.KEYCTL_SETPERM, "SETPERM"}, {unix.KEYCTL_DESCRIBE, "DESCRIBE"}, {unix.KEYCTL_CLEAR, "CLEAR"},
		{unix.KEYCTL_LINK, "LINK"}, {unix.KEYCTL_UNLINK, "UNLINK"}, {unix.KEYCTL_SEARCH, "SEARCH"},
		{unix.KEYCTL_READ, "READ"}, {unix.KEYCTL_INVALIDATE, "INVALIDATE"},
	}}
}

// specialKeys are the negative key numbers of linux/keyctl.h.
func specialKeys() family {
	id := func(v int64) uint64 { return uint64(v) }
	return family{"KEY_SPEC_", false, []constant{
		{id(-1), "THREAD_KEYRING"}, {id(-2), "PROCESS_KEYRING"}, {id(-3), "SESSION_KEYRING"},
		{id(-4), "USER_KEYRING"}, {id(-5), "USER_SESSION_KEYRING"},
	}}
}

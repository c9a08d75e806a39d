package nsenter

import "golang.org/x/sys/unix"

// Hint returns the likely cause of an error of a system call, as a phrase to
// be put in brackets behind the error, or "" when the error says it all. The
// causes are those of the manual pages and the kernel's own checks, in the
// order of how often the start of a container meets them.
func Hint(call uintptr, errno unix.Errno) string {
	switch call {
	case unix.SYS_OPENAT, unix.SYS_OPENAT2:
		return openHint(errno)
	case unix.SYS_WRITE, unix.SYS_READ, unix.SYS_FTRUNCATE:
		return fileHint(errno)
	case unix.SYS_EXECVE, unix.SYS_EXECVEAT:
		return execHint(errno)
	case unix.SYS_CLONE, unix.SYS_CLONE3, unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_PIDFD_OPEN:
		return namespaceHint(call, errno)
	case unix.SYS_MKDIRAT, unix.SYS_MKNODAT, unix.SYS_SYMLINKAT, unix.SYS_FCHOWNAT, unix.SYS_FCHOWN,
		unix.SYS_FCHMODAT, unix.SYS_FCHMOD, unix.SYS_CHDIR, unix.SYS_FCHDIR, unix.SYS_CHROOT:
		return treeHint(call, errno)
	case unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK:
		return newMountHint(call, errno)
	case unix.SYS_OPEN_TREE, unix.SYS_MOVE_MOUNT, unix.SYS_MOUNT_SETATTR, unix.SYS_MOUNT,
		unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT:
		return mountHint(call, errno)
	case unix.SYS_PRCTL, unix.SYS_SECCOMP, unix.SYS_CAPSET, unix.SYS_BPF, unix.SYS_KEYCTL:
		return privilegeHint(call, errno)
	case unix.SYS_SETRESUID, unix.SYS_SETRESGID, unix.SYS_SETGROUPS:
		return idHint(call, errno)
	case unix.SYS_PRLIMIT64, unix.SYS_SCHED_SETATTR, unix.SYS_SCHED_SETAFFINITY, unix.SYS_IOPRIO_SET,
		unix.SYS_SET_MEMPOLICY:
		return resourceHint(call, errno)
	case unix.SYS_IOCTL, unix.SYS_SETSID, unix.SYS_SETPGID, unix.SYS_SOCKET:
		return terminalHint(call, errno)
	case unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME:
		return nameHint(errno)
	}
	return commonHint(errno)
}

// commonHint explains errnos that mean the same in every call.
func commonHint(errno unix.Errno) string {
	switch errno {
	case unix.ENOSYS:
		return "this kernel is too old for the call, or a seccomp filter of an outer container hides it"
	case unix.EMFILE:
		return "too many open files in this process: raise ulimit -n"
	case unix.ENFILE:
		return "too many open files on this machine: raise sysctl fs.file-max"
	case unix.ENOMEM:
		return "the kernel is out of memory, or the cgroup's memory limit is too small"
	case unix.EFAULT:
		return "an address in the plan is wrong: please report this"
	case unix.EBADF:
		return "a descriptor in the plan is wrong or closed: please report this"
	}
	return ""
}

// openHint explains openat(2) and openat2(2).
func openHint(errno unix.Errno) string {
	switch errno {
	case unix.ENOENT:
		return "a part of the path does not exist"
	case unix.ENOTDIR:
		return "a part of the path is not a directory"
	case unix.EACCES:
		return "the permissions of the file or of a directory on the way forbid it"
	case unix.EPERM:
		return "the file is immutable or sealed, or the kernel reserves it for a more privileged user"
	case unix.ELOOP:
		return "a symbolic link where the plan follows none, or a loop of links"
	case unix.EXDEV:
		return "the path leaves the directory or the mount that it must stay in"
	case unix.EAGAIN:
		return "something was renamed during the look-up, so the kernel could not prove that the path stays inside: try again"
	case unix.EROFS:
		return "the file system is read-only"
	case unix.ENXIO:
		return "no driver behind the device, or a FIFO that nobody reads"
	case unix.EISDIR:
		return "a directory cannot be opened for writing"
	case unix.E2BIG, unix.EINVAL:
		return "flags that this kernel does not know"
	}
	return commonHint(errno)
}

// fileHint explains reading and writing, mostly of files of the kernel: cgroup
// files, sysctls, id maps.
func fileHint(errno unix.Errno) string {
	switch errno {
	case unix.EINVAL:
		return "the kernel refuses the value: out of range, malformed, or, in a cgroup file, a controller that the parent does not pass on"
	case unix.EBUSY:
		return "in use: a cgroup v2 with processes of its own cannot pass on controllers, and a limit cannot be set below what is in use"
	case unix.EPERM:
		return "more privilege is needed, or an id map is written twice, without setgroups denied, or for ids that the writer does not own"
	case unix.EACCES:
		return "the file may not be written by this user, or in this namespace"
	case unix.ENOENT, unix.ENODEV:
		return "what the value names does not exist: a cgroup, a device, or a controller that is not enabled"
	case unix.ENOSPC:
		return "the disk is full; or, in a cgroup v1 cpuset, cpuset.cpus and cpuset.mems were not set first"
	case unix.ESRCH:
		return "the process named in the value is gone"
	case unix.ERANGE:
		return "the number is out of the range that the kernel file accepts"
	case unix.EOPNOTSUPP:
		return "the cgroup is threaded or in an invalid state, or the file does not support the operation"
	case unix.EROFS:
		return "the file system is read-only"
	case unix.EDQUOT:
		return "the disk quota is used up"
	}
	return commonHint(errno)
}

// execHint explains execve(2).
func execHint(errno unix.Errno) string {
	switch errno {
	case unix.ENOENT:
		return "no such program; or its interpreter is missing: the #! line's program, or the dynamic loader that a binary for another C library names"
	case unix.ENOEXEC:
		return "not a program of this machine's architecture, or a script without a #! line"
	case unix.EACCES:
		return "not executable, a directory, or on a mount with noexec"
	case unix.ENOTDIR:
		return "a part of the path is not a directory"
	case unix.ELOOP:
		return "a loop of symbolic links, or of #! interpreters"
	case unix.E2BIG:
		return "arguments and environment are too long: together a quarter of the stack limit, and 128 KiB for one string"
	case unix.EPERM:
		return "a setuid program or one with file capabilities that this process may not run"
	case unix.ETXTBSY:
		return "the program is open for writing"
	case unix.EAGAIN:
		return "the user has more processes than RLIMIT_NPROC allows"
	case unix.EINVAL:
		return "the program names more than one interpreter, or one that is no program"
	case unix.ENOMEM:
		return "the memory limit is too small for the program"
	case unix.EISDIR:
		return "the program's interpreter is a directory"
	case unix.ELIBBAD:
		return "the program's interpreter is of no known format"
	}
	return commonHint(errno)
}

// namespaceHint explains the calls that make and join namespaces.
func namespaceHint(call uintptr, errno unix.Errno) string {
	switch errno {
	case unix.EPERM:
		if call == unix.SYS_SETNS {
			return "needs CAP_SYS_ADMIN in the user namespace that owns the namespace, and in the current one"
		}
		return "needs CAP_SYS_ADMIN; a user namespace needs none, but the machine may forbid them by user.max_user_namespaces, kernel.unprivileged_userns_clone or AppArmor, and a chroot does"
	case unix.ENOSPC:
		return "too many namespaces: see the sysctls user.max_*_namespaces, which count per user; they can be nested 32 deep"
	case unix.EUSERS:
		return "user namespaces are nested more than 32 deep"
	case unix.EINVAL:
		return "a namespace kind that this kernel lacks, a descriptor of another kind of namespace, or a user namespace that the process is in already or cannot join with threads"
	case unix.EAGAIN:
		return "too many processes: the cgroup's pids.max, RLIMIT_NPROC or kernel.pid_max"
	case unix.EACCES:
		return "the cgroup the child is to be born in may not be written to by this user"
	case unix.EBUSY:
		return "the cgroup the child is to be born in passes controllers on to others, so it may not hold processes"
	case unix.EOPNOTSUPP:
		return "the cgroup the child is to be born in is in the state \"domain invalid\""
	case unix.ENODEV:
		return "the cgroup the child is to be born in was removed"
	case unix.ESRCH:
		return "the process is gone"
	}
	return commonHint(errno)
}

// treeHint explains the calls that make files and change their owners, and
// those that change directory.
func treeHint(call uintptr, errno unix.Errno) string {
	switch errno {
	case unix.EPERM:
		switch call {
		case unix.SYS_MKNODAT:
			return "needs CAP_MKNOD; never allowed for devices in a user namespace, and the cgroup's device rules may forbid it"
		case unix.SYS_CHROOT:
			return "needs CAP_SYS_CHROOT"
		}
		return "needs to own the file or CAP_CHOWN or CAP_FOWNER, and the file must not be immutable"
	case unix.ENOENT:
		return "a part of the path does not exist"
	case unix.EACCES:
		return "the user may not enter or write to a directory on the way"
	case unix.ENOTDIR:
		return "a part of the path is not a directory"
	case unix.EEXIST:
		return "something of that name exists already"
	case unix.EROFS:
		return "the file system is read-only"
	case unix.ENOSPC, unix.EDQUOT:
		return "the disk, its inodes or the quota are used up"
	case unix.EOVERFLOW:
		return "the user has no id on this idmapped mount, or the mount's file system has none for it"
	case unix.EINVAL:
		return "the id is not mapped in the user namespace, or the file system does not take such a file"
	case unix.ELOOP:
		return "a loop of symbolic links"
	case unix.EOPNOTSUPP:
		return "the file system cannot do that, or not for a symbolic link"
	}
	return commonHint(errno)
}

// privilegeHint explains the calls that take privileges away.
func privilegeHint(call uintptr, errno unix.Errno) string {
	switch call {
	case unix.SYS_SECCOMP:
		return seccompHint(errno)
	case unix.SYS_BPF:
		return bpfHint(errno)
	case unix.SYS_KEYCTL:
		switch errno {
		case unix.EDQUOT:
			return "the user has too many keys: see kernel.keys.maxkeys and maxbytes"
		case unix.EACCES, unix.EPERM:
			return "the keyring of that name belongs to another user"
		case unix.ENOSYS:
			return "the kernel was built without keyrings, or a seccomp filter of an outer container hides them"
		}
		return commonHint(errno)
	}
	switch errno {
	case unix.EPERM:
		if call == unix.SYS_CAPSET {
			return "a process cannot gain capabilities that it does not have, nor inherit ones outside its bounding set"
		}
		return "needs CAP_SETPCAP; an ambient capability must be permitted and inheritable first"
	case unix.EINVAL:
		return "an option or a capability that this kernel does not know"
	}
	return commonHint(errno)
}

// seccompHint explains seccomp(2).
func seccompHint(errno unix.Errno) string {
	switch errno {
	case unix.EACCES:
		return "needs CAP_SYS_ADMIN or no_new_privs"
	case unix.EINVAL:
		return "a flag or action that this kernel does not know, or a filter that is malformed or longer than 4096 instructions"
	case unix.EBUSY:
		return "a filter with a listener is in force already: there can be one"
	case unix.ENOMEM:
		return "all filters of the process together are longer than 32768 instructions"
	}
	return commonHint(errno)
}

// bpfHint explains bpf(2) on device programs.
func bpfHint(errno unix.Errno) string {
	switch errno {
	case unix.EPERM:
		return "needs CAP_BPF and CAP_NET_ADMIN, before Linux 5.8 CAP_SYS_ADMIN, and no program on a parent cgroup that forbids more"
	case unix.EINVAL:
		return "a kernel without CONFIG_CGROUP_BPF, or a program that it refuses"
	case unix.EACCES:
		return "the kernel's verifier refuses the program"
	case unix.E2BIG:
		return "more than 64 programs on the cgroup, or a program too long"
	}
	return commonHint(errno)
}

// idHint explains the calls that change user and group ids.
func idHint(call uintptr, errno unix.Errno) string {
	switch errno {
	case unix.EPERM:
		switch call {
		case unix.SYS_SETGROUPS:
			return "needs CAP_SETGID, and in a user namespace a group map, and setgroups not denied in /proc/PID/setgroups"
		case unix.SYS_SETRESGID:
			return "needs CAP_SETGID"
		}
		return "needs CAP_SETUID"
	case unix.EINVAL:
		return "the id is not mapped in the user namespace"
	case unix.EAGAIN:
		return "the user has more processes than RLIMIT_NPROC allows"
	}
	return commonHint(errno)
}

// resourceHint explains limits, scheduling and memory placement.
func resourceHint(call uintptr, errno unix.Errno) string {
	switch errno {
	case unix.EPERM:
		switch call {
		case unix.SYS_PRLIMIT64:
			return "raising a hard limit needs CAP_SYS_RESOURCE, and RLIMIT_NOFILE ends at sysctl fs.nr_open"
		case unix.SYS_IOPRIO_SET:
			return "the real-time class needs CAP_SYS_NICE or CAP_SYS_ADMIN"
		}
		return "needs CAP_SYS_NICE; a real-time policy also needs real-time budget in the cgroup"
	case unix.EINVAL:
		switch call {
		case unix.SYS_PRLIMIT64:
			return "the soft limit is above the hard one, or this kernel does not know the limit"
		case unix.SYS_SCHED_SETAFFINITY:
			return "none of these CPUs exists, is online and is in the cgroup's cpuset"
		case unix.SYS_SET_MEMPOLICY:
			return "none of these memory nodes exists and is in the cgroup's cpuset"
		}
		return "a value out of range, or a class or policy that this kernel does not know"
	case unix.EBUSY:
		return "not enough processor time is left for this deadline"
	case unix.ESRCH:
		return "the process is gone"
	case unix.ENOSYS:
		return "the kernel was built without it"
	}
	return commonHint(errno)
}

// terminalHint explains terminals, sessions and the loopback device.
func terminalHint(call uintptr, errno unix.Errno) string {
	switch errno {
	case unix.EPERM:
		switch call {
		case unix.SYS_SETSID:
			return "the process leads a process group already"
		case unix.SYS_SETPGID:
			return "the process leads a session, or the group is in another one"
		case unix.SYS_SOCKET:
			return "this kind of socket needs CAP_NET_RAW or CAP_NET_ADMIN"
		}
		return "for a terminal: the process must lead a session without one, and no other session may have it; for a network device: needs CAP_NET_ADMIN"
	case unix.ENOTTY:
		return "the descriptor is not a terminal"
	case unix.ENODEV:
		return "there is no network device of that name in the network namespace"
	case unix.EAFNOSUPPORT:
		return "the kernel was built without this kind of socket"
	case unix.EIO:
		return "the terminal was hung up"
	}
	return commonHint(errno)
}

// nameHint explains sethostname(2) and setdomainname(2).
func nameHint(errno unix.Errno) string {
	switch errno {
	case unix.EPERM:
		return "needs CAP_SYS_ADMIN in the user namespace that owns the UTS namespace"
	case unix.EINVAL:
		return "longer than 64 bytes"
	}
	return commonHint(errno)
}

package nsenter

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// CallName returns the name of a system call that plans use, or its number.
func CallName(nr uintptr) string {
	if name := callName(nr); name != "" {
		return name
	}
	return "syscall " + strconv.Itoa(int(nr))
}

// callName is a switch, not a map: a map would be built at every start.
func callName(nr uintptr) string { //nolint:cyclop // a table
	switch nr {
	case unix.SYS_OPENAT2:
		return "openat2"
	case unix.SYS_OPENAT:
		return "openat"
	case unix.SYS_CLOSE_RANGE:
		return "close_range"
	case unix.SYS_CLOSE:
		return "close"
	case unix.SYS_WRITE:
		return "write"
	case unix.SYS_READ:
		return "read"
	case unix.SYS_DUP3:
		return "dup3"
	case unix.SYS_FCNTL:
		return "fcntl"
	case unix.SYS_IOCTL:
		return "ioctl"
	case unix.SYS_SENDTO:
		return "sendto"
	case unix.SYS_SOCKET:
		return "socket"
	case unix.SYS_FTRUNCATE:
		return "ftruncate"
	case unix.SYS_BPF:
		return "bpf"
	case unix.SYS_KEYCTL:
		return "keyctl"
	case unix.SYS_EXECVE:
		return "execve"
	case unix.SYS_EXECVEAT:
		return "execveat"
	case unix.SYS_CLONE:
		return "clone"
	case unix.SYS_CLONE3:
		return "clone3"
	case unix.SYS_UNSHARE:
		return "unshare"
	case unix.SYS_SETNS:
		return "setns"
	case unix.SYS_PIDFD_OPEN:
		return "pidfd_open"
	case unix.SYS_GETPID:
		return "getpid"
	case unix.SYS_GETPPID:
		return "getppid"
	}
	if name := mountCallName(nr); name != "" {
		return name
	}
	return credentialCallName(nr)
}

// mountCallName names the calls on mounts and files.
func mountCallName(nr uintptr) string { //nolint:cyclop // a table
	switch nr {
	case unix.SYS_FSOPEN:
		return "fsopen"
	case unix.SYS_FSCONFIG:
		return "fsconfig"
	case unix.SYS_FSMOUNT:
		return "fsmount"
	case unix.SYS_FSPICK:
		return "fspick"
	case unix.SYS_OPEN_TREE:
		return "open_tree"
	case unix.SYS_MOVE_MOUNT:
		return "move_mount"
	case unix.SYS_MOUNT_SETATTR:
		return "mount_setattr"
	case unix.SYS_MOUNT:
		return "mount"
	case unix.SYS_UMOUNT2:
		return "umount2"
	case unix.SYS_PIVOT_ROOT:
		return "pivot_root"
	case unix.SYS_CHROOT:
		return "chroot"
	case unix.SYS_CHDIR:
		return "chdir"
	case unix.SYS_FCHDIR:
		return "fchdir"
	case unix.SYS_MKDIRAT:
		return "mkdirat"
	case unix.SYS_MKNODAT:
		return "mknodat"
	case unix.SYS_SYMLINKAT:
		return "symlinkat"
	case unix.SYS_FCHOWNAT:
		return "fchownat"
	case unix.SYS_FCHOWN:
		return "fchown"
	case unix.SYS_FCHMODAT:
		return "fchmodat"
	case unix.SYS_FCHMOD:
		return "fchmod"
	case unix.SYS_FACCESSAT2:
		return "faccessat2"
	case unix.SYS_FSETXATTR:
		return "fsetxattr"
	case unix.SYS_UMASK:
		return "umask"
	}
	return ""
}

// credentialCallName names the calls that change what a process may do.
func credentialCallName(nr uintptr) string { //nolint:cyclop // a table
	switch nr {
	case unix.SYS_PRCTL:
		return "prctl"
	case unix.SYS_SECCOMP:
		return "seccomp"
	case unix.SYS_CAPSET:
		return "capset"
	case unix.SYS_SETRESUID:
		return "setresuid"
	case unix.SYS_SETRESGID:
		return "setresgid"
	case unix.SYS_SETGROUPS:
		return "setgroups"
	case unix.SYS_SETSID:
		return "setsid"
	case unix.SYS_SETPGID:
		return "setpgid"
	case unix.SYS_PRLIMIT64:
		return "prlimit64"
	case unix.SYS_SETHOSTNAME:
		return "sethostname"
	case unix.SYS_SETDOMAINNAME:
		return "setdomainname"
	case unix.SYS_PERSONALITY:
		return "personality"
	case unix.SYS_SCHED_SETATTR:
		return "sched_setattr"
	case unix.SYS_SCHED_SETAFFINITY:
		return "sched_setaffinity"
	case unix.SYS_IOPRIO_SET:
		return "ioprio_set"
	case unix.SYS_SET_MEMPOLICY:
		return "set_mempolicy"
	}
	return ""
}

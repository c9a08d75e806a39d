package teach

import (
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// param is one parameter of a system call: the name it has in the manual page,
// and the form that its argument takes.
type param struct {
	name string
	form string
}

// params returns the parameters of a system call, or nothing for one that the
// package does not know.
func params(nr uintptr) []param {
	fields := strings.Fields(signature(nr))
	list := make([]param, len(fields))
	for i, f := range fields {
		list[i].name, list[i].form, _ = strings.Cut(f, ":")
	}
	return list
}

// signature lists name:form pairs. The forms are the cases of decoder.number
// and decoder.memory. It is a switch over strings because those cost nothing
// until they are looked at.
func signature(nr uintptr) string { //nolint:cyclop // a table
	switch nr {
	case unix.SYS_OPENAT2:
		return "dirfd:dirfd path:str how:open_how size:int"
	case unix.SYS_OPENAT:
		return "dirfd:dirfd path:str flags:open mode:mode"
	case unix.SYS_FACCESSAT2:
		return "dirfd:dirfd path:str mode:access flags:access_at"
	case unix.SYS_FSETXATTR:
		return "fd:fd name:str value:str size:int flags:int"
	case unix.SYS_CLOSE_RANGE:
		return "first:int last:int flags:int"
	case unix.SYS_CLOSE, unix.SYS_FCHDIR:
		return "fd:fd"
	case unix.SYS_WRITE, unix.SYS_READ:
		return "fd:fd buf:buf count:int"
	case unix.SYS_DUP3:
		return "oldfd:fd newfd:fd flags:open_bits"
	case unix.SYS_FCNTL:
		return "fd:fd cmd:fcntl arg:fcntl_arg"
	case unix.SYS_IOCTL:
		return "fd:fd op:ioctl arg:ioctl_arg"
	case unix.SYS_SOCKET:
		return "domain:domain type:socktype protocol:int"
	case unix.SYS_SENDTO:
		return "sockfd:fd buf:buf len:int flags:message dest_addr:ptr addrlen:int"
	case unix.SYS_FTRUNCATE:
		return "fd:fd length:int"
	case unix.SYS_BPF:
		return "cmd:bpf attr:bpf_attr size:int"
	case unix.SYS_KEYCTL:
		return "operation:keyctl arg2:keyctl_arg2 arg3:any arg4:any arg5:any"
	case unix.SYS_EXECVE:
		return "path:str argv:argv envp:envp"
	case unix.SYS_EXECVEAT:
		return "dirfd:dirfd path:str argv:argv envp:envp flags:at"
	case unix.SYS_CLONE:
		// The last two have changed places on arm64 (clone(2)).
		if runtime.GOARCH == "arm64" {
			return "flags:clone_signal stack:ptr parent_tid:ptr tls:ptr child_tid:ptr"
		}
		return "flags:clone_signal stack:ptr parent_tid:ptr child_tid:ptr tls:ptr"
	case unix.SYS_CLONE3:
		return "cl_args:clone_args size:int"
	case unix.SYS_UNSHARE:
		return "flags:clone"
	case unix.SYS_SETNS:
		return "fd:fd nstype:clone"
	case unix.SYS_PIDFD_OPEN:
		return "pid:int flags:pidfd"
	}
	if s := mountSignature(nr); s != "" {
		return s
	}
	return credentialSignature(nr)
}

// mountSignature has the calls on mounts and files.
func mountSignature(nr uintptr) string { //nolint:cyclop // a table
	switch nr {
	case unix.SYS_FSOPEN:
		return "fsname:str flags:fsopen"
	case unix.SYS_FSCONFIG:
		return "fd:fd cmd:fsconfig key:str value:fsconfig_value aux:fsconfig_aux"
	case unix.SYS_FSMOUNT:
		return "fsfd:fd flags:fsmount attr_flags:mount_attr_bits"
	case unix.SYS_FSPICK:
		return "dirfd:dirfd path:str flags:fspick"
	case unix.SYS_OPEN_TREE:
		return "dirfd:dirfd path:str flags:open_tree"
	case unix.SYS_MOVE_MOUNT:
		return "from_dirfd:dirfd from_path:str to_dirfd:dirfd to_path:str flags:move_mount"
	case unix.SYS_MOUNT_SETATTR:
		return "dirfd:dirfd path:str flags:at attr:mount_attr size:int"
	case unix.SYS_MOUNT:
		return "source:str target:str fstype:str flags:mount data:str"
	case unix.SYS_UMOUNT2:
		return "target:str flags:umount"
	case unix.SYS_PIVOT_ROOT:
		return "new_root:str put_old:str"
	case unix.SYS_CHROOT, unix.SYS_CHDIR:
		return "path:str"
	case unix.SYS_MKDIRAT:
		return "dirfd:dirfd path:str mode:mode"
	case unix.SYS_MKNODAT:
		return "dirfd:dirfd path:str mode:file_mode dev:dev"
	case unix.SYS_SYMLINKAT:
		return "target:str newdirfd:dirfd linkpath:str"
	case unix.SYS_FCHOWNAT:
		return "dirfd:dirfd path:str owner:id group:id flags:at"
	case unix.SYS_FCHOWN:
		return "fd:fd owner:id group:id"
	case unix.SYS_FCHMODAT:
		return "dirfd:dirfd path:str mode:mode flags:at"
	case unix.SYS_FCHMOD:
		return "fd:fd mode:mode"
	case unix.SYS_UMASK:
		return "mask:mode"
	}
	return ""
}

// credentialSignature has the calls that change what a process may do.
func credentialSignature(nr uintptr) string {
	switch nr {
	case unix.SYS_PRCTL:
		return "op:prctl arg2:prctl_arg2 arg3:prctl_arg3 arg4:any arg5:any"
	case unix.SYS_SECCOMP:
		return "operation:seccomp flags:seccomp_flags args:seccomp_args"
	case unix.SYS_CAPSET:
		return "hdrp:cap_header datap:cap_data"
	case unix.SYS_SETRESUID:
		return "ruid:id euid:id suid:id"
	case unix.SYS_SETRESGID:
		return "rgid:id egid:id sgid:id"
	case unix.SYS_SETGROUPS:
		return "size:int list:id_list"
	case unix.SYS_SETPGID:
		return "pid:int pgid:int"
	case unix.SYS_PRLIMIT64:
		return "pid:int resource:rlimit new_limit:rlimit_value old_limit:ptr"
	case unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME:
		return "name:buf len:int"
	case unix.SYS_PERSONALITY:
		return "persona:personality"
	case unix.SYS_SCHED_SETATTR:
		return "pid:int attr:sched_attr flags:int"
	case unix.SYS_SCHED_SETAFFINITY:
		return "pid:int cpusetsize:int mask:bitmap"
	case unix.SYS_IOPRIO_SET:
		return "which:ioprio_which who:int ioprio:ioprio"
	case unix.SYS_SET_MEMPOLICY:
		return "mode:mempolicy nodemask:bitmap maxnode:int"
	}
	return ""
}

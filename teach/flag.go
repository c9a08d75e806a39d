package teach

import (
	"strings"

	"golang.org/x/sys/unix"
)

// flags renders the forms that are a set of flags or an enumeration; ok is
// false for other forms.
func (d *decoder) flags(form string, v uint64) (text string, ok bool) {
	switch form {
	case "open":
		return d.openFlags(v), true
	case "clone_signal":
		// The low byte is the signal that the parent gets at the end.
		text := cloneFlags().all(v&^0xff, d.full)
		if v&0xff == 0 {
			return text, true
		}
		if v&^0xff == 0 {
			return signalName(v), true
		}
		return text + "|" + signalName(v&0xff), true
	case "socktype":
		text := socketTypes().one(v&0xf, true)
		if v&^0xf != 0 {
			text += "|" + socketFlags().all(v&^0xf, true)
		}
		return text, true
	case "mempolicy":
		text := memoryPolicies().one(v&0xfff, true)
		if v&^0xfff != 0 {
			text += "|" + memoryPolicyFlags().all(v&^0xfff, true)
		}
		return text, true
	case "personality":
		text := personalities().one(v&0xff, true)
		if v&^0xff != 0 {
			text += "|" + personalityFlags().all(v&^0xff, true)
		}
		return text, true
	}
	if f, ok := bitFamily(form); ok {
		return f.all(v, d.full), true
	}
	if f, ok := valueFamily(form); ok {
		return f.one(v, d.full), true
	}
	return "", false
}

// openFlags renders open(2)'s flags: the access mode is a number in the two
// lowest bits, and means nothing with O_PATH.
func (d *decoder) openFlags(v uint64) string {
	access := family{"O_", false, []constant{
		{unix.O_RDONLY, "RDONLY"}, {unix.O_WRONLY, "WRONLY"}, {unix.O_RDWR, "RDWR"},
	}}
	var list []string
	if v&unix.O_PATH == 0 {
		list = append(list, access.one(v&unix.O_ACCMODE, true))
		v &^= unix.O_ACCMODE
	}
	if v != 0 {
		list = append(list, openBits().all(v, true))
	}
	return strings.Join(list, "|")
}

// bitFamily returns the constants of a form that is a set of flags.
func bitFamily(form string) (family, bool) { //nolint:cyclop // a table
	switch form {
	case "open_bits":
		return openBits(), true
	case "access":
		return accessModes(), true
	case "access_at":
		return family{"AT_", false, []constant{{unix.AT_EACCESS, "EACCESS"}, {unix.AT_SYMLINK_NOFOLLOW, "SYMLINK_NOFOLLOW"}}}, true
	case "at":
		return atFlags(), true
	case "clone":
		return cloneFlags(), true
	case "fsopen":
		return family{"FSOPEN_", false, []constant{{unix.FSOPEN_CLOEXEC, "CLOEXEC"}}}, true
	case "fsmount":
		return family{"FSMOUNT_", false, []constant{{unix.FSMOUNT_CLOEXEC, "CLOEXEC"}}}, true
	case "fspick":
		return family{"FSPICK_", false, []constant{
			{unix.FSPICK_CLOEXEC, "CLOEXEC"}, {unix.FSPICK_SYMLINK_NOFOLLOW, "SYMLINK_NOFOLLOW"},
			{unix.FSPICK_NO_AUTOMOUNT, "NO_AUTOMOUNT"}, {unix.FSPICK_EMPTY_PATH, "EMPTY_PATH"},
		}}, true
	case "open_tree":
		return openTreeFlags(), true
	case "move_mount":
		return moveMountFlags(), true
	case "mount_attr_bits":
		return mountAttrs(), true
	case "mount":
		return mountFlags(), true
	case "umount":
		return umountFlags(), true
	case "pidfd":
		return family{"PIDFD_", false, []constant{{unix.PIDFD_NONBLOCK, "NONBLOCK"}}}, true
	case "fd_flags":
		return family{"FD_", false, []constant{{unix.FD_CLOEXEC, "CLOEXEC"}}}, true
	case "seals":
		return family{"F_SEAL_", false, []constant{
			{unix.F_SEAL_SEAL, "SEAL"}, {unix.F_SEAL_SHRINK, "SHRINK"}, {unix.F_SEAL_GROW, "GROW"},
			{unix.F_SEAL_WRITE, "WRITE"}, {unix.F_SEAL_FUTURE_WRITE, "FUTURE_WRITE"}, {unix.F_SEAL_EXEC, "EXEC"},
		}}, true
	case "seccomp_flags":
		return seccompFlags(), true
	case "message":
		return family{"MSG_", false, []constant{
			{unix.MSG_NOSIGNAL, "NOSIGNAL"}, {unix.MSG_DONTWAIT, "DONTWAIT"}, {unix.MSG_EOR, "EOR"},
		}}, true
	case "securebits":
		return securebits(), true
	case "mdwe":
		return family{"PR_MDWE_", false, []constant{
			{unix.PR_MDWE_REFUSE_EXEC_GAIN, "REFUSE_EXEC_GAIN"}, {unix.PR_MDWE_NO_INHERIT, "NO_INHERIT"},
		}}, true
	}
	return family{}, false
}

// valueFamily returns the constants of a form that is an enumeration.
func valueFamily(form string) (family, bool) {
	switch form {
	case "fsconfig":
		return fsconfigCommands(), true
	case "fcntl":
		return fcntlCommands(), true
	case "ioctl":
		return ioctlRequests(), true
	case "domain":
		return family{"AF_", false, []constant{
			{unix.AF_UNIX, "UNIX"}, {unix.AF_INET, "INET"}, {unix.AF_INET6, "INET6"},
			{unix.AF_NETLINK, "NETLINK"}, {unix.AF_PACKET, "PACKET"},
		}}, true
	case "bpf":
		return bpfCommands(), true
	case "keyctl":
		return keyctlOperations(), true
	case "key":
		return specialKeys(), true
	case "prctl":
		return prctlOptions(), true
	case "ambient":
		return family{"PR_CAP_AMBIENT_", false, []constant{
			{unix.PR_CAP_AMBIENT_IS_SET, "IS_SET"}, {unix.PR_CAP_AMBIENT_RAISE, "RAISE"},
			{unix.PR_CAP_AMBIENT_LOWER, "LOWER"}, {unix.PR_CAP_AMBIENT_CLEAR_ALL, "CLEAR_ALL"},
		}}, true
	case "seccomp_mode":
		return family{"SECCOMP_MODE_", false, []constant{
			{unix.SECCOMP_MODE_DISABLED, "DISABLED"}, {unix.SECCOMP_MODE_STRICT, "STRICT"},
			{unix.SECCOMP_MODE_FILTER, "FILTER"},
		}}, true
	case "seccomp":
		return family{"SECCOMP_", false, []constant{
			{unix.SECCOMP_SET_MODE_STRICT, "SET_MODE_STRICT"}, {unix.SECCOMP_SET_MODE_FILTER, "SET_MODE_FILTER"},
			{unix.SECCOMP_GET_ACTION_AVAIL, "GET_ACTION_AVAIL"}, {unix.SECCOMP_GET_NOTIF_SIZES, "GET_NOTIF_SIZES"},
		}}, true
	case "rlimit":
		return rlimits(), true
	case "ioprio_which":
		// linux/ioprio.h; x/sys has no names for these.
		return family{"IOPRIO_WHO_", false, []constant{{1, "PROCESS"}, {2, "PGRP"}, {3, "USER"}}}, true
	}
	return family{}, false
}

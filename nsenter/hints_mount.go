package nsenter

import "golang.org/x/sys/unix"

// newMountHint explains the calls that make a file system.
func newMountHint(call uintptr, errno unix.Errno) string {
	switch errno {
	case unix.EPERM:
		if call == unix.SYS_FSMOUNT {
			return "needs CAP_SYS_ADMIN; in a user namespace proc and sysfs are also refused while parts of the host's are covered"
		}
		return "needs CAP_SYS_ADMIN in the user namespace that owns the mount namespace, and in a user namespace a file system that allows that"
	case unix.ENODEV:
		return "the kernel does not have this file system: a module is missing"
	case unix.EINVAL:
		return "an option or value that this file system does not take, or a string of more than 255 bytes; reading the descriptor tells which"
	case unix.ENOENT, unix.ENOTDIR:
		return "a directory that an option names does not exist"
	case unix.EBUSY:
		return "the superblock exists already, or an overlay's upper or work directory is in use by another mount"
	case unix.ELOOP:
		return "overlays are stacked too deep, or the work directory lies in the upper one"
	case unix.ESTALE:
		return "the overlay's upper directory belongs to other layers than these"
	case unix.EOPNOTSUPP:
		return "the kernel does not support this option"
	case unix.EROFS:
		return "a read-only file system cannot hold the overlay's upper and work directories"
	case unix.ENOSPC:
		return "the disk is full, or the mount namespace has more mounts than fs.mount-max"
	}
	return commonHint(errno)
}

// mountHint explains the calls that attach, change and remove mounts.
func mountHint(call uintptr, errno unix.Errno) string {
	switch errno {
	case unix.EPERM:
		return "needs CAP_SYS_ADMIN in the user namespace that owns the mount namespace; mounts and flags that came from a more privileged one are locked"
	case unix.EINVAL:
		return mountInvalidHint(call)
	case unix.EBUSY:
		return mountBusyHint(call)
	case unix.ENOENT:
		return "the mount point or the source does not exist"
	case unix.ENOTDIR:
		return "a file and a directory do not fit: mount files on files and directories on directories"
	case unix.ENODEV:
		return "the kernel does not have this file system: a module is missing"
	case unix.ENOTBLK:
		return "the source is not a block device, as this file system needs"
	case unix.EACCES:
		return "a directory on the way forbids it, the device is read-only, or it lies on a mount with nodev"
	case unix.ELOOP:
		return "too many symbolic links, or a mount that would be moved into itself"
	case unix.ENOSPC:
		return "the mount namespace has more mounts than fs.mount-max"
	case unix.EROFS:
		return "the file system is read-only"
	case unix.EOPNOTSUPP:
		return "the file system cannot do that"
	}
	return commonHint(errno)
}

// mountInvalidHint explains EINVAL, which each of the mount calls means
// otherwise.
func mountInvalidHint(call uintptr) string {
	switch call {
	case unix.SYS_PIVOT_ROOT:
		return "the new root is not a mount point, it or the current root is a shared mount, or / is the initial ramfs, which only MS_MOVE can cover"
	case unix.SYS_MOVE_MOUNT:
		return "the source is not the root of a mount that is detached or in this namespace, its parent is shared, or the target lies in a detached tree, as only Linux 6.15 allows"
	case unix.SYS_OPEN_TREE:
		return "the source is unbindable, in another mount namespace, or has locked mounts below it: clone those with AT_RECURSIVE"
	case unix.SYS_MOUNT_SETATTR:
		return "not the root of a mount, attributes that exclude each other, or, for id mapping, a file system that does not support it or a mount that is attached or mapped already"
	case unix.SYS_UMOUNT2:
		return "not a mount point, or a mount locked by a more privileged namespace"
	}
	return "an option that the file system does not take, a bad superblock, or a path that is not a mount point"
}

// mountBusyHint explains EBUSY of the mount calls.
func mountBusyHint(call uintptr) string {
	switch call {
	case unix.SYS_PIVOT_ROOT:
		return "the new root or the place for the old one is on the current root mount: bind mount the new root onto itself first"
	case unix.SYS_MOUNT_SETATTR:
		return "files are open for writing, so the mount cannot become read-only"
	case unix.SYS_UMOUNT2:
		return "files on it are open, or a process stands in it: MNT_DETACH lets go later"
	}
	return "mounted there already, or files are open for writing"
}

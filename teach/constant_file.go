package teach

import "golang.org/x/sys/unix"

// The constants of the calls on files and mounts. Each family is a function,
// so that nothing is built before a listing asks for it.

func openBits() family {
	return family{"O_", false, []constant{
		// Masks first: O_TMPFILE has O_DIRECTORY in it, O_SYNC has O_DSYNC.
		{unix.O_TMPFILE, "TMPFILE"}, {unix.O_SYNC, "SYNC"}, {unix.O_PATH, "PATH"}, {unix.O_CREAT, "CREAT"},
		{unix.O_EXCL, "EXCL"}, {unix.O_NOCTTY, "NOCTTY"}, {unix.O_TRUNC, "TRUNC"}, {unix.O_APPEND, "APPEND"},
		{unix.O_NONBLOCK, "NONBLOCK"}, {unix.O_DSYNC, "DSYNC"}, {unix.O_DIRECT, "DIRECT"},
		{unix.O_LARGEFILE, "LARGEFILE"}, {unix.O_DIRECTORY, "DIRECTORY"}, {unix.O_NOFOLLOW, "NOFOLLOW"},
		{unix.O_NOATIME, "NOATIME"}, {unix.O_CLOEXEC, "CLOEXEC"},
	}}
}

func resolveFlags() family {
	return family{"RESOLVE_", false, []constant{
		{unix.RESOLVE_NO_XDEV, "NO_XDEV"}, {unix.RESOLVE_NO_MAGICLINKS, "NO_MAGICLINKS"},
		{unix.RESOLVE_NO_SYMLINKS, "NO_SYMLINKS"}, {unix.RESOLVE_BENEATH, "BENEATH"},
		{unix.RESOLVE_IN_ROOT, "IN_ROOT"}, {0x20, "CACHED"}, // Linux 5.12
	}}
}

func atFlags() family {
	return family{"AT_", false, []constant{
		{unix.AT_SYMLINK_NOFOLLOW, "SYMLINK_NOFOLLOW"}, {unix.AT_SYMLINK_FOLLOW, "SYMLINK_FOLLOW"},
		{unix.AT_NO_AUTOMOUNT, "NO_AUTOMOUNT"}, {unix.AT_EMPTY_PATH, "EMPTY_PATH"},
		{unix.AT_RECURSIVE, "RECURSIVE"}, {0x10000, "EXECVE_CHECK"}, // Linux 6.14
	}}
}

func accessModes() family {
	return family{"", false, []constant{{unix.R_OK, "R_OK"}, {unix.W_OK, "W_OK"}, {unix.X_OK, "X_OK"}}}
}

func openTreeFlags() family {
	f := atFlags()
	return family{"", false, []constant{
		{unix.OPEN_TREE_CLONE, "OPEN_TREE_CLONE"}, {unix.OPEN_TREE_CLOEXEC, "OPEN_TREE_CLOEXEC"},
		{unix.AT_RECURSIVE, f.prefix + "RECURSIVE"}, {unix.AT_EMPTY_PATH, f.prefix + "EMPTY_PATH"},
		{unix.AT_SYMLINK_NOFOLLOW, f.prefix + "SYMLINK_NOFOLLOW"}, {unix.AT_NO_AUTOMOUNT, f.prefix + "NO_AUTOMOUNT"},
	}}
}

func moveMountFlags() family {
	return family{"MOVE_MOUNT_", true, []constant{
		{unix.MOVE_MOUNT_F_SYMLINKS, "F_SYMLINKS"}, {unix.MOVE_MOUNT_F_AUTOMOUNTS, "F_AUTOMOUNTS"},
		{unix.MOVE_MOUNT_F_EMPTY_PATH, "F_EMPTY_PATH"}, {unix.MOVE_MOUNT_T_SYMLINKS, "T_SYMLINKS"},
		{unix.MOVE_MOUNT_T_AUTOMOUNTS, "T_AUTOMOUNTS"}, {unix.MOVE_MOUNT_T_EMPTY_PATH, "T_EMPTY_PATH"},
		{unix.MOVE_MOUNT_SET_GROUP, "SET_GROUP"}, {0x200, "BENEATH"}, // Linux 6.5
	}}
}

func mountAttrs() family {
	return family{"MOUNT_ATTR_", false, []constant{
		// The access time is a number inside a mask, of which 0 is relatime.
		{unix.MOUNT_ATTR__ATIME, "_ATIME"},
		{unix.MOUNT_ATTR_RDONLY, "RDONLY"}, {unix.MOUNT_ATTR_NOSUID, "NOSUID"}, {unix.MOUNT_ATTR_NODEV, "NODEV"},
		{unix.MOUNT_ATTR_NOEXEC, "NOEXEC"}, {unix.MOUNT_ATTR_NOATIME, "NOATIME"},
		{unix.MOUNT_ATTR_STRICTATIME, "STRICTATIME"}, {unix.MOUNT_ATTR_NODIRATIME, "NODIRATIME"},
		{unix.MOUNT_ATTR_IDMAP, "IDMAP"}, {unix.MOUNT_ATTR_NOSYMFOLLOW, "NOSYMFOLLOW"},
	}}
}

func mountFlags() family {
	return family{"MS_", false, []constant{
		{unix.MS_RDONLY, "RDONLY"}, {unix.MS_NOSUID, "NOSUID"}, {unix.MS_NODEV, "NODEV"},
		{unix.MS_NOEXEC, "NOEXEC"}, {unix.MS_SYNCHRONOUS, "SYNCHRONOUS"}, {unix.MS_REMOUNT, "REMOUNT"},
		{unix.MS_MANDLOCK, "MANDLOCK"}, {unix.MS_DIRSYNC, "DIRSYNC"}, {unix.MS_NOSYMFOLLOW, "NOSYMFOLLOW"},
		{unix.MS_NOATIME, "NOATIME"}, {unix.MS_NODIRATIME, "NODIRATIME"}, {unix.MS_BIND, "BIND"},
		{unix.MS_MOVE, "MOVE"}, {unix.MS_REC, "REC"}, {unix.MS_SILENT, "SILENT"},
		{unix.MS_POSIXACL, "POSIXACL"}, {unix.MS_UNBINDABLE, "UNBINDABLE"}, {unix.MS_PRIVATE, "PRIVATE"},
		{unix.MS_SLAVE, "SLAVE"}, {unix.MS_SHARED, "SHARED"}, {unix.MS_RELATIME, "RELATIME"},
		{unix.MS_I_VERSION, "I_VERSION"}, {unix.MS_STRICTATIME, "STRICTATIME"}, {unix.MS_LAZYTIME, "LAZYTIME"},
	}}
}

func umountFlags() family {
	return family{"", false, []constant{
		{unix.MNT_FORCE, "MNT_FORCE"}, {unix.MNT_DETACH, "MNT_DETACH"}, {unix.MNT_EXPIRE, "MNT_EXPIRE"},
		{unix.UMOUNT_NOFOLLOW, "UMOUNT_NOFOLLOW"},
	}}
}

func fsconfigCommands() family {
	return family{"FSCONFIG_", true, []constant{
		{unix.FSCONFIG_SET_FLAG, "SET_FLAG"}, {unix.FSCONFIG_SET_STRING, "SET_STRING"},
		{unix.FSCONFIG_SET_BINARY, "SET_BINARY"}, {unix.FSCONFIG_SET_PATH, "SET_PATH"},
		{unix.FSCONFIG_SET_PATH_EMPTY, "SET_PATH_EMPTY"}, {unix.FSCONFIG_SET_FD, "SET_FD"},
		{unix.FSCONFIG_CMD_CREATE, "CMD_CREATE"}, {unix.FSCONFIG_CMD_RECONFIGURE, "CMD_RECONFIGURE"},
		{8, "CMD_CREATE_EXCL"}, // Linux 6.6
	}}
}

func fileKinds() family {
	return family{"S_", false, []constant{
		{unix.S_IFIFO, "IFIFO"}, {unix.S_IFCHR, "IFCHR"}, {unix.S_IFDIR, "IFDIR"}, {unix.S_IFBLK, "IFBLK"},
		{unix.S_IFREG, "IFREG"}, {unix.S_IFLNK, "IFLNK"}, {unix.S_IFSOCK, "IFSOCK"},
	}}
}

func fcntlCommands() family {
	return family{"F_", false, []constant{
		{unix.F_DUPFD, "DUPFD"}, {unix.F_GETFD, "GETFD"}, {unix.F_SETFD, "SETFD"}, {unix.F_GETFL, "GETFL"},
		{unix.F_SETFL, "SETFL"}, {unix.F_DUPFD_CLOEXEC, "DUPFD_CLOEXEC"}, {unix.F_SETPIPE_SZ, "SETPIPE_SZ"},
		{unix.F_GETPIPE_SZ, "GETPIPE_SZ"}, {unix.F_ADD_SEALS, "ADD_SEALS"}, {unix.F_GET_SEALS, "GET_SEALS"},
	}}
}

func socketTypes() family {
	return family{"SOCK_", false, []constant{
		{unix.SOCK_STREAM, "STREAM"}, {unix.SOCK_DGRAM, "DGRAM"}, {unix.SOCK_RAW, "RAW"},
		{unix.SOCK_SEQPACKET, "SEQPACKET"},
	}}
}

func socketFlags() family {
	return family{"SOCK_", false, []constant{
		{unix.SOCK_CLOEXEC, "CLOEXEC"}, {unix.SOCK_NONBLOCK, "NONBLOCK"},
	}}
}

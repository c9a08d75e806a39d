package rootfs

import "slices"

// MountOptions lists the options that a mount's list may have beside those of
// its file system (runtime-spec, config.md, "Linux mount options"), sorted.
func MountOptions() []string {
	list := []string{
		"async", "bind", "defaults", "dirsync", "idmap", "iversion", "lazytime", "loud", "mand", "noiversion", "nolazytime", "nomand",
		"rbind", "remount", "ridmap", "silent", "sync", "tmpcopyup",
		"private", "rprivate", "shared", "rshared", "slave", "rslave", "unbindable", "runbindable",
	}
	for _, attr := range []string{
		"ro", "rw", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "symfollow", "nosymfollow",
		"diratime", "nodiratime", "atime", "noatime", "relatime", "norelatime", "strictatime", "nostrictatime",
	} {
		list = append(list, attr, "r"+attr)
	}
	slices.Sort(list)
	return list
}

package rootfs

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// options is a mount's option list, sorted by who understands each.
type options struct {
	bind      bool
	recursive bool // rbind
	// set and clear are MOUNT_ATTR_* of the mount itself; the rec ones go for
	// every mount below it too (rro and the like of runtime-spec 1.1).
	set, clear       uint64
	recSet, recClear uint64
	propagation      uint64
	// sb are flags of the file system as a whole, data its own options.
	sb, data []string
	copyUp   bool
}

// attr is what one option does to a mount's attributes.
type attr struct{ set, clear uint64 }

// attribute returns the effect of a per-mount option (mount_setattr(2)).
func attribute(name string) (attr, bool) {
	switch name {
	case "ro":
		return attr{set: unix.MOUNT_ATTR_RDONLY}, true
	case "rw":
		return attr{clear: unix.MOUNT_ATTR_RDONLY}, true
	case "nosuid":
		return attr{set: unix.MOUNT_ATTR_NOSUID}, true
	case "suid":
		return attr{clear: unix.MOUNT_ATTR_NOSUID}, true
	case "nodev":
		return attr{set: unix.MOUNT_ATTR_NODEV}, true
	case "dev":
		return attr{clear: unix.MOUNT_ATTR_NODEV}, true
	case "noexec":
		return attr{set: unix.MOUNT_ATTR_NOEXEC}, true
	case "exec":
		return attr{clear: unix.MOUNT_ATTR_NOEXEC}, true
	case "nosymfollow":
		return attr{set: unix.MOUNT_ATTR_NOSYMFOLLOW}, true
	case "symfollow":
		return attr{clear: unix.MOUNT_ATTR_NOSYMFOLLOW}, true
	case "nodiratime":
		return attr{set: unix.MOUNT_ATTR_NODIRATIME}, true
	case "diratime":
		return attr{clear: unix.MOUNT_ATTR_NODIRATIME}, true
	}
	return accessTime(name)
}

// accessTime returns the effect of an option on access times. They are one
// field with several values, so the field is cleared as a whole.
func accessTime(name string) (attr, bool) {
	switch name {
	case "noatime":
		return attr{unix.MOUNT_ATTR_NOATIME, unix.MOUNT_ATTR__ATIME}, true
	case "strictatime":
		return attr{unix.MOUNT_ATTR_STRICTATIME, unix.MOUNT_ATTR__ATIME}, true
	case "relatime", "atime", "norelatime", "nostrictatime":
		return attr{unix.MOUNT_ATTR_RELATIME, unix.MOUNT_ATTR__ATIME}, true
	}
	return attr{}, false
}

// propagationOf returns the propagation that an option asks for; rec is set
// for the recursive spelling.
func propagationOf(name string) (prop uint64, rec, ok bool) {
	base := strings.TrimPrefix(name, "r")
	switch base {
	case "private":
		return unix.MS_PRIVATE, base != name, true
	case "shared":
		return unix.MS_SHARED, base != name, true
	case "slave":
		return unix.MS_SLAVE, base != name, true
	case "unbindable":
		return unix.MS_UNBINDABLE, base != name, true
	}
	return 0, false, false
}

// parseOptions sorts a mount's options.
func parseOptions(list []string) (options, error) {
	var o options
	for _, name := range list {
		if err := o.add(name); err != nil {
			return o, err
		}
	}
	return o, nil
}

// add takes in one option; what no rule knows is the file system's own.
func (o *options) add(name string) error {
	switch name {
	case "", "defaults":
		return nil
	case "bind":
		o.bind = true
		return nil
	case "rbind":
		o.bind, o.recursive = true, true
		return nil
	case "sync", "dirsync", "lazytime", "mand", "silent":
		o.sb = append(o.sb, name)
		return nil
	case "async", "nolazytime", "nomand", "loud":
		return nil // the default
	case "tmpcopyup":
		o.copyUp = true
		return nil
	case "idmap", "ridmap":
		return fmt.Errorf("option %q: mappings need a user namespace, which this version does not make", name)
	}
	if a, ok := attribute(name); ok {
		o.clear, o.set = o.clear|a.clear, o.set&^(a.clear)|a.set
		return nil
	}
	if p, _, ok := propagationOf(name); ok {
		o.propagation = p
		return nil
	}
	if a, ok := attribute(strings.TrimPrefix(name, "r")); ok && strings.HasPrefix(name, "r") {
		o.recClear, o.recSet = o.recClear|a.clear, o.recSet&^(a.clear)|a.set
		return nil
	}
	if strings.ContainsRune(name, 0) {
		return fmt.Errorf("option %q contains a NUL", name)
	}
	o.data = append(o.data, name)
	return nil
}

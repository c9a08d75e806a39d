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
	remount   bool
	// set and clear are MOUNT_ATTR_* of the mount itself; the rec ones go for
	// every mount below it too (rro and the like of runtime-spec 1.1).
	set, clear       uint64
	recSet, recClear uint64
	// propagation is an MS_* flag, 0 when none is asked for; recPropagation
	// says that it is for every mount below too (rshared and the like).
	propagation    uint64
	recPropagation bool
	// idmap asks for mapped ids, recIDMap also below (ridmap).
	idmap, recIDMap bool
	// sb are flags of the file system as a whole, data its own options.
	sb, data []string
	copyUp   bool
	// optional lets the source of a bind mount be missing.
	optional bool
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

// parseOptions sorts a mount's options (runtime-spec, config.md, "Linux mount
// options"). Of options that contradict each other the last one counts.
func parseOptions(list []string) (options, error) {
	var o options
	for _, name := range list {
		if strings.ContainsRune(name, 0) {
			return o, fmt.Errorf("option %q contains a NUL", name)
		}
		o.add(name)
	}
	return o, nil
}

// add takes in one option; what no rule knows is the file system's own.
func (o *options) add(name string) {
	if o.word(name) {
		return
	}
	if a, ok := attribute(name); ok {
		o.clear, o.set = o.clear|a.clear, o.set&^(a.clear)|a.set
		return
	}
	if p, rec, ok := propagationOf(name); ok {
		o.propagation, o.recPropagation = p, rec
		return
	}
	if a, ok := attribute(strings.TrimPrefix(name, "r")); ok && strings.HasPrefix(name, "r") {
		o.recClear, o.recSet = o.recClear|a.clear, o.recSet&^(a.clear)|a.set
		return
	}
	o.data = append(o.data, name)
}

// word takes in an option that is neither an attribute nor a propagation.
func (o *options) word(name string) bool {
	switch name {
	case "bind":
		o.bind, o.recursive = true, false
	case "rbind":
		o.bind, o.recursive = true, true
	case "remount":
		o.remount = true
	case "sync", "dirsync", "lazytime", "mand":
		o.sb = append(o.sb, name)
	case "tmpcopyup":
		o.copyUp = true
	case "idmap":
		o.idmap, o.recIDMap = true, false
	case "ridmap":
		o.idmap, o.recIDMap = true, true
	case "", "defaults", "async", "nolazytime", "nomand":
		// what is so anyway
	case "silent", "loud", "iversion", "noiversion":
		// mount(2) alone has them: the first two are about the kernel's log,
		// and file systems with change counters keep them always by now.
	default:
		return false
	}
	return true
}

// whole counts the recursive attributes among the mount's own, for a file
// system that has nothing mounted below it yet.
func (o *options) whole() {
	o.clear, o.set = o.clear|o.recClear, o.set&^o.recClear|o.recSet
	o.recSet, o.recClear = 0, 0
}

// has reports whether the file system is given an option of this name.
func (o *options) has(key string) bool {
	for _, d := range o.data {
		if name, _, _ := strings.Cut(d, "="); name == key {
			return true
		}
	}
	return false
}

package rootfs

import (
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// Assembly collects the steps of one container's file systems. The host's
// steps go to the plan at once; the child's wait until Attach.
type Assembly struct {
	// Root is the slot of the root's detached mount.
	Root nsenter.Slot
	// Inside says that the folder that Attach covers is the child's working
	// directory: in a user namespace the child may not be allowed to walk there.
	Inside bool
	// Joined says that the child's mount namespace is not a copy of the host's
	// but another one, with other paths.
	Joined bool

	plan       *nsenter.Plan
	trees      []tree
	attach     []nsenter.Step // child: in the order of the mounts
	readOnly   []nsenter.Step // host: once every mount point is made
	dev        nsenter.Slot   // of the tmpfs at /dev, or NoSlot
	pts        nsenter.Slot   // of the devpts at /dev/pts, or NoSlot
	hold       string         // where the root is attached until Enter
	hostDev    bool           // /dev is a bind mount: its files are its own
	label      string         // SELinux's, of every file system that is made
	users      users
	shared     []specs.LinuxNamespaceType // the host's, in a user namespace
	mappings   map[string]nsenter.Slot    // user namespaces made for id maps
	stash      []nsenter.Slot             // mounts that go below the root at hold
	awaited    bool                       // the host has waited for the child's mount namespace
	inOrder    bool                       // the mount table shall be in the spec's order
	unbindable []unbindable
	null       bool // the tmpfs at /dev has the null device
}

// New starts an assembly whose steps go to p.
func New(p *nsenter.Plan) *Assembly {
	return &Assembly{
		plan: p, dev: nsenter.NoSlot, pts: nsenter.NoSlot, Root: nsenter.NoSlot,
		users: users{ns: nsenter.NoSlot}, mappings: map[string]nsenter.Slot{},
	}
}

// Label sets the SELinux label of the files of every file system that is made
// for the container (linux.mountLabel). Call it before the root is made.
func (a *Assembly) Label(label string) { a.label = label }

// noPath is the empty path of calls that act on a descriptor itself.
func noPath() nsenter.Arg { return nsenter.Str("") }

// host appends a host step.
func (a *Assembly) host(s nsenter.Step) { a.plan.Add(s) }

// child keeps a child step for Attach.
func (a *Assembly) child(s nsenter.Step) { a.attach = append(a.attach, s) }

// config sets one option of a file system that is being made.
func (a *Assembly) config(ctx nsenter.Slot, who nsenter.Who, key, value, from, why string) {
	a.step(who, nsenter.Call(who, unix.SYS_FSCONFIG, nsenter.Fd(ctx), nsenter.Int(unix.FSCONFIG_SET_STRING),
		nsenter.Str(key), nsenter.Str(value), nsenter.Int(0)).On(key+"="+value).For(from, why))
}

// flag sets one option that has no value.
func (a *Assembly) flag(ctx nsenter.Slot, who nsenter.Who, key, from, why string) {
	a.step(who, nsenter.Call(who, unix.SYS_FSCONFIG, nsenter.Fd(ctx), nsenter.Int(unix.FSCONFIG_SET_FLAG),
		nsenter.Str(key), nsenter.Null(), nsenter.Int(0)).On(key).For(from, why))
}

// create makes the superblock.
func (a *Assembly) create(ctx nsenter.Slot, who nsenter.Who, from string) {
	a.step(who, nsenter.Call(who, unix.SYS_FSCONFIG, nsenter.Fd(ctx), nsenter.Int(unix.FSCONFIG_CMD_CREATE),
		nsenter.Null(), nsenter.Null(), nsenter.Int(0)).On(a.plan.SlotName(ctx)).For(from, "the file system comes into being"))
}

// fsmount makes a detached mount of a file system.
func (a *Assembly) fsmount(ctx nsenter.Slot, who nsenter.Who, out nsenter.Slot, attrs uint64, target, from string) {
	a.step(who, nsenter.Call(who, unix.SYS_FSMOUNT, nsenter.Fd(ctx), nsenter.Int(unix.FSMOUNT_CLOEXEC), nsenter.Int(attrs)).
		To(out).On(target).For(from, "a mount of it that no mount table shows yet"))
}

// step files a step with its side.
func (a *Assembly) step(who nsenter.Who, s nsenter.Step) {
	if who == nsenter.Child {
		a.child(s)
		return
	}
	a.host(s)
}

// Folder makes the root from a folder of the host. propagation is the spec's
// rootfsPropagation.
func (a *Assembly) Folder(dir, propagation, from string) {
	a.Root = a.plan.NewSlot("root")
	a.trees = append(a.trees, tree{dest: "/", slot: a.Root})
	a.host(a.clone(dir, true).To(a.Root).For(from, "the root is this folder, as a mount of its own"))
	// A copy is a peer of what it was copied from: where the host's mounts are
	// shared, as systemd makes them, whatever is attached to it would appear
	// on the host too.
	prop, why := uint64(unix.MS_PRIVATE), "what is mounted in it does not appear on the host"
	if asked, _, ok := propagationOf(propagation); ok && (asked == unix.MS_SLAVE || asked == unix.MS_SHARED) {
		prop, why = unix.MS_SLAVE, "the host's mounts arrive in it, and never the other way round"
	}
	a.host(setattr(nsenter.Host, a.Root, true, 0, 0, prop).On("/").For(from, why))
}

// MapRoot gives the root that Folder made the ids of the container's user
// namespace, so that its files belong to the container's users. What is mounted
// below it stays as it is.
func (a *Assembly) MapRoot(from string) { a.mapIDs(a.Root, a.users.ns, false, "/", from) }

// clone returns a step that copies the mount at a host path.
func (a *Assembly) clone(dir string, recursive bool) nsenter.Step {
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	return nsenter.Call(nsenter.Host, unix.SYS_OPEN_TREE, nsenter.Int(unix.AT_FDCWD), nsenter.Str(dir), nsenter.Int(flags)).On(dir)
}

// setattr returns a mount_setattr step on a slot's mount.
func setattr(who nsenter.Who, slot nsenter.Slot, recursive bool, set, clear, propagation uint64) nsenter.Step {
	flags := uint(unix.AT_EMPTY_PATH)
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	return nsenter.Call(who, unix.SYS_MOUNT_SETATTR, nsenter.Fd(slot), noPath(), nsenter.Int(flags),
		nsenter.Ptr(nsenter.MountAttr(set, clear, propagation, 0)), nsenter.Int(32))
}

// RootReadOnly makes the root read-only, after the mount points are made.
func (a *Assembly) RootReadOnly(from string) {
	a.readOnly = append(a.readOnly, setattr(nsenter.Host, a.Root, false, unix.MOUNT_ATTR_RDONLY, 0, 0).
		On("/").For(from, "the container may not change its root"))
}

// Seal makes read-only what had to be writable until every mount point was
// made. No mount may be added after it.
func (a *Assembly) Seal() {
	a.plan.Add(a.readOnly...)
	a.readOnly = nil
}

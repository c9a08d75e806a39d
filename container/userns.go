package container

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// The kernel's limits on the map of a user namespace (user_namespaces(7)): lines
// since 4.15, and less than a page of text.
const (
	maxMapLines = 340
	maxMapBytes = 4095
)

// idMap is one of a user namespace's two maps.
type idMap struct {
	field string // of the spec
	file  string // in /proc/PID
	list  []specs.LinuxIDMapping
}

// idMaps returns the maps of a spec, user ids first.
func idMaps(s *specs.Spec) []idMap {
	return []idMap{
		{"linux.uidMappings", "uid_map", s.Linux.UIDMappings},
		{"linux.gidMappings", "gid_map", s.Linux.GIDMappings},
	}
}

// checkUserNamespace refuses maps that the kernel would not take, and users
// that would be nobody.
func checkUserNamespace(s *specs.Spec) error {
	ns := namespace(s, specs.UserNamespace)
	given := 0
	for _, m := range idMaps(s) {
		if len(m.list) > 0 {
			given++
		}
		if len(m.list) > 0 && ns == nil {
			return fmt.Errorf("%s: mappings need a user namespace", m.field)
		}
		if err := m.check(); err != nil {
			return err
		}
	}
	if ns == nil || ns.Path != "" && given == 0 {
		return nil // the maps are those of the namespace that is joined
	}
	for _, m := range idMaps(s) {
		if len(m.list) == 0 {
			return fmt.Errorf("%s: a user namespace needs mappings for users and for groups", m.field)
		}
	}
	return checkMapped(s)
}

// check refuses a map that the kernel would not take.
func (m idMap) check() error {
	if len(m.list) > maxMapLines {
		return fmt.Errorf("%s: %d mappings; the kernel takes %d", m.field, len(m.list), maxMapLines)
	}
	if n := len(m.text()); n > maxMapBytes {
		return fmt.Errorf("%s: %d bytes of mappings; the kernel takes %d", m.field, n, maxMapBytes)
	}
	for i, a := range m.list {
		field := fmt.Sprintf("%s[%d]", m.field, i)
		if a.Size == 0 {
			return fmt.Errorf("%s.size: 0 maps nothing", field)
		}
		// The highest id stands for "none" in the kernel.
		if uint64(a.ContainerID)+uint64(a.Size) > 1<<32-1 || uint64(a.HostID)+uint64(a.Size) > 1<<32-1 {
			return fmt.Errorf("%s.size: %d ids from %d and %d on are more than there are", field, a.Size, a.ContainerID, a.HostID)
		}
		for j, b := range m.list[:i] {
			if overlap(a.ContainerID, a.Size, b.ContainerID, b.Size) || overlap(a.HostID, a.Size, b.HostID, b.Size) {
				return fmt.Errorf("%s: overlaps with %s[%d]", field, m.field, j)
			}
		}
	}
	return nil
}

// overlap reports whether two ranges have an id in common.
func overlap(a, aSize, b, bSize uint32) bool {
	return uint64(a) < uint64(b)+uint64(bSize) && uint64(b) < uint64(a)+uint64(aSize)
}

// text is what is written into the map's file.
func (m idMap) text() string {
	var b strings.Builder
	for _, l := range m.list {
		fmt.Fprintf(&b, "%d %d %d\n", l.ContainerID, l.HostID, l.Size)
	}
	return b.String()
}

// maps reports whether an id of the container is one of the host's.
func (m idMap) maps(id uint32) bool {
	return slices.ContainsFunc(m.list, func(l specs.LinuxIDMapping) bool {
		return id >= l.ContainerID && id-l.ContainerID < l.Size
	})
}

// root is the id that the child takes on in the namespace: root's, if there
// is one.
func (m idMap) root() uint32 {
	if len(m.list) == 0 || m.maps(0) {
		return 0
	}
	return m.list[0].ContainerID
}

// checkMapped refuses a payload whose user or groups do not exist in its user
// namespace.
func checkMapped(s *specs.Spec) error {
	u, both := s.Process.User, idMaps(s)
	if u.Username != "" {
		return nil // known once the image was looked at
	}
	if !both[0].maps(u.UID) {
		return fmt.Errorf("process.user.uid: %d is not in linux.uidMappings", u.UID)
	}
	for i, g := range append([]uint32{u.GID}, u.AdditionalGids...) {
		if both[1].maps(g) {
			continue
		}
		field := "process.user.gid"
		if i > 0 {
			field = fmt.Sprintf("process.user.additionalGids[%d]", i-1)
		}
		return fmt.Errorf("%s: %d is not in linux.gidMappings", field, g)
	}
	return nil
}

// userNamespace brings the child into its user namespace, as its root. What
// the child makes and joins from there on, it does with that root's powers.
func (c *compiler) userNamespace() error {
	ns := namespace(c.in.Spec, specs.UserNamespace)
	if ns == nil {
		return nil
	}
	from := c.from("linux.namespaces[user]")
	c.stay()
	var slot nsenter.Slot
	if j := c.joined(specs.UserNamespace); j != nil {
		slot = j.slot
		c.p.Add(j.step(), wait("wait until the child has joined its user namespace", from))
		c.compareMaps()
	} else {
		slot = c.p.NewSlot("user namespace")
		c.p.Add(nsenter.Call(nsenter.Child, unix.SYS_UNSHARE, nsenter.Int(unix.CLONE_NEWUSER)).For(from, "its own user and group ids"),
			wait("wait until the child has made its user namespace", from))
		c.writeMaps(slot)
	}
	l := c.in.Spec.Linux
	c.asm.Users(l.UIDMappings, l.GIDMappings, slot)
	c.becomeRoot()
	return nil
}

// wait returns the host's step that waits for the child.
func wait(text, from string) nsenter.Step {
	return nsenter.Control(nsenter.Host, nsenter.OpSync, text).For(from, "the host goes on from there")
}

// stay makes the folder that the root will cover for a moment the child's
// working directory. Once in the user namespace it may not walk there.
func (c *compiler) stay() {
	c.asm.Inside = true
	c.p.Add(nsenter.Call(nsenter.Child, unix.SYS_CHDIR, nsenter.Str(c.hold())).On(c.hold()).
		For("root", "a user of the namespace may not be allowed to walk to where the root will be attached"))
}

// writeMaps writes the maps of a new user namespace and opens it. A process
// cannot do that for itself: in the namespace it has no power over the host's
// ids.
func (c *compiler) writeMaps(slot nsenter.Slot) {
	for _, m := range idMaps(c.in.Spec) {
		c.p.Add(nsenter.Do("write "+strconv.Quote(m.text())+" to the child's "+m.file, func(h *nsenter.Run) error {
			return m.write(h.Pid())
		}).On(m.file).For(c.from(m.field), "which ids of the host the container's ids are"))
	}
	c.p.Add(nsenter.Do("open the child's user namespace", func(h *nsenter.Run) error {
		name := "/proc/" + strconv.Itoa(h.Pid()) + "/ns/user"
		fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open %s: %w", name, err)
		}
		h.SetFd(slot, fd)
		return nil
	}).To(slot).On("user namespace").For(c.from("linux.namespaces[user]"), "mounts that show files under mapped ids take it"))
}

// write sets the map, which the kernel takes in one piece and once only.
func (m idMap) write(pid int) error {
	name := "/proc/" + strconv.Itoa(pid) + "/" + m.file
	fd, err := unix.Open(name, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", name, err)
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte(m.text())); err != nil {
		return fmt.Errorf("%s: write %s: %w", m.field, name, err)
	}
	return nil
}

// compareMaps makes sure that a namespace that is joined has the maps that the
// spec says, since what is made for the container is made for those.
func (c *compiler) compareMaps() {
	for _, m := range idMaps(c.in.Spec) {
		if len(m.list) == 0 {
			continue
		}
		c.p.Add(nsenter.Do("compare the child's "+m.file+" with the configuration", func(h *nsenter.Run) error {
			text, err := m.read(h.Pid())
			if err != nil {
				return err
			}
			return m.compare(text)
		}).On(m.file).For(c.from(m.field), "what is made for the container will belong to these ids"))
	}
}

// parse reads the text of a namespace's map.
func (m idMap) parse(text string) (idMap, error) {
	m.list = nil
	for line := range strings.Lines(text) {
		var l specs.LinuxIDMapping
		if _, err := fmt.Sscan(line, &l.ContainerID, &l.HostID, &l.Size); err != nil {
			return m, fmt.Errorf("parse %s line %q: %w", m.file, line, err)
		}
		m.list = append(m.list, l)
	}
	return m, nil
}

// read reads the map of a process in the namespace.
func (m idMap) read(pid int) (string, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/" + m.file)
	return string(text), err
}

// compare compares the map with the text of a namespace's.
func (m idMap) compare(text string) error {
	theirs, err := m.parse(text)
	if err != nil {
		return err
	}
	if !slices.Equal(m.merged(), theirs.merged()) {
		return fmt.Errorf("%s: the user namespace to join maps differently (%s): %w", m.field,
			strings.Join(strings.Fields(text), " "), errMapped)
	}
	return nil
}

// errMapped is a namespace with other mappings than the spec has.
var errMapped = errors.New("mappings must be left out or match")

// merged returns the mappings in one order, neighbours joined: two maps are
// the same when these are.
func (m idMap) merged() []specs.LinuxIDMapping {
	list := slices.Clone(m.list)
	slices.SortFunc(list, func(a, b specs.LinuxIDMapping) int { return int(int64(a.ContainerID) - int64(b.ContainerID)) })
	var out []specs.LinuxIDMapping
	for _, l := range list {
		if n := len(out); n > 0 && out[n-1].ContainerID+out[n-1].Size == l.ContainerID && out[n-1].HostID+out[n-1].Size == l.HostID {
			out[n-1].Size += l.Size
			continue
		}
		out = append(out, l)
	}
	return out
}

// becomeRoot plans the change to an id that the namespace has: the host's root
// is nobody in it, and could make no files.
func (c *compiler) becomeRoot() {
	ids := idMaps(c.in.Spec)
	uid, gid := nsenter.Int(ids[0].root()), nsenter.Int(ids[1].root())
	if len(ids[0].list) == 0 {
		uid, gid = c.joinedRoot()
	}
	const from, why = "linux.namespaces[user]", "the host's root is nobody in the namespace"
	c.p.Add(nsenter.Call(nsenter.Child, unix.SYS_SETRESGID, gid, gid, gid).For(from, why))
	c.p.Add(nsenter.Call(nsenter.Child, unix.SYS_SETRESUID, uid, uid, uid).For(from, why))
}

// joinedRoot plans the search for root in a namespace whose maps nobody told.
func (c *compiler) joinedRoot() (uid, gid nsenter.Arg) {
	slots := []nsenter.Slot{c.p.NewSlot("uid of the namespace"), c.p.NewSlot("gid of the namespace")}
	c.p.Add(nsenter.Do("find root in the child's maps", func(h *nsenter.Run) error {
		for i, m := range idMaps(c.in.Spec) {
			text, err := m.read(h.Pid())
			if err != nil {
				return err
			}
			if m, err = m.parse(text); err != nil {
				return err
			}
			if len(m.list) == 0 {
				return fmt.Errorf("linux.namespaces[user].path: the namespace has no %s: %w", m.file, unix.EINVAL)
			}
			h.SetValue(slots[i], int64(m.root()))
		}
		return nil
	}).For("linux.namespaces[user]", "the child becomes root there, or whoever there is"))
	return nsenter.Fd(slots[0]), nsenter.Fd(slots[1])
}

package rootfs

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// users is how the container's ids become the host's.
type users struct {
	on bool
	ns nsenter.Slot
	// uid and gid are the mappings. Those of a namespace that is joined are
	// known only when the plan runs: late is set, and wanted are the ids that
	// must be mapped then.
	uid, gid []specs.LinuxIDMapping
	late     bool
	wanted   []wantedID
}

// wantedID is an id that some step will give to a file.
type wantedID struct {
	group bool
	id    uint32
	from  string
}

// Users says that the container has a user namespace of its own: what the host
// makes for it belongs to the mapped ids then, and image layers are mapped.
// userns is the slot that a host step before fills with the namespace. Without
// mappings, those of the child are read when the plan runs: it must be in the
// namespace by then. Call it before the root is made.
func (a *Assembly) Users(uid, gid []specs.LinuxIDMapping, userns nsenter.Slot) {
	a.users = users{on: true, ns: userns, uid: uid, gid: gid, late: len(uid) == 0 && len(gid) == 0}
	if !a.users.late {
		return
	}
	a.host(nsenter.Do("read how the user namespace maps ids", func(h *nsenter.Run) error {
		return a.users.read(h.Pid())
	}).For("linux.namespaces[user]", "what is made for the container must belong to it"))
}

// read takes the mappings from a process in the namespace.
func (u *users) read(pid int) error {
	for name, list := range map[string]*[]specs.LinuxIDMapping{"uid_map": &u.uid, "gid_map": &u.gid} {
		f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/" + name)
		if err != nil {
			return err
		}
		*list, err = parseIDMap(f)
		f.Close()
		if err != nil {
			return err
		}
	}
	for _, w := range u.wanted {
		if _, err := u.host(w.group, w.id, w.from); err != nil {
			return err
		}
	}
	return nil
}

// parseIDMap reads a user namespace's table (user_namespaces(7)).
func parseIDMap(r io.Reader) ([]specs.LinuxIDMapping, error) {
	var list []specs.LinuxIDMapping
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		var n [3]uint64
		for i := range n {
			var err error
			if len(f) != 3 {
				return nil, fmt.Errorf("parse id map %q: %w", lines.Text(), unix.EINVAL)
			}
			if n[i], err = strconv.ParseUint(f[i], 10, 32); err != nil {
				return nil, fmt.Errorf("parse id map: %w", err)
			}
		}
		list = append(list, specs.LinuxIDMapping{ContainerID: uint32(n[0]), HostID: uint32(n[1]), Size: uint32(n[2])})
	}
	return list, lines.Err()
}

// host translates an id of the container. from is the field that names it.
func (u *users) host(group bool, id uint32, from string) (uint32, error) {
	if !u.on {
		return id, nil
	}
	list, kind := u.uid, "uid"
	if group {
		list, kind = u.gid, "gid"
	}
	for _, m := range list {
		if id >= m.ContainerID && id-m.ContainerID < m.Size {
			return m.HostID + (id - m.ContainerID), nil
		}
	}
	return 0, fmt.Errorf("%s: %s %d is not mapped in the user namespace", from, kind, id)
}

// want notes that an id will be translated, and refuses what cannot be.
func (u *users) want(group bool, id uint32, from string) error {
	if u.late {
		u.wanted = append(u.wanted, wantedID{group, id, from})
		return nil
	}
	_, err := u.host(group, id, from)
	return err
}

// text is a translated id as a string argument of a plan.
func (u *users) text(group bool, id uint32, from string) (arg nsenter.Arg, shown string, err error) {
	if err := u.want(group, id, from); err != nil {
		return nsenter.Arg{}, "", err
	}
	decimal := func() string {
		n, _ := u.host(group, id, from) // want has seen to it
		return strconv.FormatUint(uint64(n), 10)
	}
	if !u.late {
		return nsenter.Str(decimal()), decimal(), nil
	}
	shown = "the host's id of " + strconv.FormatUint(uint64(id), 10)
	return nsenter.Late(shown, func() *nsenter.Data { return nsenter.CString(decimal()) }), shown, nil
}

// chown gives a file, which is not followed when it is a link, to ids of the
// container.
func (a *Assembly) chown(dir nsenter.Slot, name string, uid, gid uint32, target, from, why string) error {
	for group, id := range map[bool]uint32{false: uid, true: gid} {
		if err := a.users.want(group, id, from); err != nil {
			return err
		}
	}
	if a.users.late {
		a.host(nsenter.Do("give "+target+" to the container's user", func(h *nsenter.Run) error {
			u, _ := a.users.host(false, uid, from)
			g, _ := a.users.host(true, gid, from)
			return chownAt(h.Fd(dir), name, u, g)
		}).On(target).For(from, why))
		return nil
	}
	u, _ := a.users.host(false, uid, from)
	g, _ := a.users.host(true, gid, from)
	a.host(nsenter.Call(nsenter.Host, unix.SYS_FCHOWNAT, nsenter.Fd(dir), nsenter.Str(name),
		nsenter.Int(u), nsenter.Int(g), nsenter.Int(unix.AT_SYMLINK_NOFOLLOW)).On(target).For(from, why))
	return nil
}

func chownAt(dir int, name string, uid, gid uint32) error {
	if err := unix.Fchownat(dir, name, int(uid), int(gid), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("fchownat %s: %w", name, err)
	}
	return nil
}

// asRoot runs a function whose new files belong to the container's root. In an
// id-mapped file system the host's own ids have no place: making a file as the
// host's root would fail there with EOVERFLOW.
func (a *Assembly) asRoot(f func() error) error {
	uid, err := a.users.host(false, 0, "linux.uidMappings")
	if err != nil {
		return f() // nobody is root in there
	}
	gid, err := a.users.host(true, 0, "linux.gidMappings")
	if err != nil {
		return f()
	}
	return AsOwner(int(uid), int(gid), f)
}

// AsOwner runs a function whose new files belong to these ids of the host, with
// this process's powers otherwise.
func AsOwner(uid, gid int, f func() error) error {
	if uid == 0 && gid == 0 {
		return f()
	}
	// Credentials are the thread's.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	bits, err := unix.PrctlRetInt(unix.PR_GET_SECUREBITS, 0, 0, 0, 0)
	if err != nil {
		return fmt.Errorf("prctl PR_GET_SECUREBITS: %w", err)
	}
	// Else the capabilities for files would go with the id.
	if err := unix.Prctl(unix.PR_SET_SECUREBITS, uintptr(bits)|noSetuidFixup, 0, 0, 0); err != nil {
		return fmt.Errorf("prctl PR_SET_SECUREBITS: %w", err)
	}
	defer func() { _ = unix.Prctl(unix.PR_SET_SECUREBITS, uintptr(bits), 0, 0, 0) }()
	oldUID, err := unix.SetfsuidRetUid(uid)
	if err != nil {
		return fmt.Errorf("setfsuid %d: %w", uid, err)
	}
	defer func() { _ = unix.Setfsuid(oldUID) }()
	oldGID, err := unix.SetfsgidRetGid(gid)
	if err != nil {
		return fmt.Errorf("setfsgid %d: %w", gid, err)
	}
	defer func() { _ = unix.Setfsgid(oldGID) }()
	return f()
}

// noSetuidFixup is SECBIT_NO_SETUID_FIXUP (capabilities(7)).
const noSetuidFixup = 1 << 2

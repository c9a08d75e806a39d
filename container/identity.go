package container

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/user"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
	"berth/rootfs"
)

// Identity is who the payload runs as. Until the plan's look-up step has run,
// it is what the spec says.
type Identity struct {
	UID, GID uint32
	Groups   []uint32
	Home     string

	// Filled by the look-up; NoSlot without one.
	uidSlot, gidSlot, countSlot nsenter.Slot
}

// maxID is the highest user or group id that docker takes: higher ones have
// been read as negative numbers before (CVE-2024-40635).
const maxID = 1<<31 - 1

// maxGroupFile bounds what is read of an image's group file, in bytes.
const maxGroupFile = 10<<20 + 1

// identify starts from the spec's numbers.
func identify(u specs.User) *Identity {
	return &Identity{UID: u.UID, GID: u.GID, Groups: slices.Clone(u.AdditionalGids), uidSlot: nsenter.NoSlot, gidSlot: nsenter.NoSlot, countSlot: nsenter.NoSlot}
}

// uid is the user id as an argument.
func (i *Identity) uid() nsenter.Arg {
	if i.uidSlot != nsenter.NoSlot {
		return nsenter.Fd(i.uidSlot)
	}
	return nsenter.Int(i.UID)
}

// gid is the group id as an argument.
func (i *Identity) gid() nsenter.Arg {
	if i.gidSlot != nsenter.NoSlot {
		return nsenter.Fd(i.gidSlot)
	}
	return nsenter.Int(i.GID)
}

// groups is the list of supplementary groups as setgroups(2)'s two arguments.
func (i *Identity) groups() []nsenter.Arg {
	list := func() *nsenter.Data {
		var b []byte
		for _, g := range i.Groups {
			b = binary.NativeEndian.AppendUint32(b, g)
		}
		return &nsenter.Data{Bytes: b, Text: fmt.Sprint(i.Groups)}
	}
	if i.countSlot == nsenter.NoSlot {
		return []nsenter.Arg{nsenter.Int(len(i.Groups)), nsenter.Ptr(list())}
	}
	return []nsenter.Arg{nsenter.Fd(i.countSlot), nsenter.Late("groups of the image's user", list)}
}

// userSpec returns what docker's form of the user is: "user[:group]".
func userSpec(u specs.User) string {
	if u.Username != "" {
		return u.Username
	}
	// A group of 0 is what the user's own entry says, unless it was asked
	// for by number.
	if u.GID != 0 {
		return strconv.Itoa(int(u.UID)) + ":" + strconv.Itoa(int(u.GID))
	}
	return strconv.Itoa(int(u.UID))
}

// user decides who the payload is, and plans the look-up in the image.
func (c *compiler) user() error {
	u := c.in.Spec.Process.User
	c.identity = identify(u)
	if !c.in.Lookup {
		c.identity.lookupHome(c.p, c.in.Spec.Process.Env, fileOf(c.asm))
		return nil
	}
	c.identity.uidSlot, c.identity.gidSlot = c.p.NewSlot("uid"), c.p.NewSlot("gid")
	c.identity.countSlot = c.p.NewSlot("number of groups")
	c.identity.lookup(c.p, userSpec(u), c.in.GroupAdd, c.from("process.user"), fileOf(c.asm))
	return nil
}

// fileOf opens files of an assembly's root.
func fileOf(asm *rootfs.Assembly) opener {
	return func(h *nsenter.Run, name string) (io.ReadCloser, error) { return asm.Open(h, name) }
}

// opener opens a file of the image when the plan runs.
type opener func(h *nsenter.Run, name string) (io.ReadCloser, error)

// lookup plans the search for a user in the image's passwd and group files.
func (i *Identity) lookup(p *nsenter.Plan, who string, groupAdd []string, from string, open opener) {
	p.Add(nsenter.Do("look up user "+strconv.Quote(who)+" in the image's /etc/passwd and /etc/group", func(h *nsenter.Run) error {
		passwd, err := openOptional(h, open, "etc/passwd")
		if err != nil {
			return err
		}
		defer passwd.Close()
		group, err := openOptional(h, open, "etc/group")
		if err != nil {
			return err
		}
		defer group.Close()
		if err := i.find(who, groupAdd, passwd, group); err != nil {
			return err
		}
		h.SetValue(i.uidSlot, int64(i.UID))
		h.SetValue(i.gidSlot, int64(i.GID))
		h.SetValue(i.countSlot, int64(len(i.Groups)))
		return nil
	}).On("/etc/passwd").For(from, "names are the image's, numbers are the kernel's"))
}

// lookupHome plans the search for a user's home folder in the image: all that
// the image is asked of a user who is given by numbers.
func (i *Identity) lookupHome(p *nsenter.Plan, env []string, open opener) {
	i.Home = "/"
	if !lacksHome(env) {
		return
	}
	p.Add(nsenter.Do("look up the home folder of user "+strconv.Itoa(int(i.UID))+" in the image's /etc/passwd", func(h *nsenter.Run) error {
		passwd, err := openOptional(h, open, "etc/passwd")
		if err != nil {
			return err
		}
		defer passwd.Close()
		return i.findHome(passwd)
	}).On("/etc/passwd").For("process.env", "it has no HOME"))
}

// findHome sets the home folder; it stays when the user has no entry.
func (i *Identity) findHome(passwd io.Reader) error {
	entries, err := user.ParsePasswdFilter(passwd, func(u user.User) bool { return u.Uid == int(i.UID) && u.Home != "" })
	if err != nil {
		return fmt.Errorf("read /etc/passwd: %w", err)
	}
	if len(entries) > 0 {
		i.Home = entries[0].Home
	}
	return nil
}

// openOptional opens a file that an image may lack.
func openOptional(h *nsenter.Run, open opener, name string) (io.ReadCloser, error) {
	f, err := open(h, name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return io.NopCloser(strings.NewReader("")), nil
	}
	return f, err
}

// readGroups reads a group file, which somebody may be writing to meanwhile.
func readGroups(group io.Reader) (string, error) {
	var text strings.Builder
	n, err := io.Copy(&text, io.LimitReader(group, maxGroupFile))
	if err != nil {
		return "", fmt.Errorf("read /etc/group: %w", err)
	}
	if n == maxGroupFile {
		return "", fmt.Errorf("read /etc/group: it has more than %d bytes", maxGroupFile-1)
	}
	return text.String(), nil
}

// find fills in the identity. Digits are never taken for names.
func (i *Identity) find(who string, groupAdd []string, passwd io.Reader, group io.Reader) error {
	// The group file is read twice, for the user's groups and the added ones.
	text, err := readGroups(group)
	if err != nil {
		return err
	}
	defaults := &user.ExecUser{Home: "/"}
	found, err := user.GetExecUser(who, defaults, passwd, strings.NewReader(text))
	if err != nil {
		return err
	}
	if slices.Contains(groupAdd, "") {
		return fmt.Errorf("look up an additional group: its name is empty")
	}
	added, err := user.GetAdditionalGroups(groupAdd, strings.NewReader(text))
	if err != nil {
		return err
	}
	// The library returns them in a random order; a plan has one order.
	slices.Sort(added)
	if found.Uid < 0 || found.Uid > maxID || found.Gid < 0 || found.Gid > maxID {
		return fmt.Errorf("user %q: id out of range", who)
	}
	i.UID, i.GID, i.Home = uint32(found.Uid), uint32(found.Gid), found.Home
	// The main group is a supplementary one too, as docker has it: a process
	// that changes its group must not lose what forbids that group something
	// (CVE-2022-36109).
	all := append([]uint32{i.GID}, i.Groups...)
	for _, g := range append(found.Sgids, added...) {
		if g < 0 || g > maxID {
			return fmt.Errorf("group id %d is out of range", g)
		}
		all = append(all, uint32(g))
	}
	i.Groups = nil
	for _, g := range all {
		if !slices.Contains(i.Groups, g) {
			i.Groups = append(i.Groups, g)
		}
	}
	if i.Home == "" {
		i.Home = "/"
	}
	return nil
}

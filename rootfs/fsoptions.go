package rootfs

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// options sets a file system's own options.
func (a *Assembly) options(ctx nsenter.Slot, who nsenter.Who, m specs.Mount, o options, from string) error {
	if m.Source != "" {
		a.config(ctx, who, "source", m.Source, from, "the name that mount tables show")
	}
	if o.set&unix.MOUNT_ATTR_RDONLY != 0 && strings.HasPrefix(m.Source, "/") && who == nsenter.Host {
		a.flag(ctx, who, "ro", from, "the device is not written to")
	}
	for _, name := range o.sb {
		a.flag(ctx, who, name, from, "an option of the whole file system")
	}
	// In a user namespace the host speaks of its own ids.
	mapped := a.users.on && who == nsenter.Host && ownsFiles(m.Type)
	for _, d := range o.data {
		if err := a.option(ctx, who, m, d, mapped, from); err != nil {
			return err
		}
	}
	if mapped && m.Type == "tmpfs" {
		if err := a.ownedByRoot(ctx, o, from); err != nil {
			return err
		}
	}
	if a.label != "" && takesContext(m.Type) {
		a.config(ctx, who, "context", a.label, "linux.mountLabel", "SELinux's label for every file")
	}
	return nil
}

// ownedByRoot gives a tmpfs to the container's root where its options name
// nobody else.
func (a *Assembly) ownedByRoot(ctx nsenter.Slot, o options, from string) error {
	for _, key := range []string{"uid", "gid"} {
		if o.has(key) {
			continue
		}
		if err := a.owner(ctx, key, 0, from); err != nil {
			return err
		}
	}
	return nil
}

// option sets one of a file system's own options. Owners are translated when
// mapped is set.
func (a *Assembly) option(ctx nsenter.Slot, who nsenter.Who, m specs.Mount, d string, mapped bool, from string) error {
	key, value, ok := strings.Cut(d, "=")
	switch {
	case mapped && (key == "uid" || key == "gid"):
		id, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			return fmt.Errorf("%s: mount %s: %q is not an id", field(from, "options"), m.Destination, d)
		}
		return a.owner(ctx, key, uint32(id), from)
	case ok:
		a.config(ctx, who, key, value, from, "an option of "+m.Type)
	case d != "newinstance": // what devpts always does by now
		a.flag(ctx, who, d, from, "an option of "+m.Type)
	}
	return nil
}

// takesContext reports whether a file system takes SELinux's option context=.
func takesContext(kind string) bool {
	switch kind {
	case "proc", "sysfs", "mqueue", "cgroup2":
		return false
	}
	return true
}

// ownsFiles reports whether a file system takes the owner of its files as
// options, in ids of whoever mounts it.
func ownsFiles(kind string) bool { return kind == "tmpfs" || kind == "devpts" }

// owner sets an option that is an id of the container.
func (a *Assembly) owner(ctx nsenter.Slot, key string, id uint32, from string) error {
	arg, shown, err := a.users.text(key == "gid", id, field(from, "options"))
	if err != nil {
		return err
	}
	a.host(nsenter.Call(nsenter.Host, unix.SYS_FSCONFIG, nsenter.Fd(ctx), nsenter.Int(unix.FSCONFIG_SET_STRING),
		nsenter.Str(key), arg, nsenter.Int(0)).On(key+"="+shown).For(from, fmt.Sprintf("it is %d in the user namespace", id)))
	return nil
}

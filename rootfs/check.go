package rootfs

import (
	"fmt"
	"path"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// field names a part of what asked for a mount: a flag has no parts.
func field(from, name string) string {
	if strings.HasPrefix(from, "mounts[") {
		return from + "." + name
	}
	return from
}

// check reads a mount's options and refuses what cannot be meant. It makes the
// destination absolute.
func (a *Assembly) check(m *specs.Mount, from string) (options, error) {
	o, err := parseOptions(m.Options)
	if err != nil {
		return o, fmt.Errorf("%s: mount %s: %w", field(from, "options"), m.Destination, err)
	}
	if m.Destination == "" {
		return o, fmt.Errorf("%s: empty", field(from, "destination"))
	}
	if strings.ContainsRune(m.Destination+m.Source+m.Type, 0) {
		return o, fmt.Errorf("%s: mount %q: contains a NUL", from, m.Destination)
	}
	m.Destination = path.Clean("/" + m.Destination)
	o.bind = o.bind || m.Type == "bind"
	refused := refuseNew
	switch {
	case o.bind:
		refused = refuseBind
	case o.remount:
		refused = refuseRemount
	}
	for _, refuse := range []func(*specs.Mount, *options) (string, string){refused, a.refuseMapping} {
		if part, why := refuse(m, &o); why != "" {
			return o, fmt.Errorf("%s: mount %s: %s", field(from, part), m.Destination, why)
		}
	}
	return o, nil
}

// refuseNew returns the part of a mount of a file system that cannot be, and
// why; both are empty for one that can.
func refuseNew(m *specs.Mount, o *options) (part, why string) {
	switch {
	case m.Destination == "/":
		return "destination", "a mount cannot cover the container's root"
	case m.Type == "" || m.Type == "none":
		return "type", "a file system's type is needed, or the option bind or rbind"
	case m.Destination == "/proc" && m.Type != "proc":
		return "type", "only a proc can be mounted there: programs trust what is in /proc"
	case o.copyUp && m.Type != "tmpfs":
		return "options", "tmpcopyup is for a tmpfs"
	}
	return "", ""
}

// refuseBind is refuseNew for bind mounts.
func refuseBind(m *specs.Mount, o *options) (part, why string) {
	switch {
	case m.Destination == "/":
		return "destination", "a mount cannot cover the container's root"
	case m.Source == "":
		return "source", "empty"
	case !path.IsAbs(m.Source):
		return "source", fmt.Sprintf("%q is not an absolute path", m.Source)
	case o.copyUp:
		return "options", "tmpcopyup is for a tmpfs"
	}
	return "", ""
}

// refuseRemount is refuseNew for changes of mounts.
func refuseRemount(_ *specs.Mount, o *options) (part, why string) {
	if len(o.data) > 0 {
		return "options", fmt.Sprintf("remount cannot change %q", strings.Join(o.data, ","))
	}
	return "", ""
}

// refuseMapping is refuseNew for mapped ids.
func (a *Assembly) refuseMapping(m *specs.Mount, o *options) (part, why string) {
	uid, gid := len(m.UIDMappings) > 0, len(m.GIDMappings) > 0
	switch {
	case (uid || gid || o.idmap) && !o.bind:
		return "options", "only bind mounts can have mapped ids"
	case uid && !gid:
		return "gidMappings", "missing, while there are uidMappings"
	case gid && !uid:
		return "uidMappings", "missing, while there are gidMappings"
	case o.idmap && !uid && !a.users.on:
		return "options", "idmap needs mappings or a user namespace"
	}
	return "", ""
}

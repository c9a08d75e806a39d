package container

import (
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// streams gives the pipes among the payload's first three descriptors to its
// user: programs that are not root open /dev/stdout and /dev/stderr anew, and
// then the pipe's owner counts. Files and terminals of the caller's stay his.
func (pl *payload) streams() error {
	if pl.terminal != nil || !pl.mayNotBeRoot() {
		return nil
	}
	maps := pl.linux.UIDMappings
	if pl.outside && len(maps) == 0 {
		return nil // a namespace that exists; who its users are to the host, nobody told
	}
	pl.p.Add(nsenter.Do("give the pipes among stdin, stdout and stderr to the payload's user", func(h *nsenter.Run) error {
		owner, ok := hostID(maps, pl.id.UID)
		if !ok || owner == 0 {
			return nil
		}
		for _, f := range h.Streams() {
			if err := chownPipe(f, owner); err != nil {
				return err
			}
		}
		return nil
	}).For(pl.fromField("process.user"), "whoever opens /dev/stdout anew needs the right to"))
	return nil
}

// mayNotBeRoot reports whether the payload's user could be another one than
// the host's root.
func (pl *payload) mayNotBeRoot() bool {
	u := pl.spec.User
	return u.UID != 0 || u.Username != "" || pl.outside
}

// hostID translates an id of the container. Without mappings they are the
// host's own.
func hostID(maps []specs.LinuxIDMapping, id uint32) (uint32, bool) {
	for _, m := range maps {
		if id >= m.ContainerID && id-m.ContainerID < m.Size {
			return m.HostID + id - m.ContainerID, true
		}
	}
	return id, len(maps) == 0
}

// chownPipe changes the owner of a file that is a pipe.
func chownPipe(f *os.File, owner uint32) error {
	if f == nil {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fmt.Errorf("stat %s: %w", f.Name(), err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFIFO || st.Uid == owner {
		return nil
	}
	err := unix.Fchown(int(f.Fd()), int(owner), -1)
	// One on a read-only file system, or another user's, is as it is.
	if err != nil && err != unix.EROFS && err != unix.EPERM {
		return fmt.Errorf("chown %s: %w", f.Name(), err)
	}
	return nil
}

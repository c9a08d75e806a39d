package archive

import (
	"archive/tar"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// meta is what a header says about a file beside its name and content.
type meta struct {
	uid, gid     int
	mode         uint32
	dir, link    bool
	access, time unix.Timespec
	// records are the PAX records, with the extended attributes among them.
	records map[string]string
}

func metaOf(h *tar.Header) meta {
	return meta{
		uid: h.Uid, gid: h.Gid, mode: uint32(h.Mode) & 0o7777,
		dir: h.Typeflag == tar.TypeDir, link: h.Typeflag == tar.TypeSymlink,
		access: timespec(h.AccessTime, h.ModTime), time: timespec(h.ModTime, h.ModTime), records: h.PAXRecords,
	}
}

// metadata applies owner, attributes, mode and times, in this order: chown drops
// setuid bits and file capabilities, and writing an attribute may change times.
// A new owner gets neither of the two: they were the old one's to give. What the
// file was made with is left alone where it is right: each change is one to the
// file system's journal.
func (u *extractor) metadata(n node, p string, m meta, kept bool) error {
	drop := ""
	o, err := u.policy.owner(m.uid, m.gid, kept)
	if err != nil {
		return err
	}
	moved := o.change && (n.st.Uid != uint32(o.uid) || n.st.Gid != uint32(o.gid))
	if moved {
		if err := unix.Fchownat(n.fd, "", o.uid, o.gid, unix.AT_EMPTY_PATH); err != nil {
			return fmt.Errorf("chown %q to %d:%d: %w", p, o.uid, o.gid, err)
		}
	}
	if o.disowned && !m.dir {
		m.mode, drop = m.mode&0o1777, capabilityXattr
	}
	if err := u.xattrs(n, p, m, drop); err != nil {
		return err
	}
	// A new owner and an access control list may have changed the mode.
	if !m.link && (moved || hasXattrs(m.records) || n.st.Mode&0o7777 != m.mode) {
		if err := n.chmod(m.mode); err != nil {
			return fmt.Errorf("chmod %q: %w", p, err)
		}
	}
	if err := n.setTimes(m.access, m.time); err != nil {
		return fmt.Errorf("set times of %q: %w", p, err)
	}
	return nil
}

func timespec(t, otherwise time.Time) unix.Timespec {
	if t.IsZero() {
		t = otherwise
	}
	if t.IsZero() {
		t = time.Unix(0, 0)
	}
	return unix.Timespec{Sec: t.Unix(), Nsec: int64(t.Nanosecond())}
}

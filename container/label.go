package container

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// procField names a field of the payload that is set in a file of the host's
// /proc; empty without one.
func (pl *payload) procField() string {
	switch {
	case pl.spec.OOMScoreAdj != nil:
		return "process.oomScoreAdj"
	case pl.spec.SelinuxLabel != "":
		return "process.selinuxLabel"
	case pl.spec.ApparmorProfile != "" && pl.host.AppArmor != "":
		return "process.apparmorProfile"
	}
	return ""
}

// checkLabels refuses labels that the kernel has no module for, in runc's
// words: a container without its label is less confined than its author
// believes.
func (pl *payload) checkLabels() error {
	profile, label := pl.spec.ApparmorProfile, pl.spec.SelinuxLabel
	switch {
	case strings.IndexByte(profile, 0) >= 0:
		return fmt.Errorf("process.apparmorProfile: %q contains a NUL", profile)
	case strings.IndexByte(label, 0) >= 0:
		return fmt.Errorf("process.selinuxLabel: %q contains a NUL", label)
	case profile != "" && profile != unconfined && pl.host.AppArmor == "":
		return fmt.Errorf("process.apparmorProfile: apparmor: config provided but apparmor not supported")
	case label != "" && !pl.host.SELinux:
		return fmt.Errorf("process.selinuxLabel: selinux label is specified in config, but selinux is disabled or not supported")
	}
	return nil
}

// unconfined is the AppArmor profile that every process without one has.
const unconfined = "unconfined"

// labels sets what the security modules call the payload. The kernel takes both
// at the next execve, and until then they change nothing; no_new_privs and the
// filter, which could forbid the change, come later.
func (pl *payload) labels() error {
	if profile := pl.spec.ApparmorProfile; profile != "" && pl.host.AppArmor != "" {
		pl.p.Add(writeProc(pl.p, pl.proc, "self/"+pl.host.AppArmor, "exec "+profile,
			pl.fromField("process.apparmorProfile"), "the profile holds from the execve on")...)
	}
	if label := pl.spec.SelinuxLabel; label != "" {
		pl.p.Add(writeProc(pl.p, pl.proc, "self/attr/exec", label,
			pl.fromField("process.selinuxLabel"), "the label holds from the execve on")...)
	}
	return nil
}

// keyringPermissions are those that the kernel gives a new session keyring, and
// that its owner may search it without possessing it (keyctl_setperm(3)).
const keyringPermissions = 0x3f130000 | 0x00080000

// keyring joins a session keyring: keys of the caller's session are not the
// payload's. One with a name can be joined by the container's later programs,
// which takes the right to search it. Keyrings are limited per user, and the
// 200th container must run too.
func (pl *payload) keyring() {
	if pl.noKeyring {
		return
	}
	if label := pl.spec.SelinuxLabel; label != "" {
		steps := writeProc(pl.p, pl.proc, "self/attr/keycreate", label, pl.fromField("process.selinuxLabel"), "the keyring carries the payload's label")
		steps[0] = steps[0].Tolerate(unix.ENOENT) // a kernel without labels on keys
		pl.p.Add(steps...)
	}
	name := nsenter.Null()
	if pl.keyringName != "" {
		name = nsenter.Str(pl.keyringName)
	}
	join := nsenter.Call(nsenter.Child, unix.SYS_KEYCTL, nsenter.Int(unix.KEYCTL_JOIN_SESSION_KEYRING), name).
		Tolerate(unix.EDQUOT, unix.ENOSYS, unix.EPERM, unix.EACCES).
		For("default", "keys of the caller's session are not the payload's")
	if pl.keyringName == "" || pl.joined {
		pl.child(join)
		return
	}
	ring := pl.p.NewSlot("session keyring")
	pl.child(join.To(ring).On(strconv.Quote(pl.keyringName)))
	pl.child(nsenter.Call(nsenter.Child, unix.SYS_KEYCTL, nsenter.Int(unix.KEYCTL_SETPERM), nsenter.Fd(ring), nsenter.Int(keyringPermissions)).
		// A keyring of that name may be another user's, left of a container.
		Tolerate(unix.EACCES).
		On(strconv.Quote(pl.keyringName)).For("default", "programs that join the container find its keyring by name"))
}

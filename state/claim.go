package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	claimVersion = "v1"
	// claimTries bounds a claim that keeps losing to claims that vanish again.
	claimTries = 100
	// nameLockTimeout is far above what a holder of the name lock needs.
	nameLockTimeout = 10 * time.Second
)

// Named is a container with its name.
type Named struct {
	ID, Name string
}

// NameInUseError reports who holds a name, in docker's words.
type NameInUseError struct {
	Name, ID string
}

func (e *NameInUseError) Error() string {
	return fmt.Sprintf("Conflict. The container name %q is already in use by container %q. "+
		"You have to remove (or rename) that container to be able to reuse that name.", "/"+e.Name, e.ID)
}

// claim is the content of a name's link.
type claim struct {
	id    string
	owner Process
}

func (c claim) String() string {
	return claimVersion + ":" + c.id + ":" + strconv.Itoa(c.owner.PID) + ":" +
		strconv.FormatUint(c.owner.StartTime, 10) + ":" + c.owner.BootID
}

// parseClaim reads the text of a link.
func parseClaim(text string) (claim, error) {
	version, _, _ := strings.Cut(text, ":")
	if version != claimVersion {
		n, err := strconv.Atoi(strings.TrimPrefix(version, "v"))
		if err == nil && n > 1 && version[0] == 'v' {
			return claim{}, fmt.Errorf("%w: claim %s", ErrVersion, version)
		}
		return claim{}, fmt.Errorf("%w: claim %q", ErrCorrupt, text)
	}
	f := strings.SplitN(text, ":", 5)
	if len(f) != 5 || !ValidID(f[1]) {
		return claim{}, fmt.Errorf("%w: claim %q", ErrCorrupt, text)
	}
	pid, pidErr := strconv.Atoi(f[2])
	start, startErr := strconv.ParseUint(f[3], 10, 64)
	if err := errors.Join(pidErr, startErr); err != nil {
		return claim{}, fmt.Errorf("%w: claim %q", ErrCorrupt, text)
	}
	return claim{id: f[1], owner: Process{PID: pid, StartTime: start, BootID: f[4]}}, nil
}

// readClaim reads one link: fs.ErrNotExist, ErrCorrupt or ErrVersion.
func readClaim(path string) (claim, error) {
	var buf [256]byte
	n := 0
	err := retry(func() (err error) { n, err = unix.Readlink(path, buf[:]); return err })
	if err == unix.EINVAL {
		return claim{}, fmt.Errorf("read %s: %w: not a link", path, ErrCorrupt)
	}
	if err != nil {
		return claim{}, &fs.PathError{Op: "readlink", Path: path, Err: err}
	}
	c, err := parseClaim(string(buf[:n]))
	if err != nil {
		return claim{}, fmt.Errorf("read %s: %w", path, err)
	}
	return c, nil
}

// stale reports whether a claim blocks its name for nobody. The owner is
// looked at first: one that is dead by now has made the container's directory
// before, or never will. The other way round a `create` that ran between the
// two looks would lose its name.
func (c claim) stale(d Dirs) bool {
	return !c.owner.Alive() && !exists(d.Container(c.id)) && !exists(d.RunContainer(c.id))
}

// ClaimOf finds the name that a container holds, and who took it for the
// container. It looks at every claim, for the rare case that nothing else is
// known of a container. fs.ErrNotExist when there is none.
func ClaimOf(d Dirs, id string) (name string, owner Process, err error) {
	entries, err := os.ReadDir(d.Names())
	if err != nil {
		return "", Process{}, err
	}
	for _, e := range entries {
		// A claim that cannot be read is nobody's answer.
		if c, err := readClaim(d.Name(e.Name())); err == nil && c.id == id {
			return e.Name(), c.owner, nil
		}
	}
	return "", Process{}, fmt.Errorf("claim of container %s: %w", id, fs.ErrNotExist)
}

// Claim takes name for container id. owner is the process that is making the
// container: while it lives, or once a directory of the container exists, the
// claim stands. Claiming a name that id holds already does nothing. Somebody
// else's claim gives *NameInUseError, a bad name *InvalidNameError. In the
// ordinary case it costs one system call.
func Claim(d Dirs, name, id string, owner Process) error {
	if !ValidName(name) {
		return &InvalidNameError{Name: name}
	}
	if !ValidID(id) {
		return fmt.Errorf("claim name %s: invalid container ID %q", name, id)
	}
	path, text := d.Name(name), claim{id: id, owner: owner}.String()
	for range claimTries {
		err := retry(func() error { return unix.Symlink(text, path) })
		if err == nil {
			return nil
		}
		if err != unix.EEXIST {
			return &os.LinkError{Op: "symlink", Old: text, New: path, Err: err}
		}
		if done, err := examine(d, name, id); done || err != nil {
			return err
		}
	}
	return fmt.Errorf("claim name %s: %w", name, ErrLocked)
}

// examine looks at the claim in the way of id. done means that id holds it;
// no error, that it was worth trying again.
func examine(d Dirs, name, id string) (done bool, err error) {
	path := d.Name(name)
	held, err := readClaim(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case errors.Is(err, ErrCorrupt):
	case err != nil:
		return false, err
	case held.id == id:
		return true, nil
	case !held.stale(d):
		return false, &NameInUseError{Name: name, ID: held.id}
	}
	return false, unlinkClaim(d, name, func(c claim, corrupt bool) bool { return corrupt || c.stale(d) })
}

// unlinkClaim frees name if the claim, read again under the lock, is one that
// match wants gone. Nobody unlinks without the lock, so what match saw is what
// is unlinked. A missing claim is fine.
func unlinkClaim(d Dirs, name string, match func(c claim, corrupt bool) bool) (err error) {
	lock, err := lockDir(d.Names(), waitUntil(time.Now().Add(nameLockTimeout)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	path := d.Name(name)
	held, err := readClaim(path)
	corrupt := errors.Is(err, ErrCorrupt)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil && !corrupt {
		return err
	}
	if !match(held, corrupt) {
		return nil
	}
	if err := retry(func() error { return unix.Unlink(path) }); err != nil && err != unix.ENOENT {
		return &fs.PathError{Op: "unlink", Path: path, Err: err}
	}
	return nil
}

// Release frees name if container id holds it; otherwise, or when called
// again, it does nothing.
func Release(d Dirs, name, id string) error {
	if !ValidName(name) {
		return &InvalidNameError{Name: name}
	}
	return unlinkClaim(d, name, func(c claim, corrupt bool) bool { return !corrupt && c.id == id })
}

// LookupName returns the ID of the container that holds name: *NoSuchError,
// which is also fs.ErrNotExist, when nobody does. The container may be one
// that is still being made, or one that is gone and whose claim is stale.
func LookupName(d Dirs, name string) (string, error) {
	if !ValidName(name) {
		return "", &NoSuchError{Ref: name}
	}
	c, err := readClaim(d.Name(name))
	if errors.Is(err, fs.ErrNotExist) {
		return "", &NoSuchError{Ref: name}
	}
	return c.id, err
}

// RenameClaim moves container id from oldName to newName. commit writes the
// container's record with the new name; it runs while id holds both, so that a
// crash at any point leaves the name in the record claimed. What is then held
// too many becomes stale with the container. When commit fails, the new name
// is given back.
func RenameClaim(d Dirs, oldName, newName, id string, commit func() error) error {
	if oldName == newName {
		return commit()
	}
	// No owner: the container exists, its directory keeps the claim alive.
	if err := Claim(d, newName, id, Process{}); err != nil {
		return err
	}
	if err := commit(); err != nil {
		return errors.Join(err, Release(d, newName, id))
	}
	return Release(d, oldName, id)
}

// RestoreNames makes the claims of lasting containers again after a reboot;
// see the package comment. boot is the BootID of now. list is called only when
// claims are due, without any lock, and returns every container that has a
// name. Containers whose name is invalid or went to another one come back as
// lost: they can be reached by ID only.
func RestoreNames(d Dirs, boot string, list func() ([]Named, error)) (lost []Named, err error) {
	if restored(d, boot) {
		return nil, nil
	}
	all, err := list()
	if err != nil {
		return nil, fmt.Errorf("restore names: %w", err)
	}
	lock, err := lockDir(d.Names(), waitUntil(time.Now().Add(nameLockTimeout)))
	if err != nil {
		return nil, fmt.Errorf("restore names: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	// Somebody was faster, and names may have been released or changed since
	// the list was made.
	if restored(d, boot) {
		return nil, nil
	}
	for _, n := range all {
		held, err := restore(d, n)
		if err != nil {
			return lost, fmt.Errorf("restore name %s: %w", n.Name, err)
		}
		if !held {
			lost = append(lost, n)
		}
	}
	return lost, markRestored(d, boot)
}

// restored reports whether the boot marker is that of boot.
func restored(d Dirs, boot string) bool {
	var buf [64]byte
	n, err := unix.Readlink(d.boot(), buf[:])
	return err == nil && string(buf[:n]) == boot
}

// restore makes one claim, with the name lock held, and reports whether the
// container has its name. A stale or corrupt claim in the way, left when Run
// is not a tmpfs, gives way.
func restore(d Dirs, n Named) (held bool, err error) {
	if !ValidName(n.Name) || !ValidID(n.ID) {
		return false, nil
	}
	path, text := d.Name(n.Name), claim{id: n.ID}.String()
	for range claimTries {
		err := retry(func() error { return unix.Symlink(text, path) })
		if err == nil {
			return true, nil
		}
		if err != unix.EEXIST {
			return false, &os.LinkError{Op: "symlink", Old: text, New: path, Err: err}
		}
		c, err := readClaim(path)
		switch {
		case errors.Is(err, ErrVersion):
			return false, nil
		case err == nil && !c.stale(d):
			return c.id == n.ID, nil
		case err != nil && !errors.Is(err, ErrCorrupt):
			return false, err
		}
		if err := unix.Unlink(path); err != nil && err != unix.ENOENT {
			return false, &fs.PathError{Op: "unlink", Path: path, Err: err}
		}
	}
	return false, nil
}

// markRestored replaces the boot marker. It runs with the name lock held.
func markRestored(d Dirs, boot string) error {
	tmp := d.Run + "/" + StagingName()
	if err := unix.Symlink(boot, tmp); err != nil {
		return &os.LinkError{Op: "symlink", Old: boot, New: tmp, Err: err}
	}
	if err := rename(tmp, d.boot()); err != nil {
		_ = unix.Unlink(tmp)
		return err
	}
	return nil
}

package state

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	stagingPrefix = ".tmp-"
	// userHZ is the unit of start times in /proc: fixed at 100 for all
	// architectures that berth supports (USER_HZ).
	userHZ = 100
)

// StagingName returns a name for a file or directory that is not finished:
// .tmp-PID-NANOSECONDS, the calling process and its time since boot. Sweep
// removes it once that process has ended. Two calls in the same nanosecond
// give the same name, so create with O_EXCL and ask again.
func StagingName() string {
	var ts unix.Timespec
	// Cannot fail: CLOCK_BOOTTIME is in every kernel since 2.6.39. Wall clocks
	// jump, and would make Sweep take a running write for a leftover.
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts)
	return stagingPrefix + strconv.Itoa(os.Getpid()) + "-" + strconv.FormatInt(ts.Nano(), 10)
}

// abandoned reports whether Sweep may remove an entry of this name: a removal
// that was begun, or staging whose maker has ended. Whether its pid was given
// to another process since shows in the start time.
func abandoned(name string) bool {
	if strings.HasPrefix(name, removingPrefix) {
		return true
	}
	rest, ok := strings.CutPrefix(name, stagingPrefix)
	if !ok {
		return false
	}
	pidText, nsText, _ := strings.Cut(rest, "-")
	pid, pidErr := strconv.Atoi(pidText)
	made, nsErr := strconv.ParseInt(nsText, 10, 64)
	if pidErr != nil || nsErr != nil || pid <= 0 {
		return false
	}
	st, err := readStat(pid)
	if errors.Is(err, ErrProcessGone) {
		return true
	}
	if err != nil {
		return false
	}
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &now) != nil {
		return false
	}
	// Made before that process began, or in the future: in another boot.
	return !st.running() || made/(1e9/userHZ) < int64(st.start) || made > now.Nano()
}

// Sweep removes what interrupted writes and removals left: in both roots, in
// the folders of the layout, and in every container's, volume's and address
// folder; in more, which are folders below those that somebody writes to with
// WriteFile; then the claims that are stale or damaged. It returns the paths
// that it removed. It disturbs nobody who is at work, and one path that resists
// does not keep the others.
func Sweep(d Dirs, more ...string) (removed []string, err error) {
	paths, err := unfinished(d, more)
	failed := []error{err}
	for _, path := range paths {
		if err := RemoveTree(path); err != nil {
			failed = append(failed, err)
			continue
		}
		removed = append(removed, path)
	}
	claims, err := sweepClaims(d)
	return append(removed, claims...), errors.Join(append(failed, err)...)
}

// Leftovers returns the paths that Sweep would remove, and removes nothing.
func Leftovers(d Dirs, more ...string) ([]string, error) {
	paths, err := unfinished(d, more)
	names, nameErr := readNames(d.Names())
	for _, name := range names {
		if !ValidName(name) {
			continue
		}
		if held, err := readClaim(d.Name(name)); errors.Is(err, ErrCorrupt) || err == nil && held.stale(d) {
			paths = append(paths, d.Name(name))
		}
	}
	return paths, errors.Join(err, nameErr)
}

// unfinished lists what interrupted writes and removals left.
func unfinished(d Dirs, more []string) (paths []string, err error) {
	dirs, err := sweepable(d)
	failed := []error{err}
	for _, dir := range append(dirs, more...) {
		names, err := readNames(dir)
		failed = append(failed, err)
		for _, name := range names {
			if abandoned(name) {
				paths = append(paths, dir+"/"+name)
			}
		}
	}
	return paths, errors.Join(failed...)
}

// sweepable lists the directories that Sweep looks into.
func sweepable(d Dirs) ([]string, error) {
	dirs := append([]string{d.Root, d.Run}, d.folders()...)
	var failed []error
	for _, parent := range []string{d.Containers(), d.RunContainers(), d.OCI(), d.Volumes(), d.Addresses()} {
		names, err := readNames(parent)
		failed = append(failed, err)
		for _, name := range names {
			// Not into a symlink, nor into what is about to be removed whole.
			var st unix.Stat_t
			path := parent + "/" + name
			if !abandoned(name) && unix.Lstat(path, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
				dirs = append(dirs, path)
			}
		}
	}
	return dirs, errors.Join(failed...)
}

// sweepClaims frees names that are held for nobody.
func sweepClaims(d Dirs) (removed []string, err error) {
	names, err := readNames(d.Names())
	failed := []error{err}
	damaged := false
	for _, name := range names {
		if !ValidName(name) {
			continue
		}
		held, err := readClaim(d.Name(name))
		corrupt := errors.Is(err, ErrCorrupt)
		// A claim of a newer berth, or one that is gone by now, is left alone.
		if !corrupt && (err != nil || !held.stale(d)) {
			continue
		}
		err = unlinkClaim(d, name, func(c claim, corrupt bool) bool { return corrupt || c.stale(d) })
		if err != nil {
			failed = append(failed, err)
			continue
		}
		damaged = damaged || corrupt
		removed = append(removed, d.Name(name))
	}
	// Whose a damaged claim was only the records know: without its marker the
	// next command restores all claims from them.
	if damaged {
		if err := unix.Unlink(d.boot()); err != nil && err != unix.ENOENT {
			failed = append(failed, &fs.PathError{Op: "unlink", Path: d.boot(), Err: err})
		}
	}
	return removed, errors.Join(failed...)
}

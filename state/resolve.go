package state

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// NoSuchError reports a reference that names no container, in docker's words.
// It is fs.ErrNotExist to errors.Is.
type NoSuchError struct{ Ref string }

func (e *NoSuchError) Error() string { return "No such container: " + e.Ref }

// Is makes the error an fs.ErrNotExist.
func (e *NoSuchError) Is(target error) bool { return target == fs.ErrNotExist }

// AmbiguousError reports an ID prefix that several containers share, in
// docker's words.
type AmbiguousError struct{ Prefix string }

func (e *AmbiguousError) Error() string {
	return "Multiple IDs found with provided prefix: " + e.Prefix
}

// Resolve turns what a user typed into a container ID. A full ID comes before
// a name (with or without a leading slash), a name before a unique prefix of
// an ID. It takes no lock; call RestoreNames once before.
func Resolve(d Dirs, ref string) (string, error) {
	if ValidID(ref) && containerExists(d, ref) {
		return ref, nil
	}
	id, err := LookupName(d, strings.TrimPrefix(ref, "/"))
	// A claim without a directory belongs to a container that is still being
	// made or already gone.
	if err == nil && containerExists(d, id) {
		return id, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrCorrupt) {
		return "", err
	}
	return resolvePrefix(d, ref)
}

// resolvePrefix turns the beginning of an ID into the only one that has it.
func resolvePrefix(d Dirs, ref string) (string, error) {
	if ref == "" || len(ref) > idLength || !isHex(ref) {
		return "", &NoSuchError{Ref: ref}
	}
	ids, err := List(d)
	if err != nil {
		return "", err
	}
	at, _ := slices.BinarySearch(ids, ref)
	if at == len(ids) || !strings.HasPrefix(ids[at], ref) {
		return "", &NoSuchError{Ref: ref}
	}
	if at+1 < len(ids) && strings.HasPrefix(ids[at+1], ref) {
		return "", &AmbiguousError{Prefix: ref}
	}
	return ids[at], nil
}

// List returns the IDs of all containers, known from either root, sorted. It
// takes no lock, and whatever else lies in the folders is passed over.
func List(d Dirs) ([]string, error) {
	var ids []string
	for _, dir := range []string{d.Containers(), d.RunContainers()} {
		names, err := readNames(dir)
		if err != nil {
			return nil, err
		}
		ids = append(ids, slices.DeleteFunc(names, func(n string) bool { return !ValidID(n) })...)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// Started returns the ids of the containers that have a folder of this boot,
// which is all that run, and some that ran.
func Started(d Dirs) (map[string]bool, error) {
	names, err := readNames(d.RunContainers())
	ids := make(map[string]bool, len(names))
	for _, name := range names {
		if ValidID(name) {
			ids[name] = true
		}
	}
	return ids, err
}

// readNames lists a directory, in no order. A missing one is empty.
func readNames(dir string) ([]string, error) {
	f, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if errors.Is(err, fs.ErrNotExist) {
		// It was removed after it had been opened.
		return nil, nil
	}
	return names, err
}

func containerExists(d Dirs, id string) bool {
	return exists(d.Container(id)) || exists(d.RunContainer(id))
}

// exists errs on the safe side: only a clear "not there" counts as absence.
func exists(path string) bool {
	var st unix.Stat_t
	err := retry(func() error { return unix.Lstat(path, &st) })
	return err != unix.ENOENT && err != unix.ENOTDIR
}

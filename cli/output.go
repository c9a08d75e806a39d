package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// checkOutput refuses, in docker's words, a path that no file can be written at.
func checkOutput(name string) error {
	dir := filepath.Dir(filepath.Clean(name))
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return clientFault(verbatim("invalid output path: directory %q does not exist", dir))
	}
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeDevice != 0 {
		return clientFault(verbatim("invalid output path: %q must be a directory or a regular file: got a device", name))
	}
	return nil
}

// output is a file that appears under its name when it is whole: until then it
// has none, so that nothing is left of a command that is killed.
type output struct {
	*os.File
	name string
	// hidden is a file without a name; temporary the name of one on a file
	// system that knows no such files.
	hidden    bool
	temporary string
}

// createOutput starts a file of mode 0600. One that is there already is replaced
// in the end; into a pipe is written at once.
func createOutput(name string) (*output, error) {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	o := &output{name: name}
	info, err := os.Stat(name)
	switch {
	case err == nil && info.IsDir():
		return nil, &fs.PathError{Op: "open", Path: name, Err: unix.EISDIR}
	case err == nil && !info.Mode().IsRegular():
		o.File, err = os.OpenFile(name, os.O_WRONLY, 0)
		return o, err
	}
	if o.File, err = os.OpenFile(filepath.Dir(name), os.O_WRONLY|unix.O_TMPFILE, 0o600); err == nil {
		o.hidden = true
		return o, nil
	}
	if o.File, err = os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"."); err == nil {
		o.temporary = o.Name()
	}
	return o, err
}

// finish gives the file its name if all went well, and closes it in any case.
func (o *output) finish(failed error) error {
	err := failed
	if err == nil && o.hidden {
		err = o.link()
	}
	if e := o.Close(); err == nil {
		err = e
	}
	if o.temporary == "" {
		return err
	}
	if err == nil {
		err = os.Rename(o.temporary, o.name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(o.temporary))
	}
	return nil
}

// link names a hidden file. A file that has the name already can only be
// replaced by one that has another name first.
func (o *output) link() error {
	from := "/proc/self/fd/" + strconv.Itoa(int(o.Fd()))
	err := unix.Linkat(unix.AT_FDCWD, from, unix.AT_FDCWD, o.name, unix.AT_SYMLINK_FOLLOW)
	if err == unix.EEXIST {
		o.temporary = fmt.Sprintf("%s/.%s.%d", filepath.Dir(o.name), filepath.Base(o.name), os.Getpid())
		err = unix.Linkat(unix.AT_FDCWD, from, unix.AT_FDCWD, o.temporary, unix.AT_SYMLINK_FOLLOW)
	}
	if err != nil {
		o.temporary = ""
		return &os.LinkError{Op: "link", Old: from, New: o.name, Err: err}
	}
	return nil
}

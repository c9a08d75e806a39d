package cgroup

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// describe names the setting's files and value, for listings.
func (s *setting) describe() string {
	if s.value == "" {
		return strings.Join(s.files, " or ") + " (as the parent has it)"
	}
	return fmt.Sprintf("%q to %s", s.value, strings.Join(s.files, " or "))
}

// write applies the setting to a group at once.
func (s *setting) write(dir string) error {
	if s.inherit {
		if err := inherit(s.on.Mount, path.Dir(dir), s.files[0]); err != nil {
			return err
		}
		if s.value == "" {
			return inherit(s.on.Mount, dir, s.files[0])
		}
	}
	for _, file := range s.files {
		err := writeFile(dir+"/"+file, s.fileValue(file))
		if !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	if s.optional {
		return nil
	}
	return fmt.Errorf("this kernel offers no %s: %w", strings.Join(s.files, " or "), ErrController)
}

// inherit sees to it that a v1 cpuset file is not empty, from the root's first
// child down to a group: v1 cpusets start empty and do not follow the parent,
// and the kernel lets no task into an empty one.
func inherit(mount, dir, file string) error {
	if len(dir) <= len(mount) {
		return nil
	}
	value, err := readFile(dir + "/" + file)
	if err != nil || strings.TrimSpace(value) != "" {
		return err
	}
	if err := inherit(mount, path.Dir(dir), file); err != nil {
		return err
	}
	value, err = readFile(path.Dir(dir) + "/" + file)
	if err != nil {
		return err
	}
	return writeFile(dir+"/"+file, strings.TrimSpace(value))
}

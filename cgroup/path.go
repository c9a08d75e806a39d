package cgroup

import (
	"fmt"
	"strings"
)

// maxPath bounds a group's path; the kernel's own bound is PATH_MAX with the
// mount point and the longest file name of a controller added.
const maxPath = 3072

// CheckPath refuses paths that could name anything but a group below a
// hierarchy's root: it must be absolute and clean, and every name must be
// printable, at most 255 bytes, and without ":" and line ends, because
// /proc/PID/cgroup is split at those. The error wraps [ErrPath].
func CheckPath(path string) error {
	if len(path) > maxPath {
		return fmt.Errorf("check cgroup path of %d bytes: longer than %d: %w", len(path), maxPath, ErrPath)
	}
	if len(path) < 2 || path[0] != '/' {
		return fmt.Errorf("check cgroup path %q: not absolute, or the root itself: %w", path, ErrPath)
	}
	for name := range strings.SplitSeq(path[1:], "/") {
		if reason := badName(name); reason != "" {
			return fmt.Errorf("check cgroup path %q: name %q %s: %w", path, name, reason, ErrPath)
		}
	}
	return nil
}

// badName returns why a name cannot be one component of a group's path.
func badName(name string) string {
	switch {
	case name == "":
		return "is empty"
	case name == "." || name == "..":
		return "is a directory reference"
	case len(name) > 255:
		return "is longer than 255 bytes"
	case strings.HasPrefix(name, "cgroup."):
		// The kernel keeps these for its own files (cgroup-v2.rst, "Avoid
		// Name Collisions").
		return "is reserved by the kernel"
	}
	for i := range len(name) {
		if c := name[i]; c < ' ' || c == ':' || c == 0x7f {
			return "holds a control character or a colon"
		}
	}
	return ""
}

// split returns the parent and the last name of a checked path. The parent of
// "/a" is "".
func split(path string) (parent, name string) {
	i := strings.LastIndexByte(path, '/')
	return path[:i], path[i+1:]
}

// levels returns the groups from the first below the root down to path
// itself: "/a", "/a/b". It is empty for "" and "/".
func levels(path string) []string {
	var out []string
	for i := 1; i < len(path); i++ {
		if path[i] == '/' {
			out = append(out, path[:i])
		}
	}
	if len(path) > 1 {
		out = append(out, path)
	}
	return out
}

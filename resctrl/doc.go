// Package resctrl owns linux.intelRdt: groups of the resctrl file system, which
// share out the processor's caches and memory bandwidth and count their use
// (Intel RDT, AMD QoS; Documentation/filesystems/resctrl.rst).
//
// What the package guarantees:
//
//   - [Group.Check] refuses, before anything is made, what this machine or its
//     pre-configured groups cannot honour; the error names the config's field.
//   - Nothing is made or written outside the mounted file system, and nothing
//     in a group of another name.
//   - Only groups that the runtime-spec gives to the container are removed:
//     one named by its id, and its monitoring group. A class of service that
//     the config names stays, whoever made it.
//
// Not for this package: mounting resctrl, and linux.resources (package cgroup).
package resctrl

import "errors"

var (
	// ErrUnsupported says that no resctrl is mounted, or that the processor
	// lacks what was asked for.
	ErrUnsupported = errors.New("resctrl not supported here")
	// ErrConfig says that linux.intelRdt contradicts itself, the runtime-spec
	// or the groups that exist.
	ErrConfig = errors.New("invalid linux.intelRdt")
)

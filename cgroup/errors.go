package cgroup

import "errors"

var (
	// ErrController says that no mounted hierarchy offers a controller that a
	// limit needs. The wrapping error names both.
	ErrController = errors.New("cgroup controller not available")
	// ErrLimit says that a limit's value makes no sense, or that this cgroup
	// version has no such limit.
	ErrLimit = errors.New("invalid resource limit")
	// ErrBusy says that a group that a container was to be put in holds
	// processes, or is frozen. It is not the container's: whoever gets this
	// error must neither kill nor remove the group.
	ErrBusy = errors.New("cgroup in use")
	// ErrPath says that a group's path is not acceptable.
	ErrPath = errors.New("invalid cgroup path")
	// ErrNoCgroup says that the host has no cgroup hierarchy, or that none
	// holds the group.
	ErrNoCgroup = errors.New("no cgroup")
	// ErrDevices says that device rules are malformed, or that the v1 devices
	// controller cannot express them.
	ErrDevices = errors.New("invalid device rules")
)

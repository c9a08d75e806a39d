// Package systemd owns the talk with systemd over D-Bus: it puts a container
// into a transient scope, so that systemd knows of it and keeps out of its
// groups, changes the scope's limits, and stops it.
//
// What the package guarantees:
//
//   - Every call ends: within its context, and within half a minute.
//   - A unit that failed earlier and still has the name is no obstacle; one
//     that runs is an error that wraps [ErrExists].
//   - [Start] returns once the process is in the scope's groups, [Stop] once
//     the scope is gone.
//
// The system bus is asked first, then systemd's own socket, which works for
// root where no bus daemon runs.
//
// # What systemd is told
//
// Limits that systemd has a property for are given to it, because it writes
// its own idea of them again whenever it reloads. It rounds some, so the
// caller writes the exact values to the control files afterwards. Device rules
// are not among them: berth's own BPF filter on the scope's group is attached
// beside whatever systemd attaches, and stays.
//
// # What systemd is told by payloads
//
// [Notify] relays what a payload says about itself (sd_notify(3)) for as long
// as it runs, line by line and only what it may say; see [ListenNotify].
//
// Not for this package: making groups, writing control files, and passing
// sockets on.
package systemd

import "errors"

var (
	// ErrNotBooted says that systemd is not this machine's PID 1.
	ErrNotBooted = errors.New("systemd is not running")
	// ErrName says that a scope, slice or property has no valid name.
	ErrName = errors.New("invalid systemd name")
	// ErrExists says that a running unit has the scope's name already.
	ErrExists = errors.New("systemd unit exists")
	// ErrProperty says that a property has no valid value.
	ErrProperty = errors.New("invalid systemd property")
)

package bundle

import (
	"errors"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/container"
	"berth/state"
)

// Runtime runs and manages the containers below one folder.
type Runtime struct {
	// Dir holds one folder for each container.
	Dir string
	// Systemd makes cgroups as scopes of systemd, over D-Bus.
	Systemd bool
	// Dirs has the cache of compiled filters, and the empty folder that
	// sealing needs.
	Dirs state.Dirs
	// Warn takes what is wrong but ends nothing.
	Warn func(format string, args ...any)
	// Getenv reads the environment: NOTIFY_SOCKET, LISTEN_FDS, LISTEN_FDNAMES.
	Getenv func(string) string
}

// CreateOptions are the flags of create and run.
type CreateOptions struct {
	// Bundle is the folder with config.json.
	Bundle string
	// ConsoleSocket and PidfdSocket are unix sockets that receive the
	// terminal's master and the pidfd of the container's first process.
	ConsoleSocket, PidfdSocket string
	// PidFile receives the pid.
	PidFile string
	// NoPivot and NoNewKeyring are as in container.Input.
	NoPivot, NoNewKeyring bool
	// PreserveFds is how many descriptors from 3 on the payload inherits,
	// behind those of LISTEN_FDS.
	PreserveFds int
	Stdio       container.Stdio
}

// RunOptions are the flags of run.
type RunOptions struct {
	CreateOptions
	// Detach returns once the payload runs, Keep leaves the record of one
	// that has ended, and NoSubreaper leaves orphans to the system's init.
	Detach, Keep, NoSubreaper bool
}

// ExecOptions are the flags of exec.
type ExecOptions struct {
	// Process is what to run, whole.
	Process *specs.Process
	// ConsoleSocket, PidfdSocket, PidFile and PreserveFds are as in
	// CreateOptions.
	ConsoleSocket, PidfdSocket, PidFile string
	PreserveFds                         int
	// Detach returns once the program runs; IgnorePaused lets it wait in a
	// paused container; SubCgroup is a group below the container's own.
	Detach, IgnorePaused, NoSubreaper bool
	SubCgroup                         string
	Stdio                             container.Stdio
}

// State is what the runtime specification's state operation answers
// (runtime.md, "State"), with the fields that runc adds.
type State struct {
	Version     string            `json:"ociVersion"`
	ID          string            `json:"id"`
	Pid         int               `json:"pid"`
	Status      string            `json:"status"`
	Bundle      string            `json:"bundle"`
	Rootfs      string            `json:"rootfs"`
	Created     time.Time         `json:"created"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Owner       string            `json:"owner"`
}

// keyring names a container's session keyring as runc does, so that programs
// that look for it find it.
func keyring(id string) string { return "_ses." + id }

// warn tells what a plan leaves out.
func (r *Runtime) warn(c *container.Compiled) {
	for _, w := range c.Warnings {
		r.Warn("%s", w)
	}
}

// Errors of this package. Callers of OCI runtimes match the texts.
var (
	// ErrNotExist is an id that no container has.
	ErrNotExist = errors.New("container does not exist")
	// ErrExists is an id that is taken.
	ErrExists = errors.New("container with given ID already exists")
	// ErrInvalidID is an id that cannot name a folder.
	ErrInvalidID = errors.New("invalid container ID format")
	// ErrNotRunning is a container whose processes have ended.
	ErrNotRunning = errors.New("container not running")
	// ErrNotStopped is a container that must have ended to be deleted.
	ErrNotStopped = errors.New("container is not stopped")
	// ErrPaused is a container that stands still.
	ErrPaused = errors.New("container is paused")
)

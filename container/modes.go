package container

import (
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Modes say whose namespaces a container has, in docker's words: empty for one
// of its own, "host" for the host's, "container:ID" for another container's. The
// network is in [Config.Network].
//
// A namespace that is shared with the host has no entry in the spec; one of
// another container has an entry without a path, since whose process to go by
// is known at each start only.
type Modes struct {
	PID string `json:"pid,omitempty"`
	// IPC may also be "private", "shareable" (others may join it) and "none"
	// (there is no /dev/shm either).
	IPC    string `json:"ipc,omitempty"`
	UTS    string `json:"uts,omitempty"`
	Cgroup string `json:"cgroup,omitempty"`
	// User may also be "auto:size=N", N ids of the host that are free, and
	// "START:SIZE", these ids. The spec has no entry for it: which ids they are
	// is in [Live].
	User string `json:"user,omitempty"`
}

// ModeContainer returns the container that a mode names ("container:ID"); empty
// for any other mode.
func ModeContainer(mode string) string {
	id, ok := strings.CutPrefix(mode, "container:")
	if !ok {
		return ""
	}
	return id
}

// Shares reports whether the container stays in the host's namespace of a kind.
func (c *Config) Shares(kind specs.LinuxNamespaceType) bool { return namespace(c.Spec, kind) == nil }

// DropNamespace leaves the container in the host's namespace of a kind.
func (c *Config) DropNamespace(kind specs.LinuxNamespaceType) {
	c.Spec.Linux.Namespaces = slices.DeleteFunc(slices.Clone(c.Spec.Linux.Namespaces),
		func(n specs.LinuxNamespace) bool { return n.Type == kind })
}

// ownsPIDs reports whether the kernel ends every process of the container with
// its first one.
func (c *Config) ownsPIDs() bool {
	return c.Modes.PID == "" && !c.Shares(specs.PIDNamespace)
}

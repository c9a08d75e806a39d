package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/container"
	"berth/seccomp"
)

// bundleOptions are what bundles of the same root differ in.
type bundleOptions struct {
	args      []string
	filtered  bool   // with docker's default seccomp profile
	resources bool   // with docker's device rules: crun fails on them without CAP_SYS_RESOURCE
	cgroup    string // absolute, below each hierarchy
	memory    int64  // limit in bytes, or 0
}

// writeBundle makes an OCI bundle of the container that berth makes of no flags
// at all: the same namespaces, mounts, masks, capabilities and filter. Without
// a writable layer, though: the runtimes get a root that is ready.
func writeBundle(dir, tree string, o bundleOptions) error {
	s := container.DefaultSpec()
	// Debian's crun 1.8.1 refuses anything newer.
	s.Version = "1.0.2"
	s.Root = &specs.Root{Path: tree}
	s.Hostname = "bench"
	s.Process.Args = o.args
	s.Process.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}
	s.Linux.CgroupsPath = "/" + strings.TrimPrefix(o.cgroup, "/")
	if o.filtered {
		filter, err := seccomp.Default(s)
		if err != nil {
			return err
		}
		s.Linux.Seccomp = filter
	}
	if !o.resources {
		s.Linux.Resources = nil
	}
	if o.memory > 0 {
		if s.Linux.Resources == nil {
			s.Linux.Resources = &specs.LinuxResources{}
		}
		s.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &o.memory}
	}
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "config.json"), text, 0o644)
}

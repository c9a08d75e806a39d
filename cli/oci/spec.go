package oci

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"berth/cli/option"
)

// configFile is the name of the configuration in a bundle (bundle.md).
const configFile = "config.json"

func specCommand() *command {
	return &command{
		name: "spec", args: "[OPTIONS]", short: "Write a config.json to start from",
		about: "Spec writes a configuration that runs a shell in the folder rootfs of the bundle. It does not touch one that is there.",
		build: func(s *session) ([]*option.Option, action) {
			dir, rootless := ".", false
			options := []*option.Option{
				option.Text(&dir, "bundle,b", "dir", "Folder to write config.json to (.)"),
				switchOption(&rootless, "rootless", "Map the caller's user and leave out what needs more"),
			}
			return options, func(context.Context, []string) error { return writeSpec(dir, rootless) }
		},
	}
}

func writeSpec(dir string, rootless bool) error {
	spec := exampleSpec(unified())
	if rootless {
		toRootless(spec, os.Geteuid(), os.Getegid())
	}
	file, err := os.OpenFile(filepath.Join(dir, configFile), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("file %s exists: remove it first", filepath.Join(dir, configFile))
	}
	if err != nil {
		return err
	}
	return errors.Join(printJSON(file, spec, "\t"), file.Close())
}

// unified tells whether the host has cgroup v2 only, where a container needs a
// cgroup namespace to not see the host's groups.
func unified() bool {
	var stat unix.Statfs_t
	return unix.Statfs("/sys/fs/cgroup", &stat) == nil && stat.Type == unix.CGROUP2_SUPER_MAGIC
}

package bundle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// maxConfig bounds what is read of a config.json, in bytes.
const maxConfig = 16 << 20

// config is a bundle as it was read.
type config struct {
	dir  string
	raw  []byte
	spec *specs.Spec
}

// readConfig reads a bundle's config.json. Paths in it that are relative are
// so to the bundle (runtime-spec, config.md, "Root" and "Mounts").
func readConfig(dir string) (*config, error) {
	if dir == "" {
		dir = "."
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("bundle %s: %w", dir, err)
	}
	file := path.Join(dir, "config.json")
	st, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read bundle: JSON specification file %s not found: %w", file, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("read bundle: %w", err)
	}
	if !st.Mode().IsRegular() || st.Size() > maxConfig {
		return nil, fmt.Errorf("read bundle: %s is not a file of at most %d bytes", file, maxConfig)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read bundle: %w", err)
	}
	c := &config{dir: dir, raw: raw}
	if c.spec, err = decodeSpec(raw); err != nil {
		return nil, fmt.Errorf("read bundle: %s: %w", file, err)
	}
	if err := checkVersion(c.spec.Version); err != nil {
		return nil, err
	}
	if c.spec.Process != nil {
		c.spec.Process.User.Username = "" // of another platform (config.md, "User")
	}
	return c, c.absolute()
}

// checkVersion refuses configurations of a specification that is not ours: of
// another major version, which may mean other things by the same words
// (runtime-spec, config.md, "Specification version").
func checkVersion(v string) error {
	number, _, _ := strings.Cut(v, "-")
	number, _, _ = strings.Cut(number, "+")
	fields := strings.Split(number, ".")
	for _, f := range fields {
		if _, err := strconv.ParseUint(f, 10, 32); err != nil || len(fields) != 3 {
			return fmt.Errorf("ociVersion: %q is not a version such as %s", v, SpecVersion)
		}
	}
	if fields[0] != "1" {
		return fmt.Errorf("ociVersion: %q is not a version 1", v)
	}
	return nil
}

// absolute makes the bundle's own paths independent of the folder that anybody
// is in.
func (c *config) absolute() error {
	if c.spec.Root == nil {
		return fmt.Errorf("root: missing")
	}
	if c.spec.Root.Path == "" {
		return fmt.Errorf("root.path: empty")
	}
	// The kernel resolves links in it once, now: hooks and records have the
	// same folder from here on.
	if !path.IsAbs(c.spec.Root.Path) {
		c.spec.Root.Path = path.Join(c.dir, c.spec.Root.Path)
	}
	root, err := filepath.EvalSymlinks(c.spec.Root.Path)
	if err != nil {
		return fmt.Errorf("root.path: %w", err)
	}
	if st, err := os.Stat(root); err != nil || !st.IsDir() {
		return errors.Join(fmt.Errorf("root.path: %s is not a folder", root), err)
	}
	c.spec.Root.Path = root
	for i, m := range c.spec.Mounts {
		if m.Source != "" && !path.IsAbs(m.Source) && isBind(m) {
			c.spec.Mounts[i].Source = path.Join(c.dir, m.Source)
		}
	}
	return nil
}

// isBind reports whether a mount's source is a path.
func isBind(m specs.Mount) bool {
	if m.Type == "bind" {
		return true
	}
	for _, o := range m.Options {
		if o == "bind" || o == "rbind" {
			return true
		}
	}
	return false
}

package cli

import (
	"encoding/csv"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	units "github.com/docker/go-units"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// mountSpec is one --mount, before its source is looked at.
type mountSpec struct {
	kind           string
	source, target string
	readOnly       bool
	propagation    string
	// recursive is docker's bind-recursive; empty is "enabled".
	recursive string
	tmpfs     []string
	// create makes a missing source.
	create bool
	// volume and image tell that an option for these kinds was given.
	volume, image bool
	// idmap gives the files the container's own ids (podman).
	idmap bool
}

// parseMount reads docker's --mount: a line of comma-separated KEY=VALUE, with
// CSV's quotes for values that hold commas.
func parseMount(s string) (mountSpec, error) {
	m := mountSpec{kind: "volume"}
	reader := csv.NewReader(strings.NewReader(s))
	fields, err := reader.Read()
	if err != nil {
		return m, fmt.Errorf("%q: %w", s, err)
	}
	if _, err := reader.Read(); err == nil {
		return m, fmt.Errorf("%q: more than one line", s)
	}
	for _, field := range fields {
		if err := m.set(field); err != nil {
			return m, err
		}
	}
	return m, m.check()
}

// set takes in one KEY=VALUE, or one KEY of those that may stand alone.
func (m *mountSpec) set(field string) error {
	key, value, given := strings.Cut(field, "=")
	key = strings.ToLower(key)
	if !given {
		switch key {
		case "readonly", "ro", "rw", "bind-nonrecursive", "volume-nocopy", "bind-create-src", "idmap":
			value = "true"
		default:
			return fmt.Errorf("invalid field '%s' must be a key=value pair", field)
		}
	}
	switch key {
	case "type":
		m.kind = strings.ToLower(value)
	case "source", "src":
		m.source = value
	case "target", "dst", "destination":
		m.target = value
	case "readonly", "ro":
		return setBool(&m.readOnly, key, value, false)
	case "rw":
		return setBool(&m.readOnly, key, value, true)
	case "bind-propagation", "bind-nonrecursive", "bind-recursive", "bind-create-src", "idmap":
		return m.setBind(key, value)
	case "volume-nocopy", "volume-label", "volume-driver", "volume-opt", "volume-subpath":
		m.volume = true
	case "image-subpath":
		m.image = true
	case "tmpfs-size", "tmpfs-mode":
		return m.setTmpfs(key, value)
	case "consistency": // meant for other systems
	default:
		return fmt.Errorf("unexpected key '%s' in '%s'", key, field)
	}
	return nil
}

// setBind takes in what only a bind mount has.
func (m *mountSpec) setBind(key, value string) error {
	switch key {
	case "bind-propagation":
		m.propagation = strings.ToLower(value)
		return nil
	case "bind-create-src":
		return setBool(&m.create, key, value, false)
	case "idmap":
		return setBool(&m.idmap, key, value, false)
	}
	return m.setRecursive(key, value)
}

// setTmpfs takes in what only a tmpfs has.
func (m *mountSpec) setTmpfs(key, value string) error {
	if key == "tmpfs-size" {
		size, err := units.RAMInBytes(value)
		if err != nil {
			return fmt.Errorf("invalid value for %s: %s", key, value)
		}
		m.tmpfs = append(m.tmpfs, "size="+strconv.FormatInt(size, 10))
		return nil
	}
	mode, err := strconv.ParseUint(value, 8, 12)
	if err != nil {
		return fmt.Errorf("invalid value for %s: %s", key, value)
	}
	m.tmpfs = append(m.tmpfs, "mode="+strconv.FormatUint(mode, 8))
	return nil
}

func setBool(to *bool, key, value string, inverted bool) error {
	v, err := strconv.ParseBool(value)
	if err != nil {
		return fmt.Errorf("invalid value for %s: %s", key, value)
	}
	*to = v != inverted
	return nil
}

func (m *mountSpec) setRecursive(key, value string) error {
	if key == "bind-nonrecursive" {
		var alone bool
		err := setBool(&alone, key, value, false)
		if alone {
			m.recursive = "disabled"
		}
		return err
	}
	switch value {
	case "enabled", "disabled", "writable", "readonly":
		m.recursive = value
		return nil
	}
	return fmt.Errorf("invalid value for bind-recursive: %s (must be \"enabled\", \"disabled\", \"writable\", or \"readonly\")", value)
}

// check refuses what does not fit together.
func (m *mountSpec) check() error {
	switch m.kind {
	case "bind", "tmpfs":
	case "volume":
		return &hintError{errors.New("type=volume: this version has no volumes"), "use type=bind or type=tmpfs"}
	case "image":
		return &hintError{errors.New("type=image: this version mounts no images"), "use type=bind or type=tmpfs"}
	default:
		return fmt.Errorf("mount type unknown: %q", m.kind)
	}
	if m.target == "" {
		return errors.New("target is required")
	}
	if err := m.checkPaths(); err != nil {
		return fmt.Errorf("invalid mount config for type %q: %w", m.kind, err)
	}
	if err := m.checkMix(); err != nil {
		return err
	}
	switch m.propagation {
	case "", "private", "rprivate", "shared", "rshared", "slave", "rslave":
		return nil
	}
	return fmt.Errorf("invalid propagation %q", m.propagation)
}

// checkMix refuses options of other kinds of mounts, and options that need
// others.
func (m *mountSpec) checkMix() error {
	switch {
	case m.foreign() != "":
		return fmt.Errorf("cannot mix '%s-*' options with mount type '%s'", m.foreign(), m.kind)
	case (m.recursive == "writable" || m.recursive == "readonly") && !m.readOnly:
		return verbatim("option 'bind-recursive=%s' requires 'readonly' to be specified in conjunction", m.recursive)
	case m.recursive == "readonly" && m.propagation != "rprivate":
		return verbatim("option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction")
	}
	return nil
}

// foreign is the kind of mount that an option is for which this one cannot have;
// empty for none.
func (m *mountSpec) foreign() string {
	switch {
	case m.volume:
		return "volume"
	case m.image:
		return "image"
	case m.kind == "bind" && len(m.tmpfs) > 0:
		return "tmpfs"
	case m.kind == "tmpfs" && (m.propagation != "" || m.recursive != "" || m.idmap || m.create):
		return "bind"
	}
	return ""
}

func (m *mountSpec) checkPaths() error {
	switch {
	case !path.IsAbs(m.target):
		return fmt.Errorf("invalid mount path: '%s' mount path must be absolute", m.target)
	case path.Clean(m.target) == "/":
		return errRootTarget
	case strings.ContainsRune(m.source+m.target, 0):
		return errors.New("a path contains a NUL byte")
	case m.kind == "tmpfs" && m.source != "":
		return errors.New("field Source must not be specified")
	case m.kind == "bind" && m.source == "":
		return errors.New("field Source must not be empty")
	}
	return nil
}

// bind returns a bind mount's description; only for type bind.
func (m *mountSpec) bind() (bind, error) {
	b := bind{destination: path.Clean(m.target), create: m.create}
	var err error
	if b.source, err = filepath.Abs(m.source); err != nil {
		return b, err
	}
	if m.readOnly {
		b.options = append(b.options, "ro")
	}
	if m.propagation != "" {
		b.options = append(b.options, m.propagation)
	}
	if m.idmap {
		b.options = append(b.options, "idmap")
	}
	b.recursive = m.recursive
	return b, nil
}

// parseTmpfs reads --tmpfs: DESTINATION[:OPTIONS]. docker's defaults come first,
// so that options can undo them.
func parseTmpfs(s string) (specs.Mount, error) {
	target, options, _ := strings.Cut(s, ":")
	destination, err := mountTarget(target, s)
	if err != nil {
		return specs.Mount{}, err
	}
	var list []string
	if options != "" {
		list = strings.Split(options, ",")
	}
	for _, o := range list {
		if err := checkTmpfsOption(o); err != nil {
			return specs.Mount{}, err
		}
	}
	return tmpfsMount(destination, list), nil
}

// checkTmpfsOption keeps other mount options out: a tmpfs cannot take them.
func checkTmpfsOption(o string) error {
	key, value, _ := strings.Cut(o, "=")
	switch key {
	case "ro", "rw", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "sync", "async", "dirsync",
		"atime", "noatime", "diratime", "nodiratime", "relatime", "norelatime", "strictatime", "nostrictatime",
		"private", "rprivate", "shared", "rshared", "slave", "rslave", "remount", "bind", "mand", "nomand", "defaults":
		if value == "" {
			return nil
		}
	case "size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol", "huge":
		if value != "" {
			return nil
		}
	}
	return fmt.Errorf("invalid tmpfs option [%q]", o)
}

func tmpfsMount(destination string, options []string) specs.Mount {
	return specs.Mount{
		Type: "tmpfs", Source: "tmpfs", Destination: destination,
		Options: append([]string{"noexec", "nosuid", "nodev", "rprivate"}, options...),
	}
}

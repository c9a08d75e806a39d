package cli

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// bind is one bind mount as a flag asked for it.
type bind struct {
	source, destination string
	options             []string
	// recursive is docker's word for what becomes of the mounts below the source:
	// "disabled" leaves them out, "writable" does not make them read-only.
	recursive string
	// create makes a missing source (-v); --mount refuses one.
	create bool
}

// mount returns the bind in the spec's words. Everything below the source comes
// along, and a read-only bind is read-only all the way down, as in docker:
// else what is mounted below /data could be written through a -v /data:/x:ro.
func (b bind) mount() specs.Mount {
	options := []string{"rbind"}
	readOnly := "rro"
	switch b.recursive {
	case "disabled":
		options[0], readOnly = "bind", "ro"
	case "writable":
		readOnly = "ro"
	}
	propagation := "rprivate"
	for _, o := range b.options {
		switch o {
		case "ro":
			options = append(options, readOnly)
		case "private", "rprivate", "shared", "rshared", "slave", "rslave":
			propagation = o
		case "idmap":
			options = append(options, o)
		}
	}
	return specs.Mount{Type: "bind", Source: b.source, Destination: b.destination, Options: append(options, propagation)}
}

var errRootTarget = errors.New("invalid specification: destination can't be '/'")

// parseVolume reads docker's -v: SOURCE:DESTINATION[:MODE].
func parseVolume(s string) (bind, error) {
	parts := strings.Split(s, ":")
	if s == "" || len(parts) > 3 || parts[0] == "" || strings.ContainsRune(s, 0) {
		return bind{}, fmt.Errorf("invalid volume specification: '%s'", s)
	}
	if len(parts) == 1 {
		return bind{}, &hintError{
			fmt.Errorf("-v %s: this version has no anonymous volumes", s),
			"--tmpfs gives a folder of the container's own",
		}
	}
	b := bind{destination: parts[1], create: true}
	var err error
	if b.source, err = volumeSource(parts[0]); err != nil {
		return bind{}, err
	}
	if b.destination, err = mountTarget(parts[1], s); err != nil {
		return bind{}, err
	}
	if len(parts) == 3 {
		b.options, err = volumeMode(parts[2])
	}
	return b, err
}

// volumeSource makes a path absolute. What is no path is the name of a volume.
func volumeSource(s string) (string, error) {
	switch {
	case path.IsAbs(s):
		return path.Clean(s), nil
	case s == "." || s == ".." || strings.HasPrefix(s, "./") || strings.HasPrefix(s, "../"):
		return filepath.Abs(s)
	case strings.Contains(s, "/"):
		return "", fmt.Errorf("create %s: %q includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path", s, s)
	}
	return "", &hintError{
		fmt.Errorf("volume %s: this version has no named volumes", s),
		"give a folder of the host by its path (./" + s + ")",
	}
}

// mountTarget checks a path in the container.
func mountTarget(s, spec string) (string, error) {
	switch {
	case s == "":
		return "", fmt.Errorf("invalid volume specification: '%s'", spec)
	case !path.IsAbs(s):
		return "", fmt.Errorf("invalid mount path: '%s' mount path must be absolute", s)
	case path.Clean(s) == "/":
		return "", errRootTarget
	}
	return path.Clean(s), nil
}

// volumeMode checks the modes of -v; each kind may be given once.
func volumeMode(s string) ([]string, error) {
	var options []string
	seen := map[string]bool{}
	for mode := range strings.SplitSeq(s, ",") {
		kind := ""
		switch mode {
		case "ro", "rw":
			kind = "access"
		case "private", "rprivate", "shared", "rshared", "slave", "rslave":
			kind = "propagation"
		case "idmap":
			kind = "ids" // the files' ids are the container's own (podman)
		case "z", "Z":
			kind = "label" // for SELinux, which berth does not label for
		case "consistent", "cached", "delegated":
			kind = "consistency" // meant for other systems
		case "nocopy":
			kind = "copy" // a host folder is never filled from the image
		}
		if kind == "" || seen[kind] {
			return nil, fmt.Errorf("invalid mode: %s", s)
		}
		seen[kind] = true
		if kind == "access" || kind == "propagation" || kind == "ids" {
			options = append(options, mode)
		}
	}
	return options, nil
}

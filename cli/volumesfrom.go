package cli

import (
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// volumesFrom is one --volumes-from: CONTAINER[:ro|rw].
type volumesFrom struct {
	container string
	mode      string
}

func parseVolumesFrom(s string) (volumesFrom, error) {
	if s == "" {
		return volumesFrom{}, verbatim("volumes-from specification cannot be an empty string")
	}
	ref, mode, given := strings.Cut(s, ":")
	switch {
	case ref == "":
		return volumesFrom{}, verbatim("invalid volumes-from specification: %s", s)
	case !given:
		return volumesFrom{ref, "rw"}, nil
	}
	switch mode {
	case "ro", "rw", "z", "Z":
		return volumesFrom{ref, mode}, nil
	}
	return volumesFrom{}, verbatim("invalid mode: %s", mode)
}

// apply gives the container the folders of the host that another one has. They
// come first, so that its own flags can put something else in their place.
func (v volumesFrom) apply(d *draft) error {
	other, err := d.find(v.container)
	if err != nil {
		return err
	}
	d.VolumesFrom = append(d.VolumesFrom, other.ID+":"+v.mode)
	for _, m := range other.Spec.Mounts {
		switch other.From[mountField(m.Destination)] {
		case "--volume", "--mount", "--volumes-from":
		default:
			continue // docker shares volumes, and no other mounts
		}
		if m.Type != "bind" {
			continue
		}
		m.Options = slices.Clone(m.Options)
		if v.mode == "ro" && !readOnly(m) {
			m.Options = append(m.Options, recursively(m, "ro"))
		}
		if slices.Contains(m.Options, "idmap") && d.Modes.User == "" {
			m.Options = slices.DeleteFunc(m.Options, func(o string) bool { return o == "idmap" })
		}
		d.setMount(m, "--volumes-from")
	}
	return nil
}

// recursively is an option for all of what a bind mount has below it.
func recursively(m specs.Mount, option string) string {
	if slices.Contains(m.Options, "rbind") {
		return "r" + option
	}
	return option
}

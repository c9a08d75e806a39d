package cli

import (
	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/container"
	"berth/image"
)

// draft is a container while its flags are applied. Every group of flags writes
// its part of it.
type draft struct {
	*container.Config
	// image holds the defaults of the image; zero with --rootfs.
	image image.Config
	// replace asks for the end of a container that has the name.
	replace bool
	// lookupEnv is the caller's environment (-e KEY takes values from it).
	lookupEnv func(string) (string, bool)
	// proxies are variables for the container that flags can set otherwise.
	proxies []string
	// warn tells of what does not keep the container from being made.
	warn func(text string)
	// find returns another container that a flag names.
	find func(ref string) (*container.View, error)
}

func newDraft(lookupEnv func(string) (string, bool)) *draft {
	return &draft{
		Config: &container.Config{
			Spec:    container.DefaultSpec(),
			Network: "none",
			Labels:  map[string]string{},
			Log:     container.LogConfig{Driver: "json-file"},
			From:    map[string]string{},
		},
		lookupEnv: lookupEnv,
	}
}

// asked notes which flag set a field of the spec. Explain and errors show it.
func (d *draft) asked(field, flag string) { d.From[field] = flag }

// mountField is the path of a mount in Config.From; mounts are known by where
// they are, as their numbers change while flags are applied.
func mountField(destination string) string { return "mounts[" + destination + "]" }

// setMount puts m in the place of a mount that the spec has at the same
// destination, or behind all others.
func (d *draft) setMount(m specs.Mount, flag string) {
	d.asked(mountField(m.Destination), flag)
	for i := range d.Spec.Mounts {
		if d.Spec.Mounts[i].Destination == m.Destination {
			d.Spec.Mounts[i] = m
			return
		}
	}
	d.Spec.Mounts = append(d.Spec.Mounts, m)
}

// resources returns the spec's limits, made when there are none.
func (d *draft) resources() *specs.LinuxResources {
	if d.Spec.Linux.Resources == nil {
		d.Spec.Linux.Resources = &specs.LinuxResources{}
	}
	return d.Spec.Linux.Resources
}

// to returns a pointer to v, which is how the spec writes optional numbers.
func to[T any](v T) *T { return &v }

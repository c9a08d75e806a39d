package cli

import (
	"slices"
	"strconv"
	"strings"

	units "github.com/docker/go-units"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// mountRequest is docker's record of one --mount.
type mountRequest struct {
	Type         string
	Source       string `json:",omitempty"`
	Target       string
	ReadOnly     bool          `json:",omitempty"`
	BindOptions  *bindRequest  `json:",omitempty"`
	TmpfsOptions *tmpfsRequest `json:",omitempty"`
}

type bindRequest struct {
	Propagation string `json:",omitempty"`
}

type tmpfsRequest struct {
	SizeBytes int64  `json:",omitempty"`
	Mode      uint32 `json:",omitempty"`
}

func describeRequest(m specs.Mount) mountRequest {
	r := mountRequest{Type: m.Type, Source: m.Source, Target: m.Destination, ReadOnly: readOnly(m)}
	if m.Type == "tmpfs" {
		r.Source = ""
	}
	for _, o := range m.Options {
		key, value, _ := strings.Cut(o, "=")
		switch {
		case m.Type == "bind" && slices.Contains([]string{"private", "shared", "rshared", "slave", "rslave"}, o):
			r.BindOptions = &bindRequest{Propagation: o}
		case m.Type == "tmpfs" && key == "size":
			size, _ := units.RAMInBytes(value) // read when the flag was
			r.tmpfs().SizeBytes = size
		case m.Type == "tmpfs" && key == "mode":
			mode, _ := strconv.ParseUint(value, 8, 32)
			r.tmpfs().Mode = uint32(mode)
		}
	}
	return r
}

func (r *mountRequest) tmpfs() *tmpfsRequest {
	if r.TmpfsOptions == nil {
		r.TmpfsOptions = &tmpfsRequest{}
	}
	return r.TmpfsOptions
}

// tmpfsOptions are those that --tmpfs was given: docker's defaults stand in front
// of them.
func tmpfsOptions(m specs.Mount) string {
	given, defaults := m.Options, tmpfsMount("", nil).Options
	if len(given) >= len(defaults) && slices.Equal(given[:len(defaults)], defaults) {
		given = given[len(defaults):]
	}
	return strings.Join(given, ",")
}

package seccomp

import (
	"encoding/json"
	"errors"
	"fmt"

	moby "github.com/moby/profiles/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Default returns docker's default profile as it applies to the container's
// bounding capabilities, the running machine and its kernel. A spec without
// capabilities gets the profile for none.
func Default(spec *specs.Spec) (*specs.LinuxSeccomp, error) {
	s, err := moby.GetDefaultProfile(withCapabilities(spec))
	if err != nil {
		return nil, fmt.Errorf("resolve default seccomp profile: %w", err)
	}
	return s, nil
}

// Load resolves a profile in docker's JSON format (--security-opt
// seccomp=FILE), which is the OCI format plus conditions on capabilities,
// architecture and kernel. An empty profile ("{}") gives nil: no filter. The
// result is not yet validated; Compile does that.
func Load(profileJSON []byte, spec *specs.Spec) (*specs.LinuxSeccomp, error) {
	s, err := moby.LoadProfile(string(profileJSON), withCapabilities(spec))
	if err != nil {
		var syntax *json.SyntaxError
		var kind *json.UnmarshalTypeError
		switch {
		case errors.As(err, &syntax):
			return nil, fmt.Errorf("parse seccomp profile at byte %d: %w", syntax.Offset, syntax)
		case errors.As(err, &kind):
			return nil, fmt.Errorf("parse seccomp profile at byte %d: %w", kind.Offset, kind)
		}
		return nil, fmt.Errorf("parse seccomp profile: %w", err)
	}
	return s, nil
}

// withCapabilities returns a spec that the profile's conditions can be asked
// of: they follow the pointers unchecked.
func withCapabilities(spec *specs.Spec) *specs.Spec {
	if spec != nil && spec.Process != nil && spec.Process.Capabilities != nil {
		return spec
	}
	return &specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{}}}
}

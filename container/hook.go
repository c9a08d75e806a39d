package container

import (
	"context"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// HookRunner runs a hook of an OCI spec.
type HookRunner interface {
	// RunHook runs one hook in the namespaces of this process, with the
	// container's state on its stdin, and returns once it has ended. pid is
	// the container's first process; inside asks for its namespaces.
	RunHook(ctx context.Context, kind string, hook specs.Hook, pid int, inside bool) error
}

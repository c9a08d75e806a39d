package oci

import (
	"context"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-spec/specs-go/features"
	"golang.org/x/sys/unix"

	"berth/bundle"
	"berth/cgroup"
)

// backend is what commands act on: bundle.Runtime, in roles, so that a test
// fakes what it needs.
type backend interface {
	lifecycle
	sessions
	observer
	meter
	control
}

// lifecycle is the runtime specification's own operations.
type lifecycle interface {
	Create(ctx context.Context, id string, o bundle.CreateOptions) error
	Start(ctx context.Context, id string) error
	Kill(ctx context.Context, id string, sig unix.Signal, all bool) error
	Delete(ctx context.Context, id string, force bool) error
	State(ctx context.Context, id string) (bundle.State, error)
}

// sessions are calls that stay with a process and give its exit status.
type sessions interface {
	Run(ctx context.Context, id string, o bundle.RunOptions) (int, error)
	Exec(ctx context.Context, id string, o bundle.ExecOptions) (int, error)
}

// observer looks at containers.
type observer interface {
	List(ctx context.Context) ([]bundle.State, error)
	Spec(id string) (*specs.Spec, error)
	Processes(ctx context.Context, id string) ([]int, error)
	Features() *features.Features
}

// meter measures containers.
type meter interface {
	Stats(ctx context.Context, id string) (cgroup.Stats, error)
	OOM(ctx context.Context, id string) (<-chan struct{}, error)
}

// control changes running containers.
type control interface {
	Pause(ctx context.Context, id string) error
	Resume(ctx context.Context, id string) error
	Update(ctx context.Context, id string, res *specs.LinuxResources, rdt *specs.LinuxIntelRdt) error
}

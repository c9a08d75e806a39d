package bundle

import (
	"context"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func (r *Runtime) startHooks(context.Context, *record, *specs.Spec) error { return nil }
func (r *Runtime) poststart(context.Context, *record, *specs.Spec) error  { return nil }
func (r *Runtime) poststop(context.Context, *record, *specs.Spec)         {}

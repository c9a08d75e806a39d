package bundle

import (
	"context"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/container"
	"berth/nsenter"
)

// Plan compiles the plan with which create would make a container of a bundle,
// and the configuration as it was read. It runs nothing, and asks nobody.
func (r *Runtime) Plan(ctx context.Context, dir string) (*nsenter.Plan, *specs.Spec, error) {
	conf, err := readConfig(dir)
	if err != nil {
		return nil, nil, err
	}
	m := &maker{r: r, id: filepath.Base(conf.dir), conf: conf, gated: true, background: true}
	in, err := m.input(ctx)
	if err != nil {
		return nil, nil, err
	}
	if conf.spec.Linux != nil && notifies(conf.spec.Linux.Seccomp) {
		in.Listener = func(int, int) error { return nil } // nobody: the plan is for reading
	}
	compiled, err := container.Compile(in)
	if err != nil {
		return nil, nil, err
	}
	return compiled.Plan, conf.spec, nil
}

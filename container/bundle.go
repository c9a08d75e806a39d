package container

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/nsenter"
	"berth/seccomp"
)

// PlanBundle compiles the plan for an OCI bundle (runtime-spec, bundle.md): a
// folder with a config.json. It runs nothing.
func (e *Engine) PlanBundle(dir string) (*nsenter.Plan, *specs.Spec, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("bundle %s: %w", dir, err)
	}
	spec, err := readSpec(path.Join(dir, "config.json"))
	if err != nil {
		return nil, nil, err
	}
	if spec.Root != nil && spec.Root.Path != "" && !path.IsAbs(spec.Root.Path) {
		spec.Root.Path = path.Join(dir, spec.Root.Path)
	}
	host, err := DetectHost(e.CgroupParent)
	if err != nil {
		return nil, nil, err
	}
	in := Input{Host: host, Spec: spec, Hold: e.Dirs.Run, Cgroup: path.Join(e.CgroupParent, filepath.Base(dir)), OwnCgroup: true}
	if spec.Linux != nil {
		if spec.Linux.CgroupsPath != "" {
			in.Cgroup, in.OwnCgroup = path.Join("/", spec.Linux.CgroupsPath), false
		}
		if in.Filter, err = seccomp.Compile(spec.Linux.Seccomp, goarch()); err != nil {
			return nil, nil, fmt.Errorf("linux.seccomp: %w", err)
		}
	}
	compiled, err := Compile(in)
	if err != nil {
		return nil, nil, err
	}
	return compiled.Plan, spec, nil
}

// maxSpec bounds what is read of a config.json, in bytes.
const maxSpec = 16 << 20

// readSpec reads a config.json.
func readSpec(file string) (*specs.Spec, error) {
	st, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("read bundle: %w", err)
	}
	if !st.Mode().IsRegular() || st.Size() > maxSpec {
		return nil, fmt.Errorf("read bundle: %s is not a file of at most %d bytes", file, maxSpec)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read bundle: %w", err)
	}
	var spec specs.Spec
	if err := json.Unmarshal(data, &spec); err != nil {
		return nil, fmt.Errorf("read bundle: %s: %w", file, err)
	}
	return &spec, nil
}

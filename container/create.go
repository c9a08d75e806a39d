package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"runtime"
	"slices"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
	"berth/seccomp"
	"berth/state"
)

// MinMemory is the least memory limit, in bytes, that a small static program
// runs under: the executor's own pages fit into it too.
const MinMemory = 1 << 20

// Create records a new container. It fills in the ID, the name and the time
// when they are empty. On an error nothing of the container is left.
func (e *Engine) Create(ctx context.Context, c *Config) error {
	if err := e.reserve(ctx, c); err != nil {
		return err
	}
	if err := errors.Join(e.record(c), c.confirm()); err != nil {
		return errors.Join(err, e.erase(c))
	}
	e.emit(c, "create")
	return nil
}

// reserve takes a name and makes the container's folders.
func (e *Engine) reserve(ctx context.Context, c *Config) error {
	if err := errors.Join(e.prepare(), ctx.Err()); err != nil {
		return err
	}
	if err := e.name(ctx, c); err != nil {
		return err
	}
	for _, dir := range []string{e.Dirs.RunContainer(c.ID), e.Dirs.Container(c.ID)} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return errors.Join(fmt.Errorf("make container folder: %w", err), e.erase(c))
		}
	}
	return nil
}

// name gives the container an ID and claims its name, which reserves both.
func (e *Engine) name(ctx context.Context, c *Config) error {
	if c.ID == "" {
		id, err := state.NewID()
		if err != nil {
			return err
		}
		c.ID = id
	}
	if c.Created.IsZero() {
		c.Created = time.Now().UTC()
	}
	if c.Spec.Hostname == "" && c.Network != "host" && !c.Shares(specs.UTSNamespace) {
		c.Spec.Hostname = c.ID[:12]
	}
	if c.Name != "" {
		if !state.ValidName(c.Name) {
			return &state.InvalidNameError{Name: c.Name}
		}
		return e.claim(ctx, c, c.Name)
	}
	for attempt := 0; ; attempt++ {
		name := state.RandomName(c.ID, attempt)
		var taken *state.NameInUseError
		err := e.claim(ctx, c, name)
		if errors.As(err, &taken) {
			continue
		}
		c.Name = name
		return err
	}
}

// claim reserves a name. When it is taken by a container that is gone or
// settles now, it is free at the second try.
func (e *Engine) claim(ctx context.Context, c *Config, name string) error {
	err := state.Claim(e.Dirs, name, c.ID, e.self)
	var taken *state.NameInUseError
	if !errors.As(err, &taken) || !e.freeName(ctx, taken) {
		return err
	}
	return state.Claim(e.Dirs, name, c.ID, e.self)
}

// confirm asks whether what the container stands on is still there.
func (c *Config) confirm() error {
	if c.Confirm == nil {
		return nil
	}
	return c.Confirm()
}

// record writes the container's spec and Config.
func (e *Engine) record(c *Config) error {
	// The spec first: a container with a Config is whole.
	if err := e.recordSpec(c); err != nil {
		return err
	}
	return e.recordConfig(c)
}

// durability is what a container's records survive: those of one that removes
// itself end with the boot.
func durability(c *Config) state.Durability {
	if c.AutoRemove {
		return state.Fast
	}
	return state.Durable
}

func (e *Engine) recordSpec(c *Config) error {
	return state.WriteJSON(e.specPath(c), c.Spec, durability(c))
}

func (e *Engine) recordConfig(c *Config) error {
	c.Rootfs = ""
	if len(c.Layers) == 0 {
		c.Rootfs = c.Spec.Root.Path
	}
	return state.WriteJSON(e.recordPath(c), c, durability(c))
}

// writable makes the overlay's own folders when they are missing.
func (e *Engine) writable(id string) error {
	// A bit of the umask would show as the mode of the container's /. Whatever
	// else this process makes has its mode given, so nothing minds.
	defer unix.Umask(unix.Umask(0o022))
	for _, dir := range []string{e.upperDir(id), e.workDir(id)} {
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("make writable layer: %w", err)
		}
	}
	if err := e.mountPoints(); err != nil {
		return err
	}
	return e.makeEmpty()
}

func (e *Engine) makeEmpty() error {
	if err := os.Mkdir(e.emptyDir(), 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("make empty folder: %w", err)
	}
	return nil
}

// Plan compiles the plan that would start the container, and runs nothing.
func (e *Engine) Plan(c *Config) (*nsenter.Plan, error) {
	if c.ID == "" {
		c.ID = "ID"
	}
	if c.Spec.Hostname == "" && c.Network != "host" && !c.Shares(specs.UTSNamespace) {
		c.Spec.Hostname = "ID"
	}
	users, err := e.users(c)
	if err != nil {
		return nil, err
	}
	compiled, _, err := e.compile(c, users, false)
	if err != nil {
		return nil, err
	}
	return compiled.Plan, nil
}

// compile turns a Config into a plan for this host.
func (e *Engine) compile(c *Config, users *IDRange, detached bool) (*Compiled, Host, error) {
	parent := e.CgroupParent
	own := true
	if c.Spec.Linux.CgroupsPath != "" {
		parent, own = c.Spec.Linux.CgroupsPath, false
	}
	host, err := DetectHost(parent)
	if err != nil {
		return nil, host, err
	}
	filter, err := e.filter(c)
	if err != nil {
		return nil, host, err
	}
	spec, err := e.withNames(c)
	if err != nil {
		return nil, host, err
	}
	mapUsers(spec, users)
	shared, err := e.join(c, spec)
	if err != nil {
		return nil, host, err
	}
	limitFiles(spec.Process, host.NoFile)
	compiled, err := Compile(Input{
		Host: host, Spec: spec, Layers: e.layers(c), Upper: e.upperDir(c.ID), Work: e.workDir(c.ID),
		MapRoot: users != nil, Volatile: c.AutoRemove, Hold: e.Dirs.Run, Cgroup: path.Join(parent, c.ID), OwnCgroup: own,
		Account: detached || !c.AutoRemove, Filter: filter, Lookup: true, GroupAdd: c.GroupAdd,
		Init: c.Init, Tied: true, Files: e.Files, Peers: shared.processes, Shm: shared.shm, From: c.From,
	})
	return compiled, host, err
}

// layers are the image's, above the one with the mount points.
func (e *Engine) layers(c *Config) []string {
	if len(c.Layers) == 0 {
		return nil
	}
	return append(slices.Clone(c.Layers), e.mountPointsDir())
}

// filter returns the container's compiled seccomp filter.
func (e *Engine) filter(c *Config) (seccomp.Program, error) {
	if c.Spec.Linux.Seccomp != nil {
		return seccomp.Compile(c.Spec.Linux.Seccomp, goarch())
	}
	cache := seccomp.Cache{Dir: path.Join(e.Dirs.Cache(), "seccomp")}
	switch {
	case c.Seccomp == "unconfined" || c.Privileged:
		return seccomp.Program{}, nil
	case c.Seccomp == "":
		return cache.Default(c.Spec)
	}
	return cache.Profile([]byte(c.Seccomp), c.Spec)
}

// goarch is the architecture that filters are compiled for.
func goarch() string { return runtime.GOARCH }

// defaultFiles is the soft limit on open files that programs get: a huge one
// makes old programs loop over every possible descriptor.
const defaultFiles = 1024

// maxFiles is the highest hard limit that a container gets unasked.
const maxFiles = 524288

// limitFiles sets the default limit on open files where none was asked for,
// never above what this process may hand on.
func limitFiles(p *specs.Process, ours uint64) {
	for _, r := range p.Rlimits {
		if r.Type == "RLIMIT_NOFILE" {
			return
		}
	}
	hard := min(uint64(maxFiles), ours)
	p.Rlimits = append(slices.Clone(p.Rlimits), specs.POSIXRlimit{
		Type: "RLIMIT_NOFILE", Soft: min(defaultFiles, hard), Hard: hard,
	})
}

// erase removes everything of a container that does not run. It is idempotent
// and goes on past errors.
func (e *Engine) erase(c *Config) error {
	return e.eraseID(c.ID, c.Name)
}

func (e *Engine) eraseID(id, name string) error {
	errs := []error{
		e.removeRoot(id),
		e.removeRun(id),
	}
	if name != "" {
		errs = append(errs, state.Release(e.Dirs, name, id))
	}
	return errors.Join(errs...)
}

// removeRoot removes the container's folder on disk. Most containers that
// remove themselves wrote nothing: then a few rmdirs do, where RemoveTree would
// rename and search. The names are what overlayfs leaves in its work folder.
func (e *Engine) removeRoot(id string) error {
	dir := e.Dirs.Container(id)
	return removeKnown(dir,
		[]string{"/work/work/incompat/volatile/dirty"},
		[]string{"/work/work/incompat/volatile", "/work/work/incompat", "/work/work", "/work", "/upper"})
}

// removeRun removes the container's folder on the tmpfs.
func (e *Engine) removeRun(id string) error {
	return removeKnown(e.Dirs.RunContainer(id),
		[]string{"/state.json", "/container.json", "/spec.json", "/hostname", "/hosts", "/resolv.conf", "/lock", "/attach.sock", "/container.log", "/health.json"}, nil)
}

// removeKnown removes a folder with the files and folders that are usually in
// it; if there is more, all of it. Dying in the middle leaves what [Engine.List]
// takes for a container that is being made, and Sweep removes.
func removeKnown(dir string, files, folders []string) error {
	for _, name := range files {
		if err := unix.Unlink(dir + name); err != nil && err != unix.ENOENT && err != unix.ENOTDIR {
			return state.RemoveTree(dir)
		}
	}
	for _, name := range append(folders, "") {
		if err := unix.Rmdir(dir + name); err != nil && err != unix.ENOENT {
			return state.RemoveTree(dir)
		}
	}
	return nil
}

package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"sync"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/cgroup"
	"berth/container/events"
	"berth/nsenter"
	"berth/state"
)

// Engine runs and manages the containers of one pair of state roots. It holds
// no state of its own: everything is in the records, so any number of berth
// processes work side by side.
type Engine struct {
	Dirs state.Dirs
	// CgroupParent is the group that containers' groups are made in.
	CgroupParent string
	// Trace, when set, is called with the plan and its results once the
	// payload runs, or a step has failed.
	Trace func(*nsenter.Plan, []nsenter.Result)
	// Files are descriptors of this process that the next payload gets as its
	// 3, 4 and so on.
	Files []int
	// MonitorEnv and MonitorStderr are for monitors that this engine launches:
	// variables, and the stderr, which is /dev/null when nil.
	MonitorEnv    []string
	MonitorStderr *os.File

	// events is where what happens is told.
	events *events.Log

	ready sync.Once
	err   error
	self  state.Process
}

// cgroupParent is where containers go when nobody says otherwise.
const cgroupParent = "/berth"

// New returns an engine on two state roots.
func New(dirs state.Dirs) *Engine {
	return &Engine{Dirs: dirs, CgroupParent: cgroupParent, events: events.New(dirs.Events())}
}

// Stdio are the caller's streams. In may be nil: then the payload's stdin is
// empty.
type Stdio struct {
	In, Out, Err *os.File
}

// StartError is a container whose payload never ran.
type StartError struct {
	// Code is the exit status that tells so: 125 when berth failed, 126 when
	// the program cannot be executed, 127 when there is none.
	Code int
	Err  error
}

func (e *StartError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *StartError) Unwrap() error { return e.Err }

// Errors of this package.
var (
	// ErrNotRunning is a container that an operation needs running.
	ErrNotRunning = errors.New("is not running")
	// ErrRunning is a container that an operation needs stopped.
	ErrRunning = errors.New("container is running")
	// ErrSupervisorLost is the Exit.Error of a container whose supervisor died
	// before it could see the payload's end.
	ErrSupervisorLost = errors.New("the supervisor died; the exit code is unknown")
)

// prepare makes the state folders, once, and restores name claims after a
// reboot.
func (e *Engine) prepare() error {
	e.ready.Do(func() {
		if e.err = e.Dirs.Ensure(); e.err != nil {
			return
		}
		if e.self, e.err = state.Self(); e.err != nil {
			return
		}
		_, e.err = state.RestoreNames(e.Dirs, e.self.BootID, e.names)
	})
	return e.err
}

// names lists the containers with their names, for RestoreNames.
func (e *Engine) names() ([]state.Named, error) {
	ids, err := state.List(e.Dirs)
	if err != nil {
		return nil, err
	}
	var list []state.Named
	for _, id := range ids {
		// A broken record has no name to restore.
		if c, err := e.load(id); err == nil {
			list = append(list, state.Named{ID: id, Name: c.Name})
		}
	}
	return list, nil
}

// recordPath is where a container's Config lies: with --rm on the tmpfs, since
// such a container does not outlive the boot.
func (e *Engine) recordPath(c *Config) string {
	if c.AutoRemove {
		return path.Join(e.Dirs.RunContainer(c.ID), "container.json")
	}
	return path.Join(e.Dirs.Container(c.ID), "config.json")
}

func (e *Engine) livePath(id string) string { return path.Join(e.Dirs.RunContainer(id), "state.json") }
func (e *Engine) exitPath(id string) string { return path.Join(e.Dirs.Container(id), "exit.json") }
func (e *Engine) attachPath(id string) string {
	return path.Join(e.Dirs.RunContainer(id), "attach.sock")
}
func (e *Engine) lockPath(id string) string { return path.Join(e.Dirs.RunContainer(id), "lock") }
func (e *Engine) emptyDir() string          { return path.Join(e.Dirs.Run, "empty") }
func (e *Engine) upperDir(id string) string { return path.Join(e.Dirs.Container(id), "upper") }
func (e *Engine) workDir(id string) string  { return path.Join(e.Dirs.Container(id), "work") }

// LogPath is the container's log; rotated files lie beside it.
func (e *Engine) LogPath(c *Config) string {
	if c.AutoRemove {
		return path.Join(e.Dirs.RunContainer(c.ID), "container.log")
	}
	return path.Join(e.Dirs.Container(c.ID), "container.log")
}

// specPath is where a container's spec lies: beside its Config.
func (e *Engine) specPath(c *Config) string { return path.Join(path.Dir(e.recordPath(c)), "spec.json") }

// specWait is how long the spec of a container that was just started may be
// on its way.
const specWait = time.Second

// LoadSpec reads a container's spec into its Config.
func (e *Engine) LoadSpec(c *Config) error {
	if c.Spec != nil {
		return nil
	}
	var spec specs.Spec
	err := state.ReadJSON(e.specPath(c), &spec)
	for deadline := time.Now().Add(specWait); c.AutoRemove && errors.Is(err, os.ErrNotExist) && time.Now().Before(deadline); {
		// Its supervisor writes it a moment after the start.
		time.Sleep(specDelay)
		if _, gone := os.Lstat(e.recordPath(c)); gone != nil {
			break
		}
		err = state.ReadJSON(e.specPath(c), &spec)
	}
	if err != nil {
		return err
	}
	if err := validate(&spec); err != nil {
		return fmt.Errorf("read %s: %w: %w", e.specPath(c), state.ErrCorrupt, err)
	}
	c.Spec = &spec
	return nil
}

// load reads a container's Config, without the spec.
func (e *Engine) load(id string) (*Config, error) {
	var c Config
	err := state.ReadJSON(path.Join(e.Dirs.Container(id), "config.json"), &c)
	if errors.Is(err, os.ErrNotExist) {
		err = state.ReadJSON(path.Join(e.Dirs.RunContainer(id), "container.json"), &c)
	}
	if err != nil {
		return nil, err
	}
	if c.ID != id {
		return nil, fmt.Errorf("read container %s: %w: it is the record of %q", id, state.ErrCorrupt, c.ID)
	}
	return &c, nil
}

// loadLive reads the record of a running container; nil when there is none.
func (e *Engine) loadLive(id string) (*Live, error) {
	var l Live
	err := state.ReadJSON(e.livePath(id), &l)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &l, nil
}

// loadExit reads how the last run ended; nil when there was none.
func (e *Engine) loadExit(id string) (*Exit, error) {
	var x Exit
	err := state.ReadJSON(e.exitPath(id), &x)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &x, nil
}

// lock serialises what changes a container's state. It is never held while a
// payload runs or is waited for.
func (e *Engine) lock(ctx context.Context, id string) (*state.Locked, error) {
	if err := state.MakeDir(e.Dirs.RunContainer(id)); err != nil {
		return nil, err
	}
	return state.Lock(ctx, e.lockPath(id))
}

// groups opens the cgroups of a container.
func groups(dirs []string) (*cgroup.Manager, error) {
	host, err := cgroup.Detect(cgroupParent)
	if err != nil {
		return nil, err
	}
	return cgroup.Open(host, dirs)
}

// Resolve finds a container by id, name or unique id prefix.
func (e *Engine) Resolve(ref string) (string, error) {
	if err := e.prepare(); err != nil {
		return "", err
	}
	return state.Resolve(e.Dirs, ref)
}

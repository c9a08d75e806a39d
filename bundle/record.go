package bundle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/cgroup"
	"berth/nsenter"
	"berth/state"
)

// record is what is kept of a container: state.json in its folder.
type record struct {
	state.Header
	ID      string    `json:"id"`
	Bundle  string    `json:"bundle"`
	Rootfs  string    `json:"rootfs"`
	Created time.Time `json:"created"`
	Owner   string    `json:"owner"`
	// OCIVersion and Annotations are the spec's.
	OCIVersion  string            `json:"oci_version"`
	Annotations map[string]string `json:"annotations,omitempty"`
	// Creator makes the container; while there is no payload, it tells whether
	// one is still to come.
	Creator state.Process `json:"creator"`
	// Payload is the container's first process.
	Payload state.Process `json:"payload"`
	// Cgroups are the directories of its groups.
	Cgroups []string `json:"cgroups,omitempty"`
	// Scope is the systemd unit of the container; empty without the driver.
	Scope string `json:"scope,omitempty"`
	// NoNewKeyring holds for those who join the container, too.
	NoNewKeyring bool `json:"no_new_keyring,omitempty"`
	// Notify is the socket of NOTIFY_SOCKET that start speaks for.
	Notify string `json:"notify,omitempty"`
}

// Statuses of a container (runtime-spec, runtime.md, "State").
const (
	creating = "creating"
	created  = "created"
	running  = "running"
	paused   = "paused"
	stopped  = "stopped"
)

func (r *Runtime) dir(id string) string        { return path.Join(r.Dir, id) }
func (r *Runtime) statePath(id string) string  { return path.Join(r.dir(id), "state.json") }
func (r *Runtime) configPath(id string) string { return path.Join(r.dir(id), "config.json") }
func (r *Runtime) gatePath(id string) string   { return path.Join(r.dir(id), "start") }
func (r *Runtime) planPath(id string) string   { return path.Join(r.dir(id), "plan") }

// emptyDir is the empty folder that sealing needs. No id starts with a dot.
func (r *Runtime) emptyDir() string { return path.Join(r.Dir, ".empty") }

// checkID refuses ids that could name anything but a folder of our own. The
// characters are those that runc allows.
func checkID(id string) error {
	if id == "" {
		return fmt.Errorf("%w: it is empty", ErrInvalidID)
	}
	bad := strings.ContainsFunc(id, func(c rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.", c)
	})
	if bad || id[0] == '.' || len(id) > 255 {
		return fmt.Errorf("%w: %q", ErrInvalidID, id)
	}
	return nil
}

// load reads a container's record.
func (r *Runtime) load(id string) (*record, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	var c record
	err := state.ReadJSON(r.statePath(id), &c)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNotExist, id)
	}
	if err != nil {
		return nil, err
	}
	if c.ID != id {
		return nil, fmt.Errorf("read %s: %w: it is the record of %q", r.statePath(id), state.ErrCorrupt, c.ID)
	}
	return &c, nil
}

func (r *Runtime) save(c *record) error {
	return state.WriteJSON(r.statePath(c.ID), c, state.Fast)
}

// locked loads a record for a change of the container, under its lock.
func (r *Runtime) locked(ctx context.Context, id string) (*record, func(), error) {
	if _, err := r.load(id); err != nil {
		return nil, nil, err
	}
	lock, err := state.Lock(ctx, path.Join(r.dir(id), "lock"))
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %s", ErrNotExist, id)
	}
	if err != nil {
		return nil, nil, err
	}
	// Closing can only fail for a descriptor that is not open.
	unlock := func() { _ = lock.Close() }
	c, err := r.load(id)
	if err != nil {
		unlock()
		return nil, nil, err
	}
	return c, unlock, nil
}

// Spec returns the configuration that a container was made with.
func (r *Runtime) Spec(id string) (*specs.Spec, error) {
	if _, err := r.load(id); err != nil {
		return nil, err
	}
	data, err := state.ReadFile(r.configPath(id))
	if err != nil {
		return nil, err
	}
	spec, err := decodeSpec(data)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w: %w", r.configPath(id), state.ErrCorrupt, err)
	}
	return spec, nil
}

// groups opens a container's cgroups.
func (r *Runtime) groups(c *record) (*cgroup.Manager, error) {
	host, err := cgroup.Detect(cgroupParent)
	if err != nil {
		return nil, err
	}
	return cgroup.Open(host, c.Cgroups)
}

// status asks the kernel how a container is.
func (r *Runtime) status(c *record) (string, error) {
	if c.Payload.PID == 0 {
		if c.Creator.Alive() {
			return creating, nil
		}
		return stopped, nil
	}
	if !c.Payload.Alive() {
		return stopped, nil
	}
	held, err := nsenter.Held(r.planPath(c.ID))
	if err != nil || held {
		return created, err
	}
	groups, err := r.groups(c)
	if err != nil {
		return running, err
	}
	frozen, err := groups.Frozen()
	switch {
	case errors.Is(err, cgroup.ErrNoCgroup):
		return running, nil
	case err != nil && !c.Payload.Alive():
		// Ended since it was looked at, and systemd removed its group.
		return stopped, nil
	}
	if err != nil || !frozen {
		return running, err
	}
	return paused, nil
}

// State tells how a container is.
func (r *Runtime) State(_ context.Context, id string) (State, error) {
	c, err := r.load(id)
	if err != nil {
		return State{}, err
	}
	return r.stateOf(c)
}

func (r *Runtime) stateOf(c *record) (State, error) {
	status, err := r.status(c)
	if err != nil {
		return State{}, err
	}
	s := State{
		Version: c.OCIVersion, ID: c.ID, Pid: c.Payload.PID, Status: status, Bundle: c.Bundle,
		Rootfs: c.Rootfs, Created: c.Created, Annotations: c.Annotations, Owner: c.Owner,
	}
	if status == stopped {
		s.Pid = 0
	}
	return s, nil
}

// List tells how every container is. One whose record is broken is passed
// over with a warning.
func (r *Runtime) List(context.Context) ([]State, error) {
	entries, err := os.ReadDir(r.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	var list []State
	for _, e := range entries {
		if !e.IsDir() || checkID(e.Name()) != nil {
			continue
		}
		c, err := r.load(e.Name())
		if err == nil {
			var s State
			if s, err = r.stateOf(c); err == nil {
				list = append(list, s)
				continue
			}
		}
		if !errors.Is(err, ErrNotExist) {
			r.Warn("container %s: %v", e.Name(), err)
		}
	}
	return list, nil
}

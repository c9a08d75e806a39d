package container

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"berth/cgroup"
	"berth/state"
)

// Finding is something in berth's state that is not as it should be.
type Finding struct {
	// Object is what it is about: "container 0123456789ab (web)", "file PATH".
	Object string
	// Problem says what is wrong with it.
	Problem string
	// Repaired tells that it has been put right.
	Repaired bool
	// Err is why it was not, or could not be, put right; nil when nobody tried.
	Err error
}

// CheckOptions say what Check may do about its findings. What it settles, and
// what commands clear away wherever they come upon it, needs no option.
type CheckOptions struct {
	// Repair mends what can be mended without a loss.
	Repair bool
	// Force removes containers that cannot be mended, with what they wrote.
	Force bool
}

// checker is a Check at work.
type checker struct {
	*Engine
	CheckOptions
	findings []Finding
}

// Check looks at every container's records, at the names, at what interrupted
// commands left and at the groups. Containers whose supervisor died are settled,
// as by any other command. An error is a state that cannot be looked at.
func (e *Engine) Check(ctx context.Context, o CheckOptions) ([]Finding, error) {
	if err := e.prepare(); err != nil {
		return nil, err
	}
	c := &checker{Engine: e, CheckOptions: o}
	ids, err := state.List(e.Dirs)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		c.container(ctx, id)
	}
	for _, step := range []func(context.Context) error{c.leftovers, c.groups} {
		if err := step(ctx); err != nil {
			return c.findings, err
		}
	}
	return c.findings, nil
}

// found notes a problem, and what came of its repair.
func (c *checker) found(object, problem string, tried bool, err error) {
	c.findings = append(c.findings, Finding{Object: object, Problem: problem, Repaired: tried && err == nil, Err: err})
}

// container looks at one container's records.
func (c *checker) container(ctx context.Context, id string) {
	object := "container " + id[:12]
	before, err := c.loadLive(id)
	if err != nil {
		c.broken(ctx, object, id, err, c.livePath(id))
		return
	}
	if _, err := c.loadExit(id); err != nil {
		c.broken(ctx, object, id, err, c.exitPath(id))
		return
	}
	lost := before != nil && before.Exit == nil && !before.Supervisor.AliveIn(c.self.BootID)
	v, err := c.view(ctx, id)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if !exists(c.Dirs.Container(id)) && !exists(c.Dirs.RunContainer(id)) {
			c.found(object, "was left by a command that died", true, nil)
		}
		return
	case err != nil:
		c.unmendable(ctx, object, id, err)
		return
	case lost:
		c.found(object+" ("+v.Name+")", "its supervisor died while it ran", true, nil)
	}
	c.readable(ctx, object+" ("+v.Name+")", v)
}

// readable looks at a container whose records can be read: for its spec, its
// name and its layers.
func (c *checker) readable(ctx context.Context, object string, v *View) {
	if err := c.LoadSpec(v.Config); err != nil {
		if exists(c.recordPath(v.Config)) { // else it has gone meanwhile
			c.unmendable(ctx, object, v.ID, err)
		}
		return
	}
	c.name(object, v.Config)
	for _, layer := range v.Layers {
		if !exists(layer) {
			c.found(object, "its layer "+layer+" is missing", false, nil)
		}
	}
}

// broken is a container of which a record of its last run cannot be read. Its
// end is unknown then, as if the supervisor had died; of a record of a run that
// may go on, only what is in the container's groups can tell.
func (c *checker) broken(ctx context.Context, object, id string, cause error, file string) {
	if !c.Repair {
		c.found(object, cause.Error(), false, nil)
		return
	}
	lock, err := c.lock(ctx, id)
	if err != nil {
		c.found(object, cause.Error(), true, err)
		return
	}
	defer unlock(lock)
	if busy, err := c.hasProcesses(ctx, id); busy || err != nil {
		if err == nil {
			err = fmt.Errorf("it still has processes")
		}
		c.found(object, cause.Error(), true, err)
		return
	}
	err = os.Remove(file)
	if err == nil && exists(c.Dirs.Container(id)) {
		err = state.WriteJSON(c.exitPath(id), &Exit{Error: ErrSupervisorLost.Error(), Finished: time.Now().UTC()}, state.Durable)
	}
	c.found(object, cause.Error(), true, err)
}

// hasProcesses tells whether anything runs in a container's groups.
func (c *checker) hasProcesses(ctx context.Context, id string) (bool, error) {
	host, err := cgroup.Detect(c.CgroupParent)
	if err != nil {
		return false, err
	}
	m, err := cgroup.Search(host, c.CgroupParent+"/"+id)
	if errors.Is(err, cgroup.ErrNoCgroup) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	empty, err := m.Empty(ctx)
	return !empty, err
}

// unmendable is a container without a record that could be made again.
func (c *checker) unmendable(ctx context.Context, object, id string, cause error) {
	if !c.Force {
		c.found(object, cause.Error(), false, nil)
		return
	}
	c.found(object, cause.Error(), true, c.Remove(ctx, id, true))
}

// name looks whether a container still holds its name.
func (c *checker) name(object string, config *Config) {
	id, err := state.LookupName(c.Dirs, config.Name)
	switch {
	case err == nil && id == config.ID:
	case !c.Repair:
		c.found(object, "it does not hold its name", false, nil)
	default:
		c.found(object, "it does not hold its name", true, state.Claim(c.Dirs, config.Name, config.ID, c.self))
	}
}

// leftovers removes what interrupted commands left, as every listing does.
func (c *checker) leftovers(context.Context) error {
	paths, err := state.Leftovers(c.Dirs)
	if err != nil || len(paths) == 0 {
		return err
	}
	_, failed := state.Sweep(c.Dirs)
	for _, path := range paths {
		if !exists(path) {
			c.found("file "+path, "was left by a command that died", true, nil)
			continue
		}
		c.found("file "+path, "was left by a command that died", true, errors.Join(failed, errors.New("it cannot be removed")))
	}
	return nil
}

// groupAge is how old a group without a process must be to count as left: a
// younger one may be of a container that is just being made.
const groupAge = 10 * time.Second

// groups looks for groups without a container. One with processes is somebody
// else's: several roots have their containers in the same place.
func (c *checker) groups(ctx context.Context) error {
	host, err := cgroup.Detect(c.CgroupParent)
	if err != nil {
		return err
	}
	names, err := cgroup.Children(host, c.CgroupParent)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !state.ValidID(name) || exists(c.Dirs.Container(name)) || exists(c.Dirs.RunContainer(name)) {
			continue
		}
		path := c.CgroupParent + "/" + name
		m, err := cgroup.Search(host, path)
		if err != nil {
			continue // it has gone
		}
		empty, err := m.Empty(ctx)
		age, ageErr := m.Age()
		if err != nil || ageErr != nil || !empty || age < groupAge {
			continue
		}
		err = nil
		if c.Repair {
			err = m.Remove(ctx)
		}
		c.found("cgroup "+path, "has no container and no process", c.Repair, err)
	}
	return nil
}

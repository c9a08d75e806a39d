package bundle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// Start lets the payload of a created container go on, and returns once it has
// become the program; where a service manager waits for its word, once it is
// ready.
func (r *Runtime) Start(ctx context.Context, id string) error {
	c, unlock, err := r.locked(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	if err := r.startable(c); err != nil {
		return err
	}
	spec, err := r.Spec(id)
	if err != nil {
		return err
	}
	var host string
	if c.Notify != "" {
		host = r.Getenv(notifyVariable)
	}
	n, err := listenNotify(host, r.dir(id), r.Warn)
	if err != nil {
		return err
	}
	defer n.close()
	if err := r.letGo(ctx, c, spec); err != nil {
		return errors.Join(err, r.abort(ctx, c))
	}
	r.poststart(ctx, c, spec)
	unlock()
	return n.wait(ctx, c.Payload)
}

// startable refuses every container but a created one.
func (r *Runtime) startable(c *record) error {
	status, err := r.status(c)
	if err != nil {
		return err
	}
	switch status {
	case created:
		return nil
	case stopped:
		return errors.New("cannot start a container that has stopped")
	case creating:
		return errors.New("cannot start a container that is being created")
	}
	return errors.New("cannot start an already running container")
}

// letGo opens the gate, once the hooks before it have run.
func (r *Runtime) letGo(ctx context.Context, c *record, spec *specs.Spec) error {
	if err := r.startHooks(ctx, c, spec); err != nil {
		return err
	}
	return r.open(ctx, c)
}

// open opens the gate and waits until the payload has come through.
func (r *Runtime) open(ctx context.Context, c *record) error {
	fd, err := unix.Open(r.gatePath(c.ID), unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open gate %s: %w", r.gatePath(c.ID), err)
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte{0}); err != nil {
		return fmt.Errorf("open gate %s: %w", r.gatePath(c.ID), err)
	}
	if err := nsenter.AwaitHeld(ctx, r.planPath(c.ID)); err != nil {
		return fmt.Errorf("start container process: %w", err)
	}
	return r.removeGate(c.ID)
}

// removeGate removes what only a payload needs that is held.
func (r *Runtime) removeGate(id string) error {
	var errs []error
	for _, name := range []string{r.gatePath(id), r.planPath(id)} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// abort ends a container whose start went wrong. Its record stays for delete.
func (r *Runtime) abort(ctx context.Context, c *record) error {
	if err := r.killAll(ctx, c); err != nil {
		return fmt.Errorf("end container %s: %w", c.ID, err)
	}
	return nil
}

package container

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"berth/state"
)

// Rename gives a container another name. Of several that want one name exactly
// one gets it. Killed half-way, the container has the old name or the new one;
// the other is free again when somebody asks for it.
func (e *Engine) Rename(ctx context.Context, ref, name string) error {
	if ref == "" || name == "" {
		return verbatim("Neither old nor new names may be empty")
	}
	v, err := e.Get(ctx, ref)
	if err != nil {
		return err
	}
	if !state.ValidName(name) {
		return verbatim("Error when allocating new name: %w", &state.InvalidNameError{Name: "/" + name})
	}
	lock, err := e.lock(ctx, v.ID)
	if err != nil {
		return err
	}
	defer unlock(lock)
	// Another rename may have been faster.
	c, err := e.load(v.ID)
	if errors.Is(err, fs.ErrNotExist) {
		return &state.NoSuchError{Ref: ref}
	}
	if err != nil {
		return err
	}
	if c.Name == name {
		return verbatim("Renaming a container with the same name as its current name")
	}
	old := c.Name
	rename := func() error {
		return state.RenameClaim(e.Dirs, old, name, c.ID, func() error {
			c.Name = name
			return state.WriteJSON(e.recordPath(c), c, durability(c))
		})
	}
	err = rename()
	var taken *state.NameInUseError
	if errors.As(err, &taken) && e.freeName(ctx, taken) {
		err = rename()
	}
	if errors.As(err, &taken) {
		return verbatim("Error when allocating new name: %w", err)
	}
	if err == nil {
		e.emit(c, "rename", "oldName", "/"+old)
	}
	return err
}

// freeName gives a name back that is in the way: its container may be gone, or
// was renamed by a command that was killed before it let go of the old name.
// It reports whether it is worth asking for the name again.
func (e *Engine) freeName(ctx context.Context, taken *state.NameInUseError) bool {
	// A container that removes itself may have lost its supervisor.
	v, err := e.view(ctx, taken.ID)
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	if err != nil || v.Name == taken.Name {
		return false
	}
	// A rename that is under way holds two names, and the lock.
	lock, err := state.TryLock(e.lockPath(taken.ID))
	if err != nil {
		return false
	}
	defer unlock(lock)
	c, err := e.load(taken.ID)
	return err == nil && c.Name != taken.Name && state.Release(e.Dirs, taken.Name, taken.ID) == nil
}

// current reads again what another command may have changed in a container's
// record while it ran.
func (e *Engine) current(c *Config) {
	if now, err := e.load(c.ID); err == nil {
		c.Name, c.Restart, c.Groups = now.Name, now.Restart, now.Groups
	}
}

// verbatim is fmt.Errorf for docker's own words, which clients match: they are
// not berth's to improve.
func verbatim(format string, args ...any) error { return fmt.Errorf(format, args...) }

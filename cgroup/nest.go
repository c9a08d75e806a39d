package cgroup

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// Nest makes a group below the container's own, for processes that are to be
// ended together and apart from the container's. place is where to put the
// first of them: the container's groups, but for the one that is nested. nest
// manages that one alone; the caller kills and removes it. What an earlier
// process with the name left is killed first.
//
// The kernel lets a v2 group have processes and children, as long as none of
// its controllers is handed down; nothing is handed down to this one, so that
// the container's limits hold for it. On v1 it is made in the freezer's
// hierarchy, which, other than cpuset's, takes processes at once.
func (m *Manager) Nest(ctx context.Context, name string) (place, nest *Manager, err error) {
	parent, err := m.nestable()
	if err != nil {
		return nil, nil, err
	}
	dir := parent + "/" + name
	if err := CheckPath("/" + name); err != nil {
		return nil, nil, err
	}
	place = &Manager{host: m.host, groups: slices.Clone(m.groups)}
	at := slices.IndexFunc(place.groups, func(g group) bool { return g.dir == parent })
	place.groups[at].dir = dir
	nest = &Manager{host: m.host, groups: []group{place.groups[at]}}
	err = unix.Mkdir(dir, 0o755)
	if errors.Is(err, unix.EEXIST) {
		err = errors.Join(nest.Kill(ctx), nest.Wait(ctx))
	}
	if err != nil {
		return nil, nil, fmt.Errorf("make cgroup %s: %w", dir, err)
	}
	return place, nest, nil
}

// nestable is the group that another one may be made in.
func (m *Manager) nestable() (string, error) {
	if dir := m.v2(); dir != "" {
		return dir, nil
	}
	dir, _, err := m.with("freezer")
	if err == nil && dir == "" {
		err = fmt.Errorf("make a group in %s: controller freezer: %w", m.main(), ErrController)
	}
	return dir, err
}

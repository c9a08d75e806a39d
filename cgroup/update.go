package cgroup

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Update applies limits to a running container. Fields that are absent stay as
// they are. A v1 controller that had no limit before gets a group, and the
// container is moved into it; [Manager.Dirs] then has one more directory, and
// the caller must record it. Device rules stay as they were, as with runc:
// callers pass a container's complete resources with one value changed.
func (m *Manager) Update(ctx context.Context, res *specs.LinuxResources) error {
	// Completed in a copy: several may use the Manager at once.
	h := m.host.private()
	l := &limits{host: &h, name: fieldName, update: true, optionalSwap: m.OptionalSwap}
	list, err := l.settings(res)
	if err != nil {
		return err
	}
	if err := m.CheckUpdate(res); err != nil {
		return err
	}
	return m.applyAll(ctx, list)
}

// applyAll writes settings. Pairs of files bind each other: v1's memory limit
// may not exceed its limit of memory and swap, nor a burst the quota. Which of
// them comes first depends on where the values are, so what is refused with
// EINVAL is tried again once the others have been written.
func (m *Manager) applyAll(ctx context.Context, list []setting) error {
	for len(list) > 0 {
		var again []setting
		var refusal error
		for i := range list {
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("update cgroup %s: %w", m.main(), err)
			}
			err := m.apply(ctx, &list[i])
			if err != nil && !errors.Is(err, unix.EINVAL) {
				return err
			}
			if err != nil {
				refusal = err
				again = append(again, list[i])
			}
		}
		if len(again) == len(list) {
			return refusal
		}
		list = again
	}
	return nil
}

// CheckUpdate honours memory.checkBeforeUpdate: v2 would rather kill than refuse
// a limit below the usage. Update calls it; who tells systemd of the limits
// first must do so, too. The error wraps [ErrLimit].
func (m *Manager) CheckUpdate(res *specs.LinuxResources) error {
	if res == nil || res.Memory == nil || res.Memory.CheckBeforeUpdate == nil || !*res.Memory.CheckBeforeUpdate {
		return nil
	}
	var s Stats
	if err := m.memoryStats(&s); err != nil {
		return err
	}
	if limit := given(res.Memory.Limit); limit > 0 && uint64(limit) < s.Memory.Usage {
		return fmt.Errorf("linux.resources.memory.limit: %d is below the usage of %d: %w", limit, s.Memory.Usage, ErrLimit)
	}
	return nil
}

// groupFor returns the directory for a setting, and makes a v1 group that the
// container did not need so far.
func (m *Manager) groupFor(ctx context.Context, s *setting) (string, error) {
	for _, g := range m.groups {
		if g.on.Mount == s.on.Mount && exists(g.dir) {
			return g.dir, m.enableFor(g, s)
		}
	}
	if s.on.V2 {
		return "", fmt.Errorf("apply %s: the container has no cgroup v2 group: %w", s.field, ErrNoCgroup)
	}
	p, err := m.path()
	if err != nil {
		return "", err
	}
	for _, level := range levels(p) {
		if err := mkdirLike(s.on.Mount+level, m.groups[0].on.Mount+level); err != nil {
			return "", err
		}
	}
	g := group{s.on, s.on.Mount + p}
	if err := m.fill(ctx, g); err != nil {
		return "", err
	}
	if !slices.ContainsFunc(m.groups, func(o group) bool { return o.dir == g.dir }) {
		m.groups = append(m.groups, g)
	}
	return g.dir, nil
}

// path is the group's path as [Compile] was given it.
func (m *Manager) path() (string, error) {
	g := m.groups[len(m.groups)-1]
	parent, name := split(g.dir[len(g.on.Mount):])
	if up, filter := split("/" + strings.TrimPrefix(parent, "/")); g.on.V2 && isFilterGroup(filter) {
		parent = up
	}
	p := parent + "/" + name
	return p, CheckPath(p)
}

// fill moves the container's processes into a v1 group, until none is new. A
// new cpuset must be given processors before it takes any.
func (m *Manager) fill(ctx context.Context, g group) error {
	if slices.Contains(g.on.Controllers, "cpuset") {
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			if err := inherit(g.on.Mount, g.dir, file); err != nil {
				return err
			}
		}
	}
	moved := map[int]bool{}
	for grown := true; grown; {
		grown = false
		pids, err := m.Procs(ctx)
		if err != nil {
			return err
		}
		for _, pid := range pids {
			if moved[pid] {
				continue
			}
			moved[pid], grown = true, true
			err := writeFile(g.dir+"/cgroup.procs", strconv.Itoa(pid))
			if err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
		}
	}
	return nil
}

// enableFor sees to it that a v2 group has the controller.
func (m *Manager) enableFor(g group, s *setting) error {
	if !g.on.V2 || s.controller == "" || exists(g.dir+"/"+s.files[0]) {
		return nil
	}
	parent := path.Dir(g.dir[len(g.on.Mount):])
	for _, level := range append([]string{""}, levels(parent)...) {
		file := g.on.Mount + level + "/cgroup.subtree_control"
		fd, err := openControl(file, false)
		if err != nil {
			return err
		}
		_, err = unix.Write(fd, []byte("+"+s.controller))
		unix.Close(fd)
		if err != nil {
			return fmt.Errorf("write +%s to %s: %w", s.controller, file, err)
		}
	}
	return nil
}

// apply writes one setting.
func (m *Manager) apply(ctx context.Context, s *setting) error {
	dir, err := m.groupFor(ctx, s)
	if err != nil {
		return err
	}
	if s.periodOnly {
		if err := s.keepQuota(dir); err != nil {
			return err
		}
	}
	if err := s.write(dir); err != nil {
		return fmt.Errorf("%s: %w", fieldName(s.field), err)
	}
	return nil
}

// keepQuota replaces "max" in a cpu.max value that is there only because a new
// period needs a quota before it.
func (s *setting) keepQuota(dir string) error {
	words, err := readWords(dir + "/cpu.max")
	if err == nil && len(words) == 2 {
		s.value = words[0] + strings.TrimPrefix(s.value, "max")
	}
	return err
}

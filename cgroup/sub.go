package cgroup

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Sub returns a Manager of groups below the container's own, which must exist:
// what "exec --cgroup" joins. spec is a path, for all hierarchies, or on v1
// "controller[,controller…]:path"; hierarchies that it leaves out stay as they
// are. The error wraps [ErrPath] or [ErrNoCgroup].
func (m *Manager) Sub(spec string) (*Manager, error) {
	controllers, sub, named := strings.Cut(spec, ":")
	if !named {
		sub = spec
	}
	sub = path.Clean("/" + sub)
	if sub == "/" {
		return m, nil
	}
	if err := CheckPath(sub); err != nil {
		return nil, err
	}
	out := &Manager{host: m.host, groups: slices.Clone(m.groups)}
	for name := range strings.SplitSeq(controllers, ",") {
		found := !named
		for i := range out.groups {
			g := &out.groups[i]
			if named && !slices.Contains(g.on.Controllers, name) && (name != "" || !g.on.V2) {
				continue
			}
			dir := m.groups[i].dir + sub
			if !exists(dir) && exists(m.groups[i].dir) {
				return nil, fmt.Errorf("join cgroup %s: %w", dir, ErrNoCgroup)
			}
			g.dir, found = dir, true
		}
		if !found {
			return nil, fmt.Errorf("join cgroup %q: the container has no group for controller %q: %w", spec, name, ErrController)
		}
		if !named {
			break
		}
	}
	return out, nil
}

// Beside returns a Manager whose v2 group can take a process: the container's
// own, or, when the payload has moved out of it and handed its controllers
// down, as systemd and nested runtimes do, the group of a process of the
// payload's. The kernel would refuse the container's own with EBUSY then
// (cgroup-v2.rst, "No Internal Process Constraint").
func (m *Manager) Beside(pid int) (*Manager, error) {
	dir := m.v2()
	if dir == "" {
		return m, nil
	}
	handed, err := readWords(dir + "/cgroup.subtree_control")
	if err != nil || len(handed) == 0 {
		return m, err
	}
	text, err := readFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(text) {
		own, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::")
		if !ok {
			continue
		}
		to := m.groups[0].on.Mount + own
		if to != dir && !strings.HasPrefix(to, dir+"/") {
			return nil, fmt.Errorf("join cgroup of process %d: %s is not in %s: %w", pid, to, dir, ErrPath)
		}
		out := &Manager{host: m.host, groups: slices.Clone(m.groups)}
		out.groups[0].dir = to
		return out, nil
	}
	return nil, fmt.Errorf("join cgroup of process %d: it is in no v2 group: %w", pid, unix.ESRCH)
}

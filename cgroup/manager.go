package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// Manager works on the groups of one container. It holds paths, no state, so
// several may work on the same groups.
type Manager struct {
	// OptionalSwap is as in [Group], for updates.
	OptionalSwap bool

	host   Host
	groups []group // the v2 group first
}

// group is one directory of a container's.
type group struct {
	on  *Hierarchy
	dir string
}

// Open returns a Manager of the directories that [Compile] placed a container
// in. Directories outside the host's hierarchies are refused with an error
// that wraps [ErrPath]. They need not exist.
func Open(h Host, dirs []string) (*Manager, error) {
	m := &Manager{host: h.private()}
	if !m.host.knows(dirs) {
		if err := m.host.settle(); err != nil {
			return nil, err
		}
	}
	for _, dir := range dirs {
		on := m.host.hierarchyOf(dir)
		if on == nil {
			return nil, fmt.Errorf("open cgroup %s: in no hierarchy of this host: %w", dir, ErrPath)
		}
		if err := CheckPath(dir[len(on.Mount):]); err != nil {
			return nil, err
		}
		m.groups = append(m.groups, group{on, dir})
	}
	if len(m.groups) == 0 {
		return nil, fmt.Errorf("open cgroup: no directories: %w", ErrNoCgroup)
	}
	slices.SortStableFunc(m.groups, func(a, b group) int {
		return boolOrder(b.on.V2) - boolOrder(a.on.V2)
	})
	return m, nil
}

func boolOrder(b bool) int {
	if b {
		return 1
	}
	return 0
}

// knows tells whether directories are in hierarchies that are all where they
// were thought to be. What v2 leaves to be read is left to [Manager.with].
func (h *Host) knows(dirs []string) bool {
	for _, dir := range dirs {
		x := h.hierarchyOf(dir)
		if x != nil && x.V2 {
			continue
		}
		if x == nil || x.complete() != nil || x.Mount == "" || !strings.HasPrefix(dir, x.Mount+"/") {
			return false
		}
	}
	return true
}

// hierarchyOf returns the hierarchy that a directory lies in.
func (h *Host) hierarchyOf(dir string) *Hierarchy {
	for i := range h.Hierarchies {
		if x := &h.Hierarchies[i]; strings.HasPrefix(dir, x.Mount+"/") {
			return x
		}
	}
	return nil
}

// Search finds the groups that exist for a path that was given to [Compile],
// for records that lost their directories. Without any, the error wraps
// [ErrNoCgroup].
func Search(h Host, path string) (*Manager, error) {
	if err := CheckPath(path); err != nil {
		return nil, err
	}
	h = h.private()
	if err := h.settle(); err != nil {
		return nil, err
	}
	var dirs []string
	parent, name := split(path)
	for i := range h.Hierarchies {
		x := &h.Hierarchies[i]
		if dir := x.Mount + path; exists(dir) {
			dirs = append(dirs, dir)
		}
		if !x.V2 {
			continue
		}
		for _, sub := range subgroups(x.Mount + parent) {
			dir := x.Mount + parent + "/" + sub + "/" + name
			if isFilterGroup(sub) && exists(dir) {
				dirs = append(dirs, dir)
			}
		}
	}
	if len(dirs) == 0 {
		return nil, fmt.Errorf("search cgroup %s: %w", path, ErrNoCgroup)
	}
	return Open(h, dirs)
}

// subgroups lists the groups in a group; a group that is gone has none.
func subgroups(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if e.Type() == fs.ModeDir {
			out = append(out, e.Name())
		}
	}
	return out
}

// Dirs returns the groups' directories, for records.
func (m *Manager) Dirs() []string {
	out := make([]string, len(m.groups))
	for i, g := range m.groups {
		out[i] = g.dir
	}
	return out
}

// v2 returns the v2 group's directory, or "".
func (m *Manager) v2() string {
	if m.groups[0].on.V2 {
		return m.groups[0].dir
	}
	return ""
}

// with returns the directory of the group that has a controller, or "".
func (m *Manager) with(controller string) (dir string, v2 bool, err error) {
	for _, g := range m.groups {
		// Completed in a copy: several may use the Manager at once.
		on := *g.on
		has, err := on.has(controller)
		if err != nil {
			return "", false, err
		}
		if has {
			return g.dir, g.on.V2, nil
		}
	}
	return "", false, nil
}

// main is the group to list processes in. All have the same, but that of the
// fallback for devices may not exist.
func (m *Manager) main() string {
	for _, g := range m.groups {
		if exists(g.dir) {
			return g.dir
		}
	}
	return m.groups[0].dir
}

// Place adds the steps that let a plan's child join the container's groups, as
// exec does.
func (m *Manager) Place(p *nsenter.Plan) Placement {
	out := Placement{Born: nsenter.NoSlot, Dirs: m.Dirs()}
	for _, g := range m.groups {
		if g.on.V2 {
			out.Born = p.NewSlot("cgroup")
			p.Add(openStep(g.dir, unix.O_RDONLY|unix.O_DIRECTORY).To(out.Born).
				For("cgroup", "the child is born in the container's group"))
		} else {
			tasks := p.NewSlot(g.on.Name + " tasks")
			file := g.dir + "/tasks"
			p.Add(openStep(file, unix.O_WRONLY).To(tasks).Tolerate(unix.ENOENT).
				For("cgroup", "open it here: the child resolves no paths"))
			out.Join = append(out.Join, joinStep(tasks, file).For("cgroup", "enter the container's group"))
		}
		out.Hierarchies = append(out.Hierarchies, *g.on)
	}
	return out
}

// Procs lists the processes of the container, those in groups below its own
// included.
func (m *Manager) Procs(ctx context.Context) ([]int, error) {
	var out []int
	err := walk(ctx, m.main(), func(dir string) error {
		pids, err := readPids(dir + "/cgroup.procs")
		out = append(out, pids...)
		return err
	})
	return out, err
}

// walk calls f for a group and all below it. Groups that vanish meanwhile are
// passed over.
func walk(ctx context.Context, dir string, f func(dir string) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("walk cgroup %s: %w", dir, err)
	}
	if err := f(dir); err != nil && !isGone(err) {
		return err
	}
	for _, sub := range subgroups(dir) {
		if err := walk(ctx, dir+"/"+sub, f); err != nil {
			return err
		}
	}
	return nil
}

// readPids reads a file of one pid a line.
func readPids(file string) ([]int, error) {
	text, err := readFile(file)
	// A threaded v2 group has no list of its own: its processes are listed
	// where the threaded part begins.
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parsePids(text)
}

// parsePids parses the content of cgroup.procs. Zeros are processes of pid
// namespaces that the reader cannot see.
func parsePids(text string) ([]int, error) {
	var out []int
	for field := range strings.FieldsSeq(text) {
		n, err := strconv.ParseInt(field, 10, 32)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("read pid %q: %w", field, unix.EINVAL)
		}
		if n > 0 {
			out = append(out, int(n))
		}
	}
	return out, nil
}

// Empty tells whether no process is left.
func (m *Manager) Empty(ctx context.Context) (bool, error) {
	if dir := m.v2(); dir != "" {
		text, err := readFile(dir + "/cgroup.events")
		if isGone(err) {
			return true, nil
		}
		return flatValue(text, "populated") == 0, err
	}
	pids, err := m.Procs(ctx)
	return len(pids) == 0, err
}

// Wait waits until no process is left, or for the context.
func (m *Manager) Wait(ctx context.Context) error {
	if dir := m.v2(); dir != "" {
		err := waitEvent(ctx, dir, "populated", 0)
		if isGone(err) {
			return nil
		}
		return err
	}
	return retry(ctx, "wait for cgroup "+m.main()+" to be empty", func() (bool, error) { return m.Empty(ctx) })
}

// waitEvent waits for a value in a v2 group's cgroup.events, which wakes
// pollers when it changes.
func waitEvent(ctx context.Context, dir, key string, want uint64) error {
	fd, err := openFile(unix.AT_FDCWD, dir+"/cgroup.events", unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var buf [256]byte
	for {
		n, err := unix.Pread(fd, buf[:], 0)
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("read %s/cgroup.events: %w", dir, err)
		}
		if err == nil && flatValue(string(buf[:n]), key) == want {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("wait for %s %d in %s/cgroup.events: %w", key, want, dir, err)
		}
		// In slices, to notice the end of the context.
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLPRI}}, 20); err != nil && err != unix.EINTR {
			return fmt.Errorf("poll %s/cgroup.events: %w", dir, err)
		}
	}
}

// retry calls f until it is done, with growing pauses, or the context ends.
func retry(ctx context.Context, what string, f func() (bool, error)) error {
	for pause := 100 * time.Microsecond; ; pause = min(2*pause, 20*time.Millisecond) {
		if done, err := f(); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, ctx.Err())
		case <-time.After(pause):
		}
	}
}

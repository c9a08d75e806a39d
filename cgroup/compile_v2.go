package cgroup

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// unified makes the group in the v2 hierarchy and opens it for the child to be
// born in.
func (c *compiler) unified(v2 *Hierarchy) error {
	filterGroup, leaf := c.unifiedPath()
	needed, err := c.neededV2()
	if err != nil {
		return err
	}
	if filterGroup == "" || len(needed) > 0 {
		if err := c.host.readEnabled(v2); err != nil {
			return err
		}
	}
	parent, _ := split(c.group.Path)
	c.enable(v2, "/", needed)
	for _, level := range levels(parent) {
		// Where nothing is written on the way, the step for the shared filter
		// makes what is missing: that saves a call at nearly every start.
		_, known := c.host.Enabled[level]
		if !known && !c.group.Placed && (filterGroup == "" || len(needed) > 0) {
			c.mkdirParent(v2.Mount+level, "cgroup")
		}
		c.enable(v2, level, needed)
	}
	if filterGroup != "" {
		c.shareFilter(v2.Mount, filterGroup)
		c.enable(v2, filterGroup, needed)
	}
	dir := v2.Mount + leaf
	if !c.group.Placed {
		c.mkdir(dir, c.group.Reuse, "cgroup", "make the container's group: one place to list, freeze and kill it")
	}
	for i := range c.settings {
		if s := &c.settings[i]; s.on.V2 {
			c.set(dir, s)
		}
	}
	c.openLeaf(dir, c.filter != nil && filterGroup == "")
	c.done(v2, dir)
	return nil
}

// openLeaf opens the group, for the child to be born in and for a filter of
// its own.
func (c *compiler) openLeaf(dir string, filtered bool) {
	if c.group.Placed && !filtered {
		return
	}
	fd, why := c.plan.NewSlot("cgroup"), "the device filter is attached to it"
	if !c.group.Placed {
		c.out.Born, why = fd, "the child is born in it (CLONE_INTO_CGROUP), which waits for no lock"
	}
	c.plan.Add(openStep(dir, unix.O_RDONLY|unix.O_DIRECTORY).To(fd).For("cgroup", why))
	if filtered {
		c.ownFilter(fd, dir)
	}
}

// neededV2 lists the v2 controllers that limits and statistics need, sorted.
func (c *compiler) neededV2() ([]string, error) {
	var out []string
	for i := range c.settings {
		if s := &c.settings[i]; s.on.V2 && s.controller != "" {
			out = append(out, s.controller)
		}
	}
	for _, name := range c.accounted() {
		x, err := c.host.Find(name)
		if err != nil {
			return nil, err
		}
		if x != nil && x.V2 {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// enable hands controllers down to a group's children, as far as the host is
// not known to do so already. Writing what is enabled changes nothing.
func (c *compiler) enable(v2 *Hierarchy, level string, needed []string) {
	var limits, counts []string
	for _, name := range needed {
		switch {
		case slices.Contains(c.host.Enabled[level], name):
		case len(c.fieldsOf([]string{name})) > 0:
			limits = append(limits, name)
		default:
			counts = append(counts, name)
		}
	}
	file := path.Join(v2.Mount, level, "cgroup.subtree_control")
	why := "let children of this group have the controllers; it must hold no process itself"
	for _, names := range [][]string{limits, counts} {
		if len(names) == 0 {
			continue
		}
		slot := c.plan.NewSlot("subtree_control")
		from := strings.Join(c.fieldsOf(names), " ")
		counting := from == ""
		if counting {
			from = "statistics"
		}
		c.plan.Add(
			nsenter.Do("open cgroup.subtree_control, unless the group holds processes", func(h *nsenter.Run) error {
				fd, err := openControl(file, counting)
				if fd < 0 {
					h.SetValue(slot, -1)
					return err
				}
				h.SetFd(slot, fd)
				return nil
			}).To(slot).On(file).For(from, why),
			writeStep(nsenter.Host, slot, file, "+"+strings.Join(names, " +")).Tolerate(tolerated(counting)...).For(from, why),
		)
	}
}

// tolerated are the errors of handing down controllers that only count:
// statistics are no reason not to start.
func tolerated(counting bool) []unix.Errno {
	if counting {
		return []unix.Errno{unix.EBUSY, unix.ENOENT, unix.EOPNOTSUPP}
	}
	return nil
}

// openControl opens a cgroup.subtree_control. A group that holds processes is
// left alone, without a descriptor when that is fine: the kernel refuses most
// controllers there with EBUSY, but for some it makes a threaded domain, whose
// new groups take no process, and there is no way back (cgroup-v2.rst,
// "Threads"). The hierarchy's real root, which has no type, may hold processes.
func openControl(file string, fine bool) (int, error) {
	dir := path.Dir(file)
	if exists(dir + "/cgroup.type") {
		pids, err := readPids(dir + "/cgroup.procs")
		if err != nil || len(pids) > 0 && fine {
			return -1, err
		}
		if len(pids) > 0 {
			return -1, fullGroup(dir, pids)
		}
	}
	return openFile(unix.AT_FDCWD, file, unix.O_WRONLY)
}

// fullGroup is the error of a group that cannot hand controllers down.
func fullGroup(dir string, pids []int) error {
	return fmt.Errorf("cgroup %s holds %d processes, such as %d, and so can hand no controllers down; move them to a group below it: %w",
		dir, len(pids), pids[0], unix.EBUSY)
}

// fieldsOf names who asked for controllers.
func (c *compiler) fieldsOf(controllers []string) []string {
	var out []string
	for i := range c.settings {
		if s := &c.settings[i]; s.on.V2 && slices.Contains(controllers, s.controller) {
			if from := c.group.from(s.field); !slices.Contains(out, from) {
				out = append(out, from)
			}
		}
	}
	return out
}

// describe is the filter in a few words.
func (f *filter) describe() string {
	return fmt.Sprintf("device filter of %d rules (BPF, %d instructions)", f.rules, len(f.code))
}

// shareFilter sees to it that the group with the shared filter exists, and
// that the kernel has the filter in force for it.
func (c *compiler) shareFilter(mount, path string) {
	filter, dir := c.filter, mount+path
	c.restrict("check the "+filter.describe()+" that all containers with these rules share", dir,
		func(*nsenter.Run) error {
			fd, err := openGroup(mount, path)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return filter.ensure(fd)
		})
}

// openGroup opens a group, and makes it and its parents if it is missing.
func openGroup(mount, path string) (int, error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY
	dir := mount + path
	fd, err := openFile(unix.AT_FDCWD, dir, flags)
	if !isGone(err) {
		return fd, err
	}
	for _, level := range levels(path) {
		if err := unix.Mkdir(mount+level, 0o755); err != nil && err != unix.EEXIST {
			return -1, fmt.Errorf("mkdir %s%s: %w", mount, level, err)
		}
	}
	return openFile(unix.AT_FDCWD, dir, flags)
}

// ownFilter attaches the filter to the container's own group.
func (c *compiler) ownFilter(fd nsenter.Slot, dir string) {
	filter := c.filter
	c.restrict("attach the "+filter.describe(), dir, func(h *nsenter.Run) error {
		// Not ensure: a group that existed may have a filter of others.
		return filter.attach(h.Fd(fd))
	})
}

// restrict adds the step that puts the filter in force. On a hybrid host that
// refuses bpf(2) the step falls back to a v1 devices group; the child's step
// into that group takes a slot that otherwise stays empty, and is skipped.
func (c *compiler) restrict(text, dir string, f func(*nsenter.Run) error) {
	from, why := c.group.from("devices"), "allow no device but those listed, whatever nodes the payload makes"
	old := c.fallback
	if old == nil {
		c.plan.Add(nsenter.Do(text, f).On(dir).For(from, why))
		return
	}
	tasks := c.plan.NewSlot("devices tasks")
	group, parents := old.Mount+c.group.Path, c.legacyParents(old)
	policy, reuse := c.policy, c.group.Reuse
	c.plan.Add(nsenter.Do(text, func(h *nsenter.Run) error {
		err := f(h)
		if !refused(err) {
			h.SetValue(tasks, -1)
			return err
		}
		fd, err := policy.fallback(parents, group, reuse, err)
		if err == nil {
			h.SetFd(tasks, fd)
		}
		return err
	}).On(dir).For(from, why))
	c.out.Dirs = append(c.out.Dirs, group)
	c.out.Join = append(c.out.Join, joinStep(tasks, group+"/tasks").
		For(from, "enter the v1 devices group; only where bpf(2) is refused"))
}

// legacyParents are the directories above the group in a v1 hierarchy.
func (c *compiler) legacyParents(x *Hierarchy) []string {
	parent, _ := split(c.group.Path)
	out := levels(parent)
	for i := range out {
		out[i] = x.Mount + out[i]
	}
	return out
}

// fallback restricts devices by the v1 controller and returns the group's open
// tasks file. cause is why the filter could not be used.
func (p *policy) fallback(parents []string, group string, reuse bool, cause error) (int, error) {
	writes, err := p.v1Writes()
	if err != nil {
		return -1, fmt.Errorf("%w (tried because: %w)", err, cause)
	}
	for _, dir := range append(parents, group) {
		if err := unix.Mkdir(dir, 0o755); err != nil && (err != unix.EEXIST || dir == group && !reuse) {
			return -1, fmt.Errorf("mkdir %s: %w (tried because: %w)", dir, err, cause)
		}
	}
	for _, w := range writes {
		if err := writeFile(group+"/"+w.file, w.value); err != nil {
			return -1, err
		}
	}
	return openFile(unix.AT_FDCWD, group+"/tasks", unix.O_WRONLY)
}

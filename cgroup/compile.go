package cgroup

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// Group is the group to make.
type Group struct {
	// Path is the group's path in every hierarchy: "/berth/ID".
	Path string
	// Account asks for what statistics need, even without limits: on v1 the
	// memory and blkio groups (CPU time and tasks are counted by v2's group
	// or, without one, by cpuacct and pids), on v2 the io, memory and pids
	// controllers, as far as the host has them.
	Account bool
	// Everywhere asks for a group in every hierarchy, for those who find a
	// container's groups by its path or through /proc/PID/cgroup and take what
	// they find for the container's own: containerd's metrics and OOM events.
	Everywhere bool
	// Share says that Path's parent belongs to berth, so that groups that
	// hold a shared device filter may stand between it and the container's
	// group. Without it Path is taken literally, and the filter is attached
	// to the group itself.
	Share bool
	// MarkParents marks the parents that the plan makes, so that
	// [Manager.RemoveParents] knows them. Without it they stay.
	MarkParents bool
	// Reuse lets the group exist already, as the OCI spec does, if it holds no
	// process and is not frozen: its processes would be counted, killed and
	// removed with the container. The plan's first step checks that, and its
	// error wraps [ErrBusy].
	Reuse bool
	// Placed says that somebody else makes the v2 group (or systemd's own
	// hierarchy, on v1) and moves the child into it before these steps run, as
	// systemd does for a scope. The steps then come after OpSpawn.
	Placed bool
	// Defaults adds rules for the devices that the OCI spec promises to every
	// container, whatever the list of rules says, as runc does: specs are
	// written in that expectation. An empty list then allows nothing else.
	Defaults bool
	// OptionalSwap lets the kernel lack a limit on swap.
	OptionalSwap bool
	// From maps config fields ("memory.limit") to the flags that set them
	// ("--memory"), for listings.
	From map[string]string
}

// from is who asked for a field.
func (g *Group) from(field string) string {
	if flag := g.From[field]; flag != "" {
		return flag
	}
	return fieldName(field)
}

// Placement is how the child gets into the groups that a plan makes.
type Placement struct {
	// Born is the slot with the v2 group that the child is to be born in
	// (OpSpawn's second argument), or NoSlot.
	Born nsenter.Slot
	// Join are the child's steps into the v1 groups. They come before it
	// unshares its cgroup namespace, whose root is where the child is then.
	Join []nsenter.Step
	// Dirs are the groups' directories, those included that are made only
	// if bpf(2) is refused. [Open] takes them.
	Dirs []string
	// Hierarchies are those that the container has a group of its own in.
	Hierarchies []Hierarchy
}

// compiler adds the steps of one group to a plan.
type compiler struct {
	plan     *nsenter.Plan
	host     *Host
	group    *Group
	settings []setting
	policy   *policy
	filter   *filter // nil when all devices are allowed, or v2 is missing
	// fallback is the v1 devices hierarchy for where the filter is refused.
	fallback *Hierarchy
	out      Placement
}

// Compile appends the host's steps that make and limit a group. The caller
// removes the group with [Open] and [Manager.Remove], also when a step failed.
//
// Device rules of nil resources, or an empty list, restrict nothing; a list
// starts with nothing allowed.
func Compile(p *nsenter.Plan, h Host, g Group, res *specs.LinuxResources) (Placement, error) {
	h = h.private()
	c := &compiler{plan: p, host: &h, group: &g, out: Placement{Born: nsenter.NoSlot}}
	if err := CheckPath(g.Path); err != nil {
		return c.out, err
	}
	var err error
	l := &limits{host: &h, name: g.from, optionalSwap: g.OptionalSwap}
	if c.settings, err = l.settings(res); err != nil {
		return c.out, err
	}
	if g.Everywhere {
		if err := c.cpuset(); err != nil {
			return c.out, err
		}
	}
	if g.Reuse && !g.Placed {
		defer c.unoccupied(len(p.Steps))
	}
	if err := c.devices(res); err != nil {
		return c.out, err
	}
	v1, err := c.wanted()
	if err != nil {
		return c.out, err
	}
	if v2 := h.V2(); v2 != nil {
		if err := c.unified(v2); err != nil {
			return c.out, err
		}
	}
	for _, x := range v1 {
		c.legacy(x)
	}
	return c.out, nil
}

// devices compiles the device rules.
func (c *compiler) devices(res *specs.LinuxResources) error {
	var list []specs.LinuxDeviceCgroup
	if res != nil {
		list = res.Devices
	}
	if c.group.Defaults {
		list = withDefaults(list)
	}
	if len(list) == 0 {
		return nil
	}
	p, err := newPolicy(list)
	if err != nil || p.open() {
		return err
	}
	c.policy = p
	old, _, err := c.host.find("devices", "")
	if err != nil {
		return err
	}
	// A group that others know the path of shows its rules where they look for
	// them: in the v1 hierarchy. Not below systemd, which resets those.
	if old != nil && !c.group.Share && !c.group.Placed {
		if _, err := p.v1Writes(); err == nil {
			return nil
		}
	}
	if c.host.V2() != nil {
		c.fallback = old
		c.filter, err = compileFilter(p)
		return err
	}
	if old == nil {
		return fmt.Errorf("%s: this %s host has no controller devices: %w", c.group.from("devices"), c.host.Mode, ErrController)
	}
	_, err = p.v1Writes()
	return err
}

// cpuset makes a v1 cpuset that no limit asks for usable: it takes no process
// until it has processors and memory.
func (c *compiler) cpuset() error {
	x, _, err := c.host.find("cpuset", "")
	if err != nil || x == nil || slices.ContainsFunc(c.settings, func(s setting) bool { return s.on == x }) {
		return err
	}
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		c.settings = append(c.settings, setting{
			on: x, controller: "cpuset", files: []string{file}, inherit: true,
			field: "cpu.cpus", why: "as the parent has it: an empty cpuset takes no process",
		})
	}
	return nil
}

// accounted are the controllers that statistics need.
func (c *compiler) accounted() []string {
	switch {
	case !c.group.Account && !c.group.Everywhere:
		return nil
	case c.host.Mode == Unified && c.group.Placed:
		return nil // systemd's accounting does it
	case c.host.Mode == Unified && c.group.Everywhere:
		return []string{"cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma", "misc"}
	case c.host.Mode == Unified:
		return []string{"io", "memory", "pids"}
	case c.host.V2() != nil:
		// The v2 group counts processor time and lists threads without any
		// controller, and each v1 group costs 0.2 ms.
		return []string{"blkio", "memory"}
	default:
		return []string{"blkio", "cpuacct", "memory", "pids", "freezer"}
	}
}

// wanted returns the v1 hierarchies that the container needs a group in.
func (c *compiler) wanted() ([]*Hierarchy, error) {
	var out []*Hierarchy
	for i := range c.host.Hierarchies {
		x := &c.host.Hierarchies[i]
		if x.V2 || !c.wants(x) {
			continue
		}
		if err := x.complete(); err != nil {
			return nil, err
		}
		if x.Mount != "" {
			out = append(out, x)
		}
	}
	return out, nil
}

// wants tells whether the container needs a group in a v1 hierarchy.
func (c *compiler) wants(x *Hierarchy) bool {
	if c.group.Everywhere {
		return true
	}
	for i := range c.settings {
		if c.settings[i].on == x {
			return true
		}
	}
	for _, name := range c.accounted() {
		if slices.Contains(x.Controllers, name) {
			return true
		}
	}
	if c.policy != nil && c.filter == nil && slices.Contains(x.Controllers, "devices") {
		return true
	}
	// Without v2, something must list the processes and hold them still.
	return c.host.V2() == nil && slices.Contains(x.Controllers, "freezer")
}

// legacy makes the group in a v1 hierarchy.
func (c *compiler) legacy(x *Hierarchy) {
	parent, _ := split(c.group.Path)
	from, why := c.reason(x)
	for _, level := range levels(parent) {
		c.mkdirParent(x.Mount+level, from)
	}
	dir := x.Mount + c.group.Path
	c.mkdir(dir, c.group.Reuse || c.group.Placed, from, why)
	for i := range c.settings {
		if s := &c.settings[i]; s.on == x {
			c.set(dir, s)
		}
	}
	if c.policy != nil && c.filter == nil && slices.Contains(x.Controllers, "devices") {
		c.legacyDevices(dir)
	}
	tasks := c.plan.NewSlot(x.Name + " tasks")
	file := dir + "/tasks"
	c.plan.Add(openStep(file, unix.O_WRONLY).To(tasks).
		For(from, "open it here: the child resolves no paths"))
	c.join(tasks, file, from)
	c.done(x, dir)
}

// reason says which field a group is made for.
func (c *compiler) reason(x *Hierarchy) (from, why string) {
	for i := range c.settings {
		if s := &c.settings[i]; s.on == x {
			return c.group.from(s.field), "make the container's group for controller " + x.Name
		}
	}
	if c.policy != nil && slices.Contains(x.Controllers, "devices") {
		return c.group.from("devices"), "make the container's group for controller " + x.Name
	}
	for _, name := range c.accounted() {
		if slices.Contains(x.Controllers, name) {
			return "statistics", "make the container's group to count what it uses"
		}
	}
	return "cgroup", "make the container's group to list, freeze and kill it"
}

// join adds the child's step into a v1 group.
func (c *compiler) join(tasks nsenter.Slot, file, from string) {
	c.out.Join = append(c.out.Join, joinStep(tasks, file).
		For(from, "enter the group; a lone thread that moves itself waits for no lock"))
}

// joinStep writes "0", the writer itself, to an open tasks file.
func joinStep(tasks nsenter.Slot, file string) nsenter.Step {
	return writeStep(nsenter.Child, tasks, file, "0")
}

// done notes a group that the container has.
func (c *compiler) done(x *Hierarchy, dir string) {
	c.out.Dirs = append(c.out.Dirs, dir)
	c.out.Hierarchies = append(c.out.Hierarchies, *x)
}

// mkdir adds a step that makes a group.
func (c *compiler) mkdir(dir string, mayExist bool, from, why string) {
	c.mkdirMode(dir, 0o755, mayExist, from, why)
}

func (c *compiler) mkdirMode(dir string, mode uint32, mayExist bool, from, why string) {
	s := nsenter.Call(nsenter.Host, unix.SYS_MKDIRAT, nsenter.Int(unix.AT_FDCWD), nsenter.Str(dir), nsenter.Int(mode)).
		On(dir).For(from, why)
	if mayExist {
		s = s.Tolerate(unix.EEXIST)
	}
	c.plan.Add(s)
}

// set adds the steps that write one limit.
func (c *compiler) set(dir string, s *setting) {
	from := c.group.from(s.field)
	if s.inherit || len(s.files) > 1 {
		one := *s
		c.plan.Add(nsenter.Do("write "+one.describe(), func(*nsenter.Run) error { return one.write(dir) }).
			On(dir).For(from, s.why))
		return
	}
	file := dir + "/" + s.files[0]
	slot := c.plan.NewSlot(s.files[0])
	open := openStep(file, unix.O_WRONLY).To(slot).For(from, s.why)
	if s.optional {
		open = open.Tolerate(unix.ENOENT)
	}
	c.plan.Add(open, writeStep(nsenter.Host, slot, file, s.value).For(from, s.why))
}

// openStep opens a control file or a group.
func openStep(file string, flags int) nsenter.Step {
	return nsenter.Call(nsenter.Host, unix.SYS_OPENAT, nsenter.Int(unix.AT_FDCWD), nsenter.Str(file), nsenter.Int(flags|unix.O_CLOEXEC), nsenter.Int(0)).
		On(file)
}

// writeStep writes a value with one call.
func writeStep(who nsenter.Who, fd nsenter.Slot, file, value string) nsenter.Step {
	return nsenter.Call(who, unix.SYS_WRITE, nsenter.Fd(fd), nsenter.Bytes([]byte(value), ""), nsenter.Int(len(value))).
		On(file)
}

// legacyDevices adds the writes of the v1 devices controller.
func (c *compiler) legacyDevices(dir string) {
	from := c.group.from("devices")
	writes, _ := c.policy.v1Writes() // checked by devices
	slots := map[string]nsenter.Slot{}
	for _, w := range writes {
		file := dir + "/" + w.file
		slot, ok := slots[w.file]
		if !ok {
			slot = c.plan.NewSlot(w.file)
			slots[w.file] = slot
			c.plan.Add(openStep(file, unix.O_WRONLY).To(slot).For(from, "restrict devices"))
		}
		c.plan.Add(writeStep(nsenter.Host, slot, file, w.value).For(from, "restrict devices"))
	}
}

// unifiedPath is where the group is in the v2 hierarchy: below the group that
// holds its device filter, if that is shared.
func (c *compiler) unifiedPath() (filterGroup, dir string) {
	if c.filter == nil || !c.group.Share {
		return "", c.group.Path
	}
	parent, name := split(c.group.Path)
	filterGroup = path.Join("/", parent, filterPrefix+c.filter.hash)
	return filterGroup, filterGroup + "/" + name
}

// filterPrefix starts the names of groups that hold a shared device filter.
const filterPrefix = "devices-"

// isFilterGroup tells whether a group's name is one that Compile gives to
// groups with shared filters.
func isFilterGroup(name string) bool { return strings.HasPrefix(name, filterPrefix) }

// isGone tells that a group does not exist, or is being removed.
func isGone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV)
}

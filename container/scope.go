package container

import (
	"fmt"

	"berth/nsenter"
)

// HostStep is what the host does with the child while it waits, by means that
// are not this package's: D-Bus, resctrl.
type HostStep struct {
	// Text says what it does, as a phrase: "ask systemd for a scope". Target is
	// what it acts on.
	Text, Target string
	// Do takes the child's process id, which is valid until it returns.
	Do func(pid int) error
}

// step is the plan's step that acts on the child.
func (s *HostStep) step(from, why string) nsenter.Step {
	do := s.Do
	return nsenter.Do(s.Text, func(h *nsenter.Run) error { return do(h.Pid()) }).On(s.Target).For(from, why)
}

// cgroup makes the group and sets its limits before any process exists, unless
// systemd makes it.
func (c *compiler) cgroup() error {
	if c.in.Scope != nil {
		c.placement.Born = nsenter.NoSlot
		return nil
	}
	return c.groups()
}

// scope has systemd make the group with the child in it, and then sets the
// limits. The child's next steps are sent after that, so whatever it forks is
// in the group, too.
func (c *compiler) scope() error {
	if c.in.Scope == nil {
		return nil
	}
	c.p.Add(c.in.Scope.step(c.from("linux.cgroupsPath"), "systemd makes the group, knows of it, and leaves what is below to the container"))
	return c.groups()
}

const resctrlWhy = "the child and what it forks share caches and memory bandwidth by this group's rules"

// resctrl shares out caches and memory bandwidth.
func (c *compiler) resctrl() error {
	switch {
	case c.in.Spec.Linux.IntelRdt == nil:
		return nil
	case c.in.Resctrl == nil:
		return fmt.Errorf("linux.intelRdt: not supported for containers of this kind")
	}
	c.p.Add(c.in.Resctrl.step(c.from("linux.intelRdt"), resctrlWhy))
	return nil
}

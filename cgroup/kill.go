package cgroup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Freeze stops every process of the container and waits until all stand still.
// If the context ends first, the container is thawed again.
func (m *Manager) Freeze(ctx context.Context) error {
	err := m.freeze(ctx)
	if err != nil {
		return errors.Join(err, m.setFrozen(false))
	}
	return nil
}

func (m *Manager) freeze(ctx context.Context) error {
	if err := m.setFrozen(true); err != nil {
		return err
	}
	if dir := m.v2(); dir != "" {
		return waitEvent(ctx, dir, "frozen", 1)
	}
	dir, _, err := m.with("freezer")
	if err != nil {
		return err
	}
	return retry(ctx, "freeze cgroup "+dir, func() (bool, error) {
		state, err := readWords(dir + "/freezer.state")
		if err != nil || slices.Equal(state, []string{"FROZEN"}) {
			return err == nil, err
		}
		// A process that forked while the freezer walked the group is caught
		// by asking again (freezer-subsystem.rst).
		return false, m.setFrozen(true)
	})
}

// Thaw lets the container go on. Thawing what is not frozen does nothing.
func (m *Manager) Thaw(ctx context.Context) error {
	if err := m.setFrozen(false); err != nil {
		return err
	}
	if dir := m.v2(); dir != "" {
		return waitEvent(ctx, dir, "frozen", 0)
	}
	return nil
}

// Frozen tells whether the container was told to stand still.
func (m *Manager) Frozen() (bool, error) {
	file, _, err := m.freezer()
	if err != nil {
		return false, err
	}
	words, err := readWords(file)
	return len(words) > 0 && words[0] != "0" && words[0] != "THAWED", err
}

// freezer returns the file to write, and its words for thawed and frozen. A
// hybrid host has both; v2's needs no group of its own and thaws to be killed.
func (m *Manager) freezer() (file string, words [2]string, err error) {
	if dir := m.v2(); dir != "" {
		return dir + "/cgroup.freeze", [2]string{"0", "1"}, nil
	}
	dir, _, err := m.with("freezer")
	if err != nil {
		return "", words, err
	}
	if dir != "" {
		return dir + "/freezer.state", [2]string{"THAWED", "FROZEN"}, nil
	}
	return "", words, fmt.Errorf("freeze cgroup %s: controller freezer: %w", m.main(), ErrController)
}

func (m *Manager) setFrozen(frozen bool) error {
	file, words, err := m.freezer()
	if err != nil {
		return err
	}
	return writeFile(file, words[boolOrder(frozen)])
}

// Kill sends SIGKILL to every process of the container, frozen ones too, and
// does not wait for their end: [Manager.Wait] does. It is fine if none is left.
func (m *Manager) Kill(ctx context.Context) error {
	if dir := m.v2(); dir != "" {
		// The kernel kills the whole subtree, and forks that race with it.
		err := writeFile(dir+"/cgroup.kill", "1")
		if isGone(err) {
			return nil
		}
		return err
	}
	return m.killLegacy(ctx)
}

// killLegacy kills on v1: frozen, the group cannot fork away, and its pids
// cannot be reused. SIGKILL takes effect when thawed.
func (m *Manager) killLegacy(ctx context.Context) error {
	return retry(ctx, "kill cgroup "+m.main(), func() (bool, error) {
		// Without a freezer, or if a process resists it, the loop still ends
		// once the group stops growing.
		brief, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		_ = m.freeze(brief)
		err := m.Signal(ctx, unix.SIGKILL)
		if thawErr := m.setFrozen(false); err == nil && !errors.Is(thawErr, ErrController) && !isGone(thawErr) {
			err = thawErr
		}
		if err != nil {
			return false, err
		}
		return m.Empty(ctx)
	})
}

// Signal sends a signal to every process that is in the container at this
// moment. A process that the kernel has given its pid to meanwhile is not hit:
// each is held by a pidfd, and only those that are still listed after that are
// signalled.
func (m *Manager) Signal(ctx context.Context, signal unix.Signal) error {
	pids, err := m.Procs(ctx)
	if err != nil {
		return err
	}
	held := make(map[int]int, len(pids))
	defer func() {
		for _, fd := range held {
			unix.Close(fd)
		}
	}()
	for _, pid := range pids {
		fd, err := unix.PidfdOpen(pid, 0)
		switch {
		case err == unix.ESRCH:
		case err != nil:
			return fmt.Errorf("pidfd_open %d: %w", pid, err)
		default:
			held[pid] = fd
		}
	}
	again, err := m.Procs(ctx)
	if err != nil {
		return err
	}
	for pid, fd := range held {
		if !slices.Contains(again, pid) {
			continue
		}
		if err := unix.PidfdSendSignal(fd, signal, nil, 0); err != nil && err != unix.ESRCH {
			return fmt.Errorf("pidfd_send_signal %s to %d: %w", unix.SignalName(signal), pid, err)
		}
	}
	return nil
}

// Remove removes the container's groups and what it made below them. Groups
// that are gone are fine. A process that is just exiting keeps its group busy
// for a moment, so it tries again until the context ends; the error then names
// the group. Killing is up to the caller.
func (m *Manager) Remove(ctx context.Context) error {
	var errs []error
	for _, g := range m.groups {
		errs = append(errs, removeTree(ctx, g.dir))
	}
	return errors.Join(errs...)
}

// removeTree removes a group, children first.
func removeTree(ctx context.Context, dir string) error {
	return retry(ctx, "remove cgroup "+dir, func() (bool, error) {
		// Nearly always there is nothing below, so try without looking.
		err := unix.Rmdir(dir)
		switch {
		case err == nil || isGone(err):
			return true, nil
		case err != unix.EBUSY && err != unix.EINTR:
			return false, fmt.Errorf("rmdir %s: %w", dir, err)
		}
		for _, sub := range subgroups(dir) {
			if err := removeTree(ctx, dir+"/"+sub); err != nil {
				return false, err
			}
		}
		err = unix.Rmdir(dir)
		return err == nil || isGone(err), nil
	})
}

// Prune removes what stays for the next start: the groups with shared device
// filters below parent ("/berth"), and parent itself, in every hierarchy. What
// is in use stays.
func Prune(h Host, parent string) error {
	if err := CheckPath(parent); err != nil {
		return err
	}
	h = h.private()
	if err := h.settle(); err != nil {
		return err
	}
	for i := range h.Hierarchies {
		dir := h.Hierarchies[i].Mount + parent
		for _, sub := range subgroups(dir) {
			if isFilterGroup(sub) {
				if err := rmdirIdle(dir + "/" + sub); err != nil {
					return err
				}
			}
		}
		if err := rmdirIdle(dir); err != nil {
			return err
		}
	}
	return nil
}

// rmdirIdle removes a group unless it is in use or gone.
func rmdirIdle(dir string) error {
	err := os.Remove(dir)
	if err == nil || isGone(err) || errors.Is(err, unix.EBUSY) {
		return nil
	}
	return err
}

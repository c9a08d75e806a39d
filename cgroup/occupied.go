package cgroup

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"berth/nsenter"
)

// unoccupied inserts the step that keeps a container out of a group that is in
// use. It comes first, before anything is made, and is added last, when all
// groups are known.
func (c *compiler) unoccupied(at int) {
	dirs := c.out.Dirs
	if len(c.plan.Steps) == at {
		return // compiling failed
	}
	step := nsenter.Do("check that the group holds no processes", func(*nsenter.Run) error {
		for _, dir := range dirs {
			if err := checkVacant(dir); err != nil {
				return err
			}
		}
		return nil
	}).On(c.group.Path).For("linux.cgroupsPath", "what is in the group is killed and removed with the container")
	c.plan.Steps = slices.Insert(c.plan.Steps, at, step)
}

// checkVacant refuses a group with processes, here or below, and one that is
// frozen, which a child born in it would be from its first instruction.
func checkVacant(dir string) error {
	count, err := countProcs(dir)
	if err != nil {
		return err
	}
	if count > 0 {
		return fmt.Errorf("container's cgroup is not empty: %d process(es) found in %s: %w", count, dir, ErrBusy)
	}
	for file, frozen := range map[string]string{"cgroup.freeze": "1", "freezer.state": "FROZEN"} {
		words, err := readWords(dir + "/" + file)
		if err == nil && slices.Equal(words, []string{frozen}) {
			return fmt.Errorf("container's cgroup unexpectedly frozen: %s: %w", dir, ErrBusy)
		}
	}
	return nil
}

// countProcs counts the processes of a group and those below it. A group that
// is gone has none.
func countProcs(dir string) (int, error) {
	pids, err := readPids(dir + "/cgroup.procs")
	if isGone(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	count := len(pids)
	for _, sub := range subgroups(dir) {
		n, err := countProcs(dir + "/" + sub)
		if err != nil {
			return 0, err
		}
		count += n
	}
	return count, nil
}

// Resolve turns linux.cgroupsPath into a group's path for [Group], without
// systemd. An absolute path is taken below every hierarchy's root; a relative
// one, where the OCI spec leaves the place to the runtime, below parent; an
// empty one is parent/id, which own tells. ".." never leads out of either.
// The error wraps [ErrPath].
func Resolve(cgroupsPath, parent, id string) (p string, own bool, err error) {
	switch {
	case cgroupsPath == "":
		p, own = path.Join(parent, id), true
	case strings.HasPrefix(cgroupsPath, "/"):
		p = path.Clean(cgroupsPath)
	default:
		p = path.Join(parent, path.Clean("/"+cgroupsPath))
	}
	if err := CheckPath(p); err != nil {
		if strings.Count(cgroupsPath, ":") == 2 {
			return "", false, fmt.Errorf("linux.cgroupsPath: %q is of the form slice:prefix:name, which is for --systemd-cgroup: %w", cgroupsPath, ErrPath)
		}
		return "", false, fmt.Errorf("linux.cgroupsPath: %w", err)
	}
	return p, own, nil
}

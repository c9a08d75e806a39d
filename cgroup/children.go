package cgroup

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Children lists the groups below parent by name, each once, in whatever
// hierarchies they are. Those that share a device filter lie one level further
// down and are found all the same. A parent that is not there has none.
func Children(h Host, parent string) ([]string, error) {
	if err := CheckPath(parent); err != nil {
		return nil, err
	}
	h = h.private()
	if err := h.settle(); err != nil {
		return nil, err
	}
	var names []string
	for i := range h.Hierarchies {
		dir := h.Hierarchies[i].Mount + parent
		for _, sub := range subgroups(dir) {
			if h.Hierarchies[i].V2 && isFilterGroup(sub) {
				names = append(names, subgroups(dir+"/"+sub)...)
				continue
			}
			names = append(names, sub)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Age is how long ago the youngest of the groups was made or changed.
func (m *Manager) Age() (time.Duration, error) {
	age := time.Duration(-1)
	for _, g := range m.groups {
		var st unix.Stat_t
		if err := unix.Stat(g.dir, &st); err != nil {
			return 0, err
		}
		if d := time.Since(time.Unix(st.Ctim.Unix())); age < 0 || d < age {
			age = d
		}
	}
	return max(age, 0), nil
}

package cgroup

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// private returns a copy that can be completed. The original may be in use by
// others.
func (h Host) private() Host {
	h.Hierarchies = slices.Clone(h.Hierarchies)
	h.Enabled = maps.Clone(h.Enabled)
	return h
}

// Find returns the hierarchy that has a controller, or nil. It may complete h.
func (h *Host) Find(controller string) (*Hierarchy, error) {
	x, _, err := h.find(controller, controller)
	return x, err
}

// find is Find for a controller whose names differ in v1 and v2; an empty name
// means that this version has no such controller. It returns the name, too.
func (h *Host) find(v1, v2 string) (*Hierarchy, string, error) {
	for i := range h.Hierarchies {
		x, name := &h.Hierarchies[i], v1
		if x.V2 {
			name = v2
		}
		has, err := x.has(name)
		if err != nil {
			return nil, "", err
		}
		if has {
			return x, name, nil
		}
	}
	return nil, "", nil
}

// has tells whether the hierarchy is mounted and has the controller.
func (x *Hierarchy) has(controller string) (bool, error) {
	if controller == "" {
		return false, nil
	}
	if x.V2 {
		err := x.complete()
		return slices.Contains(x.Controllers, controller), err
	}
	if !slices.Contains(x.Controllers, controller) {
		return false, nil
	}
	err := x.complete()
	return x.Mount != "", err
}

// complete looks at what is pending: on v2 it reads the controllers, on v1 it
// checks the mount point, tries the mount table next, and leaves Mount empty
// when the hierarchy is not mounted at all.
func (x *Hierarchy) complete() (err error) {
	if !x.pending {
		return nil
	}
	switch {
	case x.V2:
		x.Controllers, err = readWords(x.Mount + "/cgroup.controllers")
	case !x.isMount() && !x.tryAlias():
		err = x.searchTable()
	}
	x.pending = err != nil
	return err
}

// searchTable looks for a v1 hierarchy in the mount table.
func (x *Hierarchy) searchTable() error {
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup"))
	if err != nil {
		return fmt.Errorf("read mount table for cgroups: %w", err)
	}
	x.Mount = ""
	x.search(mounts)
	return nil
}

// settle completes all hierarchies at once, and drops those that are not
// mounted. It moves them, so none may be pointed at yet.
func (h *Host) settle() error {
	for i := range h.Hierarchies {
		if err := h.Hierarchies[i].complete(); err != nil {
			return err
		}
	}
	h.Hierarchies = slices.DeleteFunc(h.Hierarchies, func(x Hierarchy) bool { return x.Mount == "" })
	if len(h.Hierarchies) == 0 {
		return fmt.Errorf("look for cgroups in the mount table: %w", ErrNoCgroup)
	}
	return nil
}

// isMount tells whether the mount point of a v1 hierarchy carries one.
func (x *Hierarchy) isMount() bool {
	var st unix.Statfs_t
	return unix.Statfs(x.Mount, &st) == nil && st.Type == unix.CGROUP_SUPER_MAGIC
}

// tryAlias handles hosts that name the directory of co-mounted controllers in
// another order, as "net_cls,net_prio" and "cpuacct,cpu", by way of the link
// that each single controller has.
func (x *Hierarchy) tryAlias() bool {
	if len(x.Controllers) < 2 {
		return false
	}
	x.Mount = root + "/" + x.Controllers[0]
	return x.isMount()
}

// search finds the hierarchy in the mount table. A mount of a part of the
// hierarchy, as inside a container without a cgroup namespace, makes Own
// relative to that part.
func (x *Hierarchy) search(mounts []*mountinfo.Info) {
	for _, m := range mounts {
		if !x.sameAs(m) {
			continue
		}
		x.Mount = m.Mountpoint
		if rest, ok := strings.CutPrefix(x.Own, m.Root); ok && m.Root != "/" {
			x.Own = path.Join("/", rest)
		}
		return
	}
}

// sameAs tells whether a mount shows this hierarchy.
func (x *Hierarchy) sameAs(m *mountinfo.Info) bool {
	if x.V2 {
		return m.FSType == "cgroup2"
	}
	options := strings.Split(m.VFSOptions, ",")
	if m.FSType != "cgroup" {
		return false
	}
	if x.Named != "" {
		return slices.Contains(options, "name="+x.Named)
	}
	return slices.Contains(options, x.Controllers[0])
}

// readEnabled fills Enabled for the root and the levels down to the parent, if
// that was left for later. On hybrid hosts hardly anybody asks for the few
// controllers that v1 leaves to v2; plans then enable them without looking.
func (h *Host) readEnabled(v2 *Hierarchy) error {
	if h.parent == "" {
		return nil
	}
	all := append([]string{"/"}, levels(h.parent)...)
	h.parent, h.Enabled = "", map[string][]string{}
	for _, level := range all {
		words, err := readWords(path.Join(v2.Mount, level, "cgroup.subtree_control"))
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		h.Enabled[level] = words
	}
	return nil
}

// readWords reads a file of words separated by blanks.
func readWords(file string) ([]string, error) {
	text, err := readFile(file)
	if err != nil {
		return nil, err
	}
	return strings.Fields(text), nil
}

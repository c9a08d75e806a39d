package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/containerd/cgroups/v3"
	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// Mode is which cgroup versions the host has mounted.
type Mode uint8

const (
	// None means no hierarchy is mounted.
	None Mode = iota
	// Legacy is v1 only.
	Legacy
	// Hybrid is v1 for (most) controllers, and v2 beside it.
	Hybrid
	// Unified is v2 only.
	Unified
)

// String returns "none", "v1", "hybrid" or "v2".
func (m Mode) String() string {
	return [...]string{"none", "v1", "hybrid", "v2"}[m&3]
}

// Hierarchy is one mounted cgroup hierarchy.
type Hierarchy struct {
	// Name is what the directory below /sys/fs/cgroup is called in a v1
	// layout: "memory", "cpu,cpuacct", "systemd", "unified".
	Name string
	// Controllers are those bound to a v1 hierarchy; on v2, those in the
	// root's cgroup.controllers. A named v1 hierarchy has none.
	Controllers []string
	// V2 tells the unified hierarchy from v1 ones.
	V2 bool
	// Named is the name of a v1 hierarchy without controllers, as in the
	// mount option name=systemd.
	Named string
	// Mount is where the host has it.
	Mount string
	// Own is the group of the process that asked, relative to Mount.
	Own string
}

// Host is what matters of a host's cgroups. It is plain data: plans can be
// compiled for hosts that do not exist.
type Host struct {
	Mode Mode
	// Hierarchies are the v1 hierarchies in the kernel's order, then the v2
	// one.
	Hierarchies []Hierarchy
	// Enabled lists, for groups of the v2 hierarchy, the controllers in their
	// cgroup.subtree_control. A group that is missing here may not exist.
	// The root is "/".
	Enabled map[string][]string
}

// V2 returns the unified hierarchy, or nil.
func (h *Host) V2() *Hierarchy {
	for i := range h.Hierarchies {
		if h.Hierarchies[i].V2 {
			return &h.Hierarchies[i]
		}
	}
	return nil
}

// Find returns the hierarchy that has a controller, or nil.
func (h *Host) Find(controller string) *Hierarchy {
	for i := range h.Hierarchies {
		if slices.Contains(h.Hierarchies[i].Controllers, controller) {
			return &h.Hierarchies[i]
		}
	}
	return nil
}

const (
	root        = "/sys/fs/cgroup"
	unifiedRoot = "/sys/fs/cgroup/unified"
)

// Detect looks at the host. parent is the group that containers will be made
// in ("/berth"): on v2 the controllers enabled on the way there are read.
//
// It runs at every start, so it tries the well-known mount points first and
// reads the mount table only when a hierarchy is somewhere else.
func Detect(parent string) (Host, error) {
	h := Host{Mode: mode()}
	if h.Mode == None {
		return h, fmt.Errorf("look for cgroups at %s: %w", root, ErrNoCgroup)
	}
	own, err := readFile("/proc/self/cgroup")
	if err != nil {
		return h, err
	}
	h.Hierarchies = parseOwn(own, h.Mode)
	if err := h.locate(); err != nil {
		return h, err
	}
	v2 := h.V2()
	if v2 == nil {
		return h, nil
	}
	if v2.Controllers, err = readWords(v2.Mount + "/cgroup.controllers"); err != nil {
		return h, err
	}
	return h, h.readEnabled(v2, parent)
}

// mode maps the library's answer to ours.
func mode() Mode {
	switch cgroups.Mode() {
	case cgroups.Unified:
		return Unified
	case cgroups.Hybrid:
		return Hybrid
	case cgroups.Legacy:
		return Legacy
	default:
		return None
	}
}

// parseOwn turns the lines of /proc/self/cgroup, "ID:CONTROLLERS:PATH"
// (cgroups(7)), into hierarchies at their well-known mount points. The kernel
// lists the newest first, the v2 one (ID 0, no controllers) last. Lines of no
// use are left out.
func parseOwn(text string, m Mode) []Hierarchy {
	var out []Hierarchy
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		id, rest, ok := strings.Cut(line, ":")
		list, own, ok2 := strings.Cut(rest, ":")
		if !ok || !ok2 || !strings.HasPrefix(own, "/") {
			continue
		}
		x := Hierarchy{Own: own}
		switch {
		case list == "" && id == "0":
			x.V2, x.Name, x.Mount = true, "unified", unifiedRoot
			if m == Unified {
				x.Mount = root
			}
		case list == "":
			continue
		case strings.HasPrefix(list, "name="):
			x.Named = list[len("name="):]
			x.Name, x.Mount = x.Named, root+"/"+x.Named
		default:
			x.Controllers = strings.Split(list, ",")
			x.Name, x.Mount = list, root+"/"+list
		}
		// On a v2 host no v1 hierarchy is mounted where one would look.
		if m == Unified && !x.V2 || m == Legacy && x.V2 {
			continue
		}
		if badMountName(x.Name) {
			continue
		}
		out = append(out, x)
	}
	return out
}

// badMountName guards against names that would lead out of /sys/fs/cgroup.
func badMountName(name string) bool {
	return name == "" || name == "." || name == ".." || strings.ContainsRune(name, '/')
}

// locate checks every hierarchy's mount point, and searches the mount table
// for those that are elsewhere. What is not mounted at all is dropped.
func (h *Host) locate() error {
	lost := 0
	for i := range h.Hierarchies {
		x := &h.Hierarchies[i]
		if !isMount(x) && !tryAlias(x) {
			x.Mount = ""
			lost++
		}
	}
	if lost == 0 {
		return nil
	}
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup", "cgroup2"))
	if err != nil {
		return fmt.Errorf("read mount table for cgroups: %w", err)
	}
	for i := range h.Hierarchies {
		if x := &h.Hierarchies[i]; x.Mount == "" {
			x.search(mounts)
		}
	}
	h.Hierarchies = slices.DeleteFunc(h.Hierarchies, func(x Hierarchy) bool { return x.Mount == "" })
	if len(h.Hierarchies) == 0 {
		return fmt.Errorf("look for cgroups in the mount table: %w", ErrNoCgroup)
	}
	return nil
}

// isMount tells whether the hierarchy's mount point carries its kind of file
// system.
func isMount(x *Hierarchy) bool {
	var st unix.Statfs_t
	want := int64(unix.CGROUP_SUPER_MAGIC)
	if x.V2 {
		want = unix.CGROUP2_SUPER_MAGIC
	}
	return unix.Statfs(x.Mount, &st) == nil && int64(st.Type) == want
}

// tryAlias handles hosts that name the directory of co-mounted controllers in
// another order, as "net_cls,net_prio" and "cpuacct,cpu", by way of the link
// that each single controller has.
func tryAlias(x *Hierarchy) bool {
	if x.V2 || len(x.Controllers) < 2 {
		return false
	}
	x.Mount = root + "/" + x.Controllers[0]
	return isMount(x)
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

// readEnabled fills Enabled for the root and the levels down to parent.
func (h *Host) readEnabled(v2 *Hierarchy, parent string) error {
	h.Enabled = map[string][]string{}
	if h.Mode == Hybrid {
		// Hardly anybody asks for the few controllers that v1 leaves to v2;
		// plans then enable them without looking.
		return nil
	}
	for _, level := range append([]string{"/"}, levels(parent)...) {
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

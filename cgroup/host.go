package cgroup

import (
	"fmt"
	"strings"

	"github.com/containerd/cgroups/v3"
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
	// Own is the group of the process that asked, relative to Mount; empty on
	// a v2 host, where finding the hierarchy does not tell it.
	Own string

	// pending is what Detect left to be looked at when it is needed: on v1
	// whether Mount, the usual place, is right; on v2 the Controllers.
	pending bool
}

// Host is what matters of a host's cgroups. It is plain data: plans can be
// compiled for hosts that do not exist. A Host from [Detect] is completed by
// those who use it, each in a copy of its own, so that a start looks only at
// the hierarchies that its limits need.
type Host struct {
	Mode Mode
	// Hierarchies are the v1 hierarchies in the kernel's order, then the v2
	// one.
	Hierarchies []Hierarchy
	// Enabled lists, for groups of the v2 hierarchy, the controllers in their
	// cgroup.subtree_control. A group that is missing here may not exist.
	// The root is "/".
	Enabled map[string][]string

	// parent is the group down to which Enabled is still to be read, or "".
	parent string
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

const (
	root        = "/sys/fs/cgroup"
	unifiedRoot = "/sys/fs/cgroup/unified"
)

// Detect looks at the host. parent is the group that containers will be made
// in ("/berth"): on v2 the controllers enabled on the way there are read.
//
// It runs at every start, so what few starts need is left for later: reading
// the v2 hierarchy's files, and checking where v1 hierarchies are mounted.
func Detect(parent string) (Host, error) {
	h := Host{Mode: mode()}
	switch h.Mode {
	case None:
		return h, fmt.Errorf("look for cgroups at %s: %w", root, ErrNoCgroup)
	case Unified:
		h.Hierarchies = []Hierarchy{{Name: "unified", V2: true, Mount: root, pending: true}}
		h.parent = parent
		return h, nil
	}
	own, err := readFile("/proc/self/cgroup")
	if err != nil {
		return h, err
	}
	h.Hierarchies = parseOwn(own, h.Mode)
	if h.Mode == Legacy {
		// Nothing has shown yet that any hierarchy is mounted.
		err = h.settle()
	}
	return h, err
}

// mode maps the library's answer to ours. The v2 hierarchy is known by then to
// be mounted at its usual place, the only one that the library looks at.
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

// parseOwn turns the lines of /proc/self/cgroup into hierarchies at their
// well-known mount points. The kernel lists the newest first, the v2 one last.
// Lines of no use are left out.
func parseOwn(text string, m Mode) []Hierarchy {
	var out []Hierarchy
	for line := range strings.Lines(text) {
		x, ok := parseLine(strings.TrimSuffix(line, "\n"), m)
		// On a v2 host no v1 hierarchy is mounted where one would look.
		if !ok || m == Unified && !x.V2 || m == Legacy && x.V2 || badMountName(x.Name) {
			continue
		}
		out = append(out, x)
	}
	return out
}

// parseLine parses "ID:CONTROLLERS:PATH" (cgroups(7)). The v2 hierarchy has
// the ID 0 and no controllers.
func parseLine(line string, m Mode) (x Hierarchy, ok bool) {
	id, rest, ok := strings.Cut(line, ":")
	list, own, ok2 := strings.Cut(rest, ":")
	if !ok || !ok2 || !strings.HasPrefix(own, "/") {
		return x, false
	}
	x = Hierarchy{Own: own, pending: true}
	switch {
	case list == "" && id == "0":
		x.V2, x.Name, x.Mount = true, "unified", unifiedRoot
		if m == Unified {
			x.Mount = root
		}
	case list == "":
		return x, false
	case strings.HasPrefix(list, "name="):
		x.Named = list[len("name="):]
		x.Name, x.Mount = x.Named, root+"/"+x.Named
	default:
		x.Controllers = strings.Split(list, ",")
		x.Name, x.Mount = list, root+"/"+list
	}
	return x, true
}

// badMountName guards against names that would lead out of /sys/fs/cgroup.
func badMountName(name string) bool {
	return name == "" || name == "." || name == ".." || strings.ContainsRune(name, '/')
}

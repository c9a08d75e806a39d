package resctrl

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Stats are what resctrl says of a container. Empty fields are not counted on
// this machine, or not for this container.
type Stats struct {
	// Root and Group are the lines of the schemata files, by resource, of
	// the whole machine and of the container's class of service.
	Root, Group map[string]string
	// Info are the numbers and words in info/RESOURCE, by resource and file:
	// Info["L3"]["cbm_mask"].
	Info map[string]map[string]string
	// Nodes are the counters, one for each cache, in the order of their ids.
	Nodes []NodeStats
}

// NodeStats are the counters of one cache, in bytes.
type NodeStats struct {
	// Occupancy is how much of the cache the container's data take up.
	Occupancy uint64
	// Total and Local are the memory traffic, and its part that stayed on
	// this node, since the group was made.
	Total, Local uint64
}

// Stats reads what there is. Counters are read where they are the container's
// alone: in its monitoring group, or in a class of service of its own.
func (g *Group) Stats() (Stats, error) {
	var s Stats
	var err error
	if s.Root, err = schemata(g.fs.Dir); err != nil {
		return s, fmt.Errorf("read statistics of linux.intelRdt: %w", err)
	}
	if s.Group, err = schemata(g.Dir()); err != nil {
		return s, fmt.Errorf("read statistics of linux.intelRdt: %w", err)
	}
	s.Info = map[string]map[string]string{}
	for name := range s.Root {
		s.Info[name] = words(filepath.Join(g.fs.Dir, "info", name))
	}
	switch {
	case g.rdt.EnableMonitoring:
		s.Nodes, err = counters(filepath.Join(g.monitor(), "mon_data"))
	case g.own():
		s.Nodes, err = counters(filepath.Join(g.Dir(), "mon_data"))
	}
	return s, err
}

// words reads the small files of a folder.
func words(dir string) map[string]string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	out := map[string]string{}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if line := strings.TrimSpace(string(text)); err == nil && !strings.Contains(line, "\n") {
			out[e.Name()] = line
		}
	}
	return out
}

// counters reads mon_data/mon_L3_*/.
func counters(dir string) ([]NodeStats, error) {
	nodes, err := filepath.Glob(dir + "/mon_L3_*")
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", dir, err)
	}
	slices.Sort(nodes)
	var out []NodeStats
	for _, node := range nodes {
		var n NodeStats
		for file, to := range map[string]*uint64{
			"llc_occupancy": &n.Occupancy, "mbm_total_bytes": &n.Total, "mbm_local_bytes": &n.Local,
		} {
			if *to, err = counter(filepath.Join(node, file)); err != nil {
				return nil, err
			}
		}
		out = append(out, n)
	}
	return out, nil
}

// counter reads one number. "Unavailable" and "Error" are what the hardware
// says for a moment; a file is missing where it does not count.
func counter(file string) (uint64, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.EIO) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	word := strings.TrimSpace(string(text))
	if word == "Unavailable" || word == "Error" || word == "Unassigned" {
		return 0, nil
	}
	n, err := strconv.ParseUint(word, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", file, err)
	}
	return n, nil
}

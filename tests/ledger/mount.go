package ledger

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// mounts reads the mount table that a process sees, without the numbers that
// differ when an equal mount is made again (proc_pid_mountinfo(5)).
func mounts(pid string) counts {
	c := counts{}
	for _, f := range mountinfo(pid) {
		c[fmt.Sprintf("%s of %s on %s (%s), source %s", f.fstype, f.root, f.point, f.options, f.source)]++
	}
	return c
}

type mount struct{ root, point, options, fstype, source string }

func mountinfo(pid string) []mount {
	text, err := os.ReadFile("/proc/" + pid + "/mountinfo")
	if err != nil {
		return nil
	}
	var all []mount
	for _, line := range strings.Split(string(text), "\n") {
		left, right, ok := strings.Cut(line, " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if !ok || len(l) < 6 || len(r) < 2 {
			continue
		}
		all = append(all, mount{root: l[3], point: l[4], options: l[5], fstype: r[0], source: r[1]})
	}
	return all
}

// foreignMounts counts the mounts of every namespace that was there before and
// still is: a mount of the test may have propagated there.
func foreignMounts(all []process, spaces map[string]bool) counts {
	c := counts{}
	own, _ := os.Readlink("/proc/self/ns/mnt")
	seen := map[string]bool{own: true}
	for _, p := range all {
		link := p.spaces["mnt"]
		if link == "" || seen[link] || !spaces[link] {
			continue
		}
		seen[link] = true
		for _, m := range mountinfo(strconv.Itoa(p.pid)) {
			// Named by namespace alone: who is in it may change.
			c[fmt.Sprintf("%s: %s on %s", link, m.fstype, m.point)]++
		}
	}
	return c
}

// cgroups lists, in every hierarchy, the folders that a container may have left:
// those named by berth or by a container ID, and all below the test's own
// cgroup unless that is the hierarchy's root.
func cgroups() counts {
	c := counts{}
	own := ownCgroups()
	for _, m := range mountinfo("self") {
		if m.fstype != "cgroup" && m.fstype != "cgroup2" || m.root != "/" {
			continue
		}
		// Folders come and go during the walk: errors mean nothing here.
		_ = filepath.WalkDir(m.point, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() {
				return nil
			}
			below := strings.TrimPrefix(path, m.point)
			if kept(below) {
				return nil
			}
			if strings.Contains(below, "berth") || isID(d.Name()) || isBelow(below, own) {
				c[path]++
			}
			return nil
		})
	}
	return c
}

// kept tells the cgroups that stand like the image store: berth's parent group and,
// below it, one group per set of device rules, which holds their filter for every
// container that has the same rules.
func kept(below string) bool {
	parent, name := filepath.Split(below)
	return below == "/berth" || parent == "/berth/" && strings.HasPrefix(name, "devices-")
}

func ownCgroups() []string {
	text, _ := os.ReadFile("/proc/self/cgroup")
	var own []string
	for _, line := range strings.Split(string(text), "\n") {
		if f := strings.SplitN(line, ":", 3); len(f) == 3 && f[2] != "/" {
			own = append(own, f[2])
		}
	}
	return own
}

func isBelow(path string, parents []string) bool {
	for _, p := range parents {
		if strings.HasPrefix(path, p+"/") {
			return true
		}
	}
	return false
}

// isID tells a container's ID: 64 hexadecimal digits.
func isID(name string) bool {
	return len(name) == 64 && strings.Trim(name, "0123456789abcdef") == ""
}

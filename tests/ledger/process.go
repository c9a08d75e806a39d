package ledger

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// processKey tells a process from a later one with the same number.
type processKey struct {
	pid   int
	start string // clock ticks since boot
}

// process is what the ledger reads of one entry in /proc. Fields that could
// not be read, because it ended meanwhile, are empty.
type process struct {
	processKey
	parent int
	state  string
	name   string
	exe    string
	cgroup string
	marks  []byte
	spaces map[string]string // file in /proc/PID/ns to its link
}

// processes reads every process but the kernel's threads.
func processes() []process {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var all []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if p, ok := readProcess(pid); ok {
			all = append(all, p)
		}
	}
	return all
}

func readProcess(pid int) (process, bool) {
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return process{}, false
	}
	// The name stands in parentheses and may hold some itself: proc_pid_stat(5).
	open, shut := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 0 || shut < open {
		return process{}, false
	}
	fields := strings.Fields(string(stat[shut+1:]))
	if len(fields) < 20 {
		return process{}, false
	}
	p := process{name: string(stat[open+1 : shut]), state: fields[0]}
	p.pid, p.start = pid, fields[19]
	p.parent, _ = strconv.Atoi(fields[1])
	const kthreadd = 2
	if pid == kthreadd || p.parent == kthreadd {
		return process{}, false
	}
	p.exe, _ = os.Readlink(dir + "/exe")
	cgroup, _ := os.ReadFile(dir + "/cgroup")
	p.cgroup = string(cgroup)
	p.marks, _ = os.ReadFile(dir + "/environ")
	p.spaces = spacesOf(dir + "/ns")
	return p, true
}

func spacesOf(dir string) map[string]string {
	entries, _ := os.ReadDir(dir)
	spaces := map[string]string{}
	for _, e := range entries {
		if link, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil {
			spaces[e.Name()] = link
		}
	}
	return spaces
}

// baseline notes who and which namespaces were there already.
func baseline(all []process) (known map[processKey]bool, spaces map[string]bool) {
	known, spaces = map[processKey]bool{}, map[string]bool{}
	for _, p := range all {
		known[p.processKey] = true
		for _, link := range p.spaces {
			spaces[link] = true
		}
	}
	for _, link := range threadSpaces() {
		spaces[link] = true
	}
	return known, spaces
}

// threadSpaces finds the namespaces of this process's threads: a goroutine that
// unshared and gave its thread back leaks one.
func threadSpaces() map[string]string {
	found := map[string]string{}
	tasks, _ := filepath.Glob("/proc/self/task/*/ns")
	for _, dir := range tasks {
		for _, link := range spacesOf(dir) {
			found[dir+" "+link] = link
		}
	}
	return found
}

// ours picks the processes that the test is answerable for.
func (l *Ledger) ours(all []process) []process {
	byPID := map[int]process{}
	for _, p := range all {
		byPID[p.pid] = p
	}
	self := byPID[os.Getpid()]
	var found []process
	for _, p := range all {
		if l.known[p.processKey] || p.pid == self.pid || p.isInits() {
			continue
		}
		if descends(p, self.pid, byPID) || l.traced(p, self) {
			found = append(found, p)
		}
	}
	return found
}

// isInits tells a process that has ended, whose parent has too, and that init
// has adopted: what is left of it is init's to collect. One that collects a
// single child for each SIGCHLD keeps some until another one ends, since such
// signals do not queue (signal(7)).
func (p process) isInits() bool { return p.state == "Z" && p.parent == 1 }

func descends(p process, ancestor int, byPID map[int]process) bool {
	for hops := 0; hops < len(byPID) && p.parent > 0; hops++ {
		if p.parent == ancestor {
			return true
		}
		p = byPID[p.parent]
	}
	return false
}

// traced tells a process of the test that has lost its parents.
func (l *Ledger) traced(p, self process) bool {
	exe := strings.TrimSuffix(filepath.Base(p.exe), " (deleted)")
	switch {
	case slices.Contains(strings.Split(string(p.marks), "\x00"), l.Environ()):
		return true
	case strings.HasPrefix(exe, "berth") || strings.HasPrefix(exe, "memfd:berth"):
		return true
	case p.exe != "" && p.exe == self.exe:
		return true
	case strings.Contains(p.cgroup, "berth") && !strings.Contains(self.cgroup, "berth"):
		return true
	}
	// A payload's environment is its image's, and its exe is its own.
	return p.cgroup == self.cgroup && len(l.unknown(p)) > 0
}

// unknown lists the namespaces of p that were not there before.
func (l *Ledger) unknown(p process) []string {
	var links []string
	for _, link := range p.spaces {
		if !l.spaces[link] && !slices.Contains(links, link) {
			links = append(links, link)
		}
	}
	return links
}

func (l *Ledger) newSpaces(ours []process) counts {
	c := counts{}
	for _, p := range ours {
		for _, link := range l.unknown(p) {
			c[fmt.Sprintf("%s, process %d (%s) is in it", link, p.pid, p.name)] = 1
		}
	}
	for key, link := range threadSpaces() {
		if !l.spaces[link] {
			c[fmt.Sprintf("%s, thread %s of the test is in it", link, strings.Split(key, "/")[4])] = 1
		}
	}
	return c
}

func describe(ours []process) counts {
	c := counts{}
	for _, p := range ours {
		command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.pid))
		command = bytes.ReplaceAll(bytes.TrimRight(command, "\x00"), []byte{0}, []byte{' '})
		if len(command) > 120 {
			command = command[:120]
		}
		c[fmt.Sprintf("%d %s, state %s, parent %d: %s", p.pid, p.name, p.state, p.parent, command)] = 1
	}
	return c
}

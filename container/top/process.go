package top

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// userHZ is the unit of processor times in /proc, the same on all architectures
// that Go has.
const userHZ = 100

// Process is what /proc tells of one process.
type Process struct {
	PID int
	// stat are the fields of /proc/PID/stat from the third on, the state
	// (proc_pid_stat(5)), and name is the second.
	stat []string
	name string
	// status are the lines of /proc/PID/status by their first word.
	status map[string]string
	args   []string
	// branch stands in front of the command in a forest.
	branch string
	// age is how long it has been there.
	age time.Duration
	// used is the processor time that a live picture is about, and over how
	// long; from the start on when nothing is known from before.
	used, over time.Duration
}

// errGone is a process that has ended.
var errGone = errors.New("process is gone")

// Read reads processes. Those that have ended meanwhile are left out.
func Read(pids []int) ([]Process, error) {
	var boot unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot); err != nil {
		return nil, fmt.Errorf("read the time since boot: %w", err)
	}
	var list []Process
	for _, pid := range pids {
		p, err := readProcess(pid, time.Duration(boot.Nano()))
		if errors.Is(err, errGone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

// readProcess reads one process, at a time since boot.
func readProcess(pid int, now time.Duration) (Process, error) {
	p := Process{PID: pid}
	stat, err := p.file("stat")
	if err != nil {
		return p, err
	}
	if err := p.parseStat(stat); err != nil {
		return p, err
	}
	status, err := p.file("status")
	if err != nil {
		return p, err
	}
	p.status = map[string]string{}
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(line, ":")
		p.status[key] = strings.TrimSpace(value)
	}
	cmdline, err := p.file("cmdline")
	if err != nil {
		return p, err
	}
	if text := strings.TrimRight(string(cmdline), "\x00"); text != "" {
		p.args = strings.Split(text, "\x00")
	}
	p.age = max(0, now-ticks(p.number(22)))
	p.used, p.over = p.processorTime(), p.age
	return p, nil
}

// file reads one of the process's files.
func (p *Process) file(name string) ([]byte, error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(p.PID) + "/" + name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return nil, errGone
	}
	return data, err
}

// link reads one of the process's links; empty when that is not to be had.
func (p *Process) link(name string) string {
	target, err := os.Readlink("/proc/" + strconv.Itoa(p.PID) + "/" + name)
	if err != nil {
		return ""
	}
	return target
}

// statFields is how many fields a stat line has at least: Linux 5.10's 52, less
// the two in front of the state.
const statFields = 50

// parseStat reads a stat line. The name is in parentheses and may contain
// anything, parentheses too.
func (p *Process) parseStat(line []byte) error {
	open, end := bytes.IndexByte(line, '('), bytes.LastIndexByte(line, ')')
	if open < 0 || end < open {
		return fmt.Errorf("read /proc/%d/stat: no name in it", p.PID)
	}
	p.name = string(line[open+1 : end])
	p.stat = strings.Fields(string(line[end+1:]))
	if len(p.stat) < statFields {
		return fmt.Errorf("read /proc/%d/stat: %d fields", p.PID, len(p.stat)+2)
	}
	return nil
}

// field is a field of the stat line by its number in proc_pid_stat(5).
func (p *Process) field(n int) string { return p.stat[n-3] }

// number is a numeric field; 0 when it is none.
func (p *Process) number(n int) int64 {
	v, err := strconv.ParseInt(p.field(n), 10, 64)
	if err != nil {
		return 0
	}
	return v
}

// words are the values of a line of status.
func (p *Process) words(key string) []string { return strings.Fields(p.status[key]) }

// word is the n-th value of a line of status, "-" when there is none.
func (p *Process) word(key string, n int) string {
	if words := p.words(key); n < len(words) {
		return words[n]
	}
	return "-"
}

func ticks(n int64) time.Duration { return time.Duration(n) * (time.Second / userHZ) }

// processorTime is what the process has used, without its children.
func (p *Process) processorTime() time.Duration { return ticks(p.number(14) + p.number(15)) }

// Since makes the shares of the processor those since an earlier reading, that
// interval ago, for the processes that were there already.
func Since(before, now []Process, interval time.Duration) {
	type identity struct {
		pid   int
		start string
	}
	known := make(map[identity]time.Duration, len(before))
	for i := range before {
		known[identity{before[i].PID, before[i].field(22)}] = before[i].processorTime()
	}
	for i := range now {
		p := &now[i]
		if used, ok := known[identity{p.PID, p.field(22)}]; ok {
			p.used, p.over = p.processorTime()-used, interval
		}
	}
}

// share is the process's share of one processor, in per cent.
func (p *Process) share() float64 {
	if p.over <= 0 {
		return 0
	}
	return 100 * float64(p.used) / float64(p.over)
}

// printable replaces what a terminal would obey.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\uFFFD' {
			return '?'
		}
		return r
	}, s)
}

// command is the process's arguments, or its name in brackets when it has
// none to show, as a zombie.
func (p *Process) command() string {
	text := strings.Join(p.args, " ")
	if text == "" {
		text = "[" + p.name + "]"
	}
	return p.branch + printable(text) + p.defunct()
}

func (p *Process) comm() string { return p.branch + printable(p.name) + p.defunct() }

func (p *Process) defunct() string {
	if p.field(3) == "Z" {
		return " <defunct>"
	}
	return ""
}

package top

import (
	"os"
	"strconv"
	"strings"
)

// line is one of the process's files on one line.
func (p *Process) line(name string) string {
	data, err := p.file(name)
	if err != nil {
		return "-"
	}
	text := strings.TrimRight(string(data), "\x00\n")
	return orDash(printable(strings.ReplaceAll(text, "\n", ",")))
}

// wchan is the function of the kernel that the process sleeps in.
func wchan(p *Process) string {
	if name := p.line("wchan"); name != "0" {
		return name
	}
	return "-"
}

// terminal names the process's terminal by its device number (tty_nr, as in
// Documentation/admin-guide/devices.txt).
func (p *Process) terminal() string {
	n := p.number(7)
	major, minor := n>>8&0xfff, n&0xff|n>>12&0xfff00
	switch {
	case n == 0:
		return "?"
	case major >= 136 && major <= 143:
		return "pts/" + strconv.FormatInt((major-136)<<20|minor, 10)
	case major == 4 && minor < 64:
		return "tty" + strconv.FormatInt(minor, 10)
	case major == 4:
		return "ttyS" + strconv.FormatInt(minor-64, 10)
	case major == 5 && minor == 1:
		return "console"
	}
	return strconv.FormatInt(major, 10) + ":" + strconv.FormatInt(minor, 10)
}

// stateLetters is the state with ps's additions: priority, locked memory,
// session leader, threads, foreground.
func (p *Process) stateLetters() string {
	s := p.field(3)
	switch nice := p.number(19); {
	case nice < 0:
		s += "<"
	case nice > 0:
		s += "N"
	}
	if p.word("VmLck", 0) != "0" && p.word("VmLck", 0) != "-" {
		s += "L"
	}
	if p.number(6) == int64(p.PID) {
		s += "s"
	}
	if p.number(20) > 1 {
		s += "l"
	}
	if p.number(8) == p.number(5) {
		s += "+"
	}
	return s
}

// resident is the process's memory in KiB.
func (p *Process) resident() string {
	return kibibytes(p.number(24) * int64(os.Getpagesize()))
}

func kibibytes(bytes int64) string { return strconv.FormatInt(bytes>>10, 10) }

func pages(bytes int64) string { return strconv.FormatInt(bytes/int64(os.Getpagesize()), 10) }

// realtimePriority is "-" for what is not scheduled in real time.
func realtimePriority(p *Process) string {
	if n := p.field(40); n != "0" {
		return n
	}
	return "-"
}

// schedulingClass is ps's name for a policy (sched(7)).
func schedulingClass(p *Process) string {
	classes := []string{"TS", "FF", "RR", "B", "ISO", "IDL", "DLN"}
	if n := p.number(41); n >= 0 && n < int64(len(classes)) {
		return classes[n]
	}
	return "?"
}

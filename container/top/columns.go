package top

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// column is one column: its heading, and what it shows of a process.
type column struct {
	title string
	show  func(*picture, *Process) string
}

// stat shows a field of /proc/PID/stat.
func stat(title string, n int) column {
	return column{title, func(_ *picture, p *Process) string { return p.field(n) }}
}

// status shows a word of a line of /proc/PID/status.
func status(title, key string, n int) column {
	return column{title, func(_ *picture, p *Process) string { return p.word(key, n) }}
}

// of shows what a method of the process returns.
func of(title string, show func(*Process) string) column {
	return column{title, func(_ *picture, p *Process) string { return show(p) }}
}

// The four ids of a line of status, in this order.
const (
	realID = iota
	effectiveID
	savedID
	fileID
)

func userColumn(title string, which int) column {
	return column{title, func(pic *picture, p *Process) string { return pic.names.user(p.word("Uid", which)) }}
}

func groupColumn(title string, which int) column {
	return column{title, func(pic *picture, p *Process) string { return pic.names.group(p.word("Gid", which)) }}
}

func namespace(title, name string) column {
	return of(title, func(p *Process) string {
		_, id, _ := strings.Cut(strings.TrimSuffix(p.link("ns/"+name), "]"), "[")
		if id == "" {
			return "-"
		}
		return id
	})
}

// known are the columns by ps's words for them.
func known() map[string]column {
	all := map[string]column{}
	for _, part := range []map[string]column{idColumns(), commandColumns(), timeColumns(), loadColumns(), signalColumns(), namespaceColumns()} {
		maps.Copy(all, part)
	}
	for name, same := range synonyms() {
		all[name] = all[same]
	}
	return all
}

// Columns lists the words that -o understands.
func Columns() []string { return slices.Sorted(maps.Keys(known())) }

// synonyms are words for the same column, heading included.
func synonyms() map[string]string {
	return map[string]string{
		"%cpu": "pcpu", "%mem": "pmem", "nice": "ni", "uname": "user", "ucomm": "comm", "command": "args", "cputime": "time",
		"tt": "tty", "state": "s", "flag": "f", "flags": "f", "session": "sess", "rssize": "rss", "vsize": "vsz", "class": "cls", "pol": "policy",
		"blocked": "sigmask", "catched": "caught", "ignored": "sigignore", "sig": "pending", "times": "cputimes",
	}
}

func idColumns() map[string]column {
	return map[string]column{
		"pid": of("PID", func(p *Process) string { return strconv.Itoa(p.PID) }), "ppid": stat("PPID", 4),
		"pgid": stat("PGID", 5), "pgrp": stat("PGRP", 5), "sid": stat("SID", 6), "sess": stat("SESS", 6),
		"tpgid": stat("TPGID", 8), "tgid": status("TGID", "Tgid", 0), "lwp": of("LWP", func(p *Process) string { return strconv.Itoa(p.PID) }),
		"uid": status("UID", "Uid", effectiveID), "euid": status("EUID", "Uid", effectiveID), "ruid": status("RUID", "Uid", realID),
		"suid": status("SUID", "Uid", savedID), "fuid": status("FUID", "Uid", fileID),
		"gid": status("GID", "Gid", effectiveID), "egid": status("EGID", "Gid", effectiveID), "rgid": status("RGID", "Gid", realID),
		"sgid": status("SGID", "Gid", savedID), "fgid": status("FGID", "Gid", fileID),
		"user": userColumn("USER", effectiveID), "euser": userColumn("EUSER", effectiveID), "ruser": userColumn("RUSER", realID),
		"suser": userColumn("SUSER", savedID), "fuser": userColumn("FUSER", fileID),
		"group": groupColumn("GROUP", effectiveID), "egroup": groupColumn("EGROUP", effectiveID), "rgroup": groupColumn("RGROUP", realID),
		"sgroup": groupColumn("SGROUP", savedID), "fgroup": groupColumn("FGROUP", fileID),
		"supgid": of("SUPGID", func(p *Process) string { return orDash(strings.Join(p.words("Groups"), ",")) }),
		"nspid":  of("NSPID", func(p *Process) string { return orDash(lastOf(p.words("NSpid"))) }),
	}
}

func commandColumns() map[string]column {
	return map[string]column{
		"args": of("COMMAND", (*Process).command), "cmd": of("CMD", (*Process).command),
		"comm": of("COMMAND", (*Process).comm), "ucmd": of("CMD", (*Process).comm), "fname": of("COMMAND", (*Process).comm),
		"exe":    of("EXE", func(p *Process) string { return orDash(printable(p.link("exe"))) }),
		"label":  of("LABEL", func(p *Process) string { return p.line("attr/current") }),
		"cgroup": of("CGROUP", func(p *Process) string { return p.line("cgroup") }),
		"wchan":  of("WCHAN", wchan), "tty": of("TT", (*Process).terminal), "tname": of("TTY", (*Process).terminal),
		"stat": of("STAT", (*Process).stateLetters), "s": stat("S", 3),
	}
}

func loadColumns() map[string]column {
	return map[string]column{
		"pcpu": of("%CPU", func(p *Process) string { return fmt.Sprintf("%.1f", p.share()) }),
		"c":    of("C", func(p *Process) string { return strconv.Itoa(min(99, int(p.share()))) }),
		"pmem": {"%MEM", func(pic *picture, p *Process) string { return fmt.Sprintf("%.1f", pic.memoryShare(p)) }},
		"rss":  of("RSS", (*Process).resident), "rsz": of("RSZ", (*Process).resident), "vsz": of("VSZ", func(p *Process) string { return kibibytes(p.number(23)) }),
		"sz": of("SZ", func(p *Process) string { return pages(p.number(23)) }), "size": status("SIZE", "VmData", 0),
		"ni": stat("NI", 19), "psr": stat("PSR", 39), "rtprio": of("RTPRIO", realtimePriority),
		"pri": of("PRI", func(p *Process) string { return strconv.FormatInt(39-p.number(18), 10) }), "priority": stat("PRI", 18),
		"opri": of("PRI", func(p *Process) string { return strconv.FormatInt(60+p.number(18), 10) }),
		"cls":  of("CLS", schedulingClass), "policy": of("POL", schedulingClass),
		"nlwp": stat("NLWP", 20), "thcount": stat("THCNT", 20), "min_flt": stat("MINFL", 10), "maj_flt": stat("MAJFL", 12),
		"f": of("F", func(p *Process) string { return strconv.FormatInt(p.number(9)>>6&7, 8) }), "addr": of("ADDR", func(*Process) string { return "-" }),
	}
}

func signalColumns() map[string]column {
	return map[string]column{
		"pending": status("PENDING", "SigPnd", 0), "sigmask": status("BLOCKED", "SigBlk", 0), "sigignore": status("IGNORED", "SigIgn", 0), "caught": status("CAUGHT", "SigCgt", 0),
		"capeff": status("CAPEFF", "CapEff", 0), "capprm": status("CAPPRM", "CapPrm", 0), "capinh": status("CAPINH", "CapInh", 0),
		"capbnd": status("CAPBND", "CapBnd", 0), "capamb": status("CAPAMB", "CapAmb", 0),
		"seccomp": status("SECCOMP", "Seccomp", 0), "nnp": status("NNP", "NoNewPrivs", 0),
	}
}

func namespaceColumns() map[string]column {
	return map[string]column{
		"cgroupns": namespace("CGROUPNS", "cgroup"), "ipcns": namespace("IPCNS", "ipc"), "mntns": namespace("MNTNS", "mnt"), "netns": namespace("NETNS", "net"),
		"pidns": namespace("PIDNS", "pid"), "timens": namespace("TIMENS", "time"), "userns": namespace("USERNS", "user"), "utsns": namespace("UTSNS", "uts"),
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func lastOf(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[len(list)-1]
}

package oci

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
)

// clockTicks is USER_HZ: what /proc counts processor time in, on every
// architecture that berth is built for (proc_pid_stat(5)).
const clockTicks = 100

// printProcesses is a small ps for hosts that have none: the columns that mean
// something without a user database and a clock.
func printProcesses(to io.Writer, proc string, pids []int) error {
	w := tabwriter.NewWriter(to, 0, 8, 2, ' ', 0)
	fmt.Fprint(w, "UID\tPID\tPPID\tTIME\tCMD\n")
	for _, pid := range pids {
		row, err := processRow(proc, pid)
		if os.IsNotExist(err) {
			continue // ended meanwhile
		}
		if err != nil {
			return err
		}
		fmt.Fprintln(w, row)
	}
	return w.Flush()
}

func processRow(proc string, pid int) (string, error) {
	dir := proc + "/" + strconv.Itoa(pid)
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return "", err
	}
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return "", err
	}
	cmd, err := os.ReadFile(dir + "/cmdline")
	if err != nil {
		return "", err
	}
	name, ppid, ticks, err := parseStat(string(stat))
	if err != nil {
		return "", fmt.Errorf("read %s/stat: %w", dir, err)
	}
	// Arguments are anybody's bytes; a tab or a line break would make rows.
	words := strings.ToValidUTF8(string(bytes.ReplaceAll(bytes.TrimRight(cmd, "\x00"), []byte{0}, []byte{' '})), "?")
	if words == "" {
		words = "[" + name + "]"
	}
	words = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, words)
	seconds := ticks / clockTicks
	return fmt.Sprintf("%s\t%d\t%s\t%02d:%02d:%02d\t%s", realUID(string(status)), pid, ppid, seconds/3600, seconds/60%60, seconds%60, words), nil
}

// realUID is the first number of the line Uid of /proc/PID/status.
func realUID(status string) string {
	_, rest, _ := strings.Cut(status, "\nUid:")
	if fields := strings.Fields(rest); len(fields) > 0 {
		return fields[0]
	}
	return "?"
}

// parseStat reads name, parent and processor time from /proc/PID/stat. The name
// stands in parentheses and may contain some itself (proc_pid_stat(5)).
func parseStat(stat string) (name, ppid string, ticks uint64, err error) {
	from, to := strings.IndexByte(stat, '('), strings.LastIndexByte(stat, ')')
	if from < 0 || to < from {
		return "", "", 0, fmt.Errorf("no name in %q", stat)
	}
	fields := strings.Fields(stat[to+1:]) // from field 3, the state
	if len(fields) < 13 {
		return "", "", 0, fmt.Errorf("%d fields behind the name, want 13", len(fields))
	}
	for _, field := range fields[11:13] { // utime and stime
		n, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			return "", "", 0, fmt.Errorf("read time %q: %w", field, simplify(err))
		}
		ticks += n
	}
	return stat[from+1 : to], fields[1], ticks, nil
}

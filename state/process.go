package state

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// bootIDPath holds a UUID that the kernel draws once per boot (random(4)).
const bootIDPath = "/proc/sys/kernel/random/boot_id"

// Process names one process for good: pids are reused within a boot, and
// start times repeat across boots. The zero value names no process.
type Process struct {
	PID int `json:"pid"`
	// StartTime is in clock ticks since boot: /proc/PID/stat, field 22.
	StartTime uint64 `json:"start_time"`
	BootID    string `json:"boot_id"`
}

// BootID returns the kernel's boot_id, 36 characters.
func BootID() (string, error) {
	var buf [64]byte
	data, err := readProc(bootIDPath, buf[:])
	if err != nil {
		return "", err
	}
	id := string(bytes.TrimSpace(data))
	if len(id) != 36 {
		return "", fmt.Errorf("read %s: unexpected %q", bootIDPath, id)
	}
	return id, nil
}

// Self names the calling process.
func Self() (Process, error) { return ProcessOf(os.Getpid()) }

// ProcessOf names the process that has this pid now. ErrProcessGone when there
// is none.
func ProcessOf(pid int) (Process, error) {
	boot, err := BootID()
	if err != nil {
		return Process{}, err
	}
	st, err := readStat(pid)
	if err != nil {
		return Process{}, err
	}
	return Process{PID: pid, StartTime: st.start, BootID: boot}, nil
}

// Alive reports whether the process still runs: same boot, same start time,
// not a zombie.
func (p Process) Alive() bool {
	if p.PID <= 0 {
		return false
	}
	boot, err := BootID()
	return err == nil && p.AliveIn(boot)
}

// AliveIn is Alive for a boot_id that the caller has read: listing many
// containers reads it once, and tests play a reboot with it.
func (p Process) AliveIn(boot string) bool {
	if p.PID <= 0 || p.BootID != boot {
		return false
	}
	st, err := readStat(p.PID)
	return err == nil && st.start == p.StartTime && st.running()
}

// Pidfd opens a descriptor (close-on-exec) through which exactly this process
// can be signalled and waited for. ErrProcessGone when it has ended.
func (p Process) Pidfd() (int, error) {
	if p.PID <= 0 {
		return -1, fmt.Errorf("open pidfd of pid %d: %w", p.PID, ErrProcessGone)
	}
	fd, err := unix.PidfdOpen(p.PID, 0)
	// EINVAL and, in newer kernels, ENOENT: the pid now is a thread's.
	if err == unix.ESRCH || err == unix.EINVAL || err == unix.ENOENT {
		err = ErrProcessGone
	}
	if err != nil {
		return -1, fmt.Errorf("pidfd_open pid %d: %w", p.PID, err)
	}
	// Checked after opening: the descriptor cannot move on to another process,
	// and p is older than it. Had the pid been recycled before the open, or
	// between the open and this check, the start time would differ. (Only a pid
	// reused within the same clock tick, 10 ms, would not be told apart.)
	if !p.Alive() {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("open pidfd of pid %d: %w", p.PID, ErrProcessGone)
	}
	return fd, nil
}

// Signal sends sig to exactly this process. ErrProcessGone when it has ended.
func (p Process) Signal(sig unix.Signal) error {
	fd, err := p.Pidfd()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	err = unix.PidfdSendSignal(fd, sig, nil, 0)
	if err == unix.ESRCH {
		err = ErrProcessGone
	}
	if err != nil {
		return fmt.Errorf("pidfd_send_signal %s to pid %d: %w", unix.SignalName(sig), p.PID, err)
	}
	return nil
}

// stat is what berth needs of /proc/PID/stat (proc_pid_stat(5)).
type stat struct {
	state   byte   // field 3
	threads int    // field 20
	start   uint64 // field 22
}

// running is false for a zombie. A process whose first thread has exited while
// others go on shows Z, too, and counts more than one thread.
func (s stat) running() bool {
	return s.state != 'Z' && s.state != 'X' && s.state != 'x' || s.threads > 1
}

func readStat(pid int) (stat, error) {
	path := "/proc/" + strconv.Itoa(pid) + "/stat"
	// 52 numbers of at most 20 digits and a name of at most 64 bytes.
	var buf [2048]byte
	data, err := readProc(path, buf[:])
	// ESRCH: it ended between the open and the read.
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return stat{}, fmt.Errorf("read %s: %w", path, ErrProcessGone)
	}
	if err != nil {
		return stat{}, err
	}
	st, err := parseStat(data)
	if err != nil {
		return stat{}, fmt.Errorf("parse %s: %w", path, err)
	}
	return st, nil
}

// parseStat parses the line of /proc/PID/stat. The second field, the command
// name in parentheses, may itself hold spaces, parentheses and newlines, but
// nothing after it holds a parenthesis: fields are counted from the last one.
func parseStat(line []byte) (stat, error) {
	end := bytes.LastIndexByte(line, ')')
	if end < 0 {
		return stat{}, fmt.Errorf("no command name in %q", line)
	}
	fields := bytes.Fields(line[end+1:])
	const first = 3 // number of the field after the name
	if len(fields) <= 22-first || len(fields[0]) != 1 {
		return stat{}, fmt.Errorf("too few fields in %q", line)
	}
	threads, err := strconv.Atoi(string(fields[20-first]))
	if err != nil {
		return stat{}, fmt.Errorf("thread count: %w", err)
	}
	start, err := strconv.ParseUint(string(fields[22-first]), 10, 64)
	if err != nil {
		return stat{}, fmt.Errorf("start time: %w", err)
	}
	return stat{state: fields[0][0], threads: threads, start: start}, nil
}

// readProc reads a small file of procfs, which comes in one piece, into buf.
func readProc(path string, buf []byte) ([]byte, error) {
	fd, err := open(path, unix.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	n := 0
	err = retry(func() (err error) { n, err = unix.Read(fd, buf); return err })
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: path, Err: err}
	}
	return buf[:n], nil
}

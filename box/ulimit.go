package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
	"mvdan.cc/sh/v3/interp"
)

// limit is one resource of ulimit: its letter, what it counts, and the unit that
// the shell shows it in.
type limit struct {
	letter   byte
	resource int
	unit     uint64
	name     string
}

func limits() []limit {
	return []limit{
		{'c', unix.RLIMIT_CORE, 512, "core file size (blocks)"}, {'d', unix.RLIMIT_DATA, 1024, "data seg size (kbytes)"},
		{'f', unix.RLIMIT_FSIZE, 512, "file size (blocks)"}, {'l', unix.RLIMIT_MEMLOCK, 1024, "max locked memory (kbytes)"},
		{'m', unix.RLIMIT_RSS, 1024, "max memory size (kbytes)"}, {'n', unix.RLIMIT_NOFILE, 1, "open files"},
		{'p', unix.RLIMIT_NPROC, 1, "max user processes"}, {'s', unix.RLIMIT_STACK, 1024, "stack size (kbytes)"},
		{'t', unix.RLIMIT_CPU, 1, "cpu time (seconds)"}, {'v', unix.RLIMIT_AS, 1024, "virtual memory (kbytes)"},
	}
}

func ulimit(hc interp.HandlerContext, args []string) error {
	hard, soft, all, letter, value := false, false, false, byte('f'), ""
	for _, a := range args {
		if !strings.HasPrefix(a, "-") {
			value = a
			continue
		}
		for i := 1; i < len(a); i++ {
			switch a[i] {
			case 'H':
				hard = true
			case 'S':
				soft = true
			case 'a':
				all = true
			default:
				letter = a[i]
			}
		}
	}
	known := false
	for _, l := range limits() {
		if !all && l.letter != letter {
			continue
		}
		known = true
		if value != "" {
			return setLimit(l, value, hard, soft)
		}
		var r unix.Rlimit
		if err := getLimit(l.resource, &r); err != nil {
			return err
		}
		n := r.Cur
		if hard {
			n = r.Max
		}
		text := "unlimited"
		if n != unix.RLIM_INFINITY {
			text = strconv.FormatUint(n/l.unit, 10)
		}
		if all {
			text = fmt.Sprintf("%-32s (-%c) %s", l.name, l.letter, text)
		}
		fmt.Fprintln(hc.Stdout, text)
	}
	if !known {
		return fmt.Errorf("ulimit: unknown option -%c", letter)
	}
	return nil
}

// setLimit sets both limits unless one is asked for.
func setLimit(l limit, value string, hard, soft bool) error {
	var r unix.Rlimit
	if err := unix.Getrlimit(l.resource, &r); err != nil {
		return err
	}
	n := uint64(unix.RLIM_INFINITY)
	if value != "unlimited" {
		v, err := strconv.ParseUint(value, 10, 50)
		if err != nil {
			return fmt.Errorf("ulimit: bad number %q", value)
		}
		n = v * l.unit
	}
	if soft || !hard {
		r.Cur = n
	}
	if hard || !soft {
		r.Max = n
	}
	if err := unix.Setrlimit(l.resource, &r); err != nil {
		return fmt.Errorf("ulimit: %w", err)
	}
	return nil
}

// getLimit is getrlimit(2), but for the number of open files: Go's runtime raises
// its own when it starts and gives children the original. So that is read from a
// child, stopped at its first instruction.
func getLimit(resource int, r *unix.Rlimit) error {
	if resource != unix.RLIMIT_NOFILE {
		return unix.Getrlimit(resource, r)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p, err := os.StartProcess("/proc/self/exe", []string{"true"}, &os.ProcAttr{Sys: &syscall.SysProcAttr{Ptrace: true}})
	if err != nil {
		return unix.Getrlimit(resource, r)
	}
	var ws unix.WaitStatus
	_, err = unix.Wait4(p.Pid, &ws, 0, nil)
	if err == nil {
		err = unix.Prlimit(p.Pid, resource, nil, r)
	}
	_ = p.Kill()
	_, _ = p.Wait()
	return err
}

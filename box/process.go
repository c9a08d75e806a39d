package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func processApplets() map[string]applet {
	return map[string]applet{
		"sleep": sleep, "kill": kill, "ps": ps, "pidof": pidof, "timeout": timeout, "nohup": nohup, "time": timed,
	}
}

// replace turns this process into another program.
func (c *call) replace(argv []string) int {
	path, err := exec.LookPath(argv[0])
	if err == nil {
		c.out.Flush()
		err = &os.PathError{Op: "exec", Path: path, Err: unix.Exec(path, argv, os.Environ())}
	}
	c.fail(err)
	return execCode(err)
}

// execCode is the shells' exit code for a program that did not start.
func execCode(err error) int {
	if errors.Is(err, os.ErrPermission) {
		return 126
	}
	return 127
}

func parseDuration(s string) (time.Duration, error) {
	if s == "infinity" || s == "inf" {
		return 1<<63 - 1, nil
	}
	if n, err := strconv.ParseFloat(s, 64); err == nil && n >= 0 {
		return time.Duration(n * float64(time.Second)), nil
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		return time.Duration(n * 24 * float64(time.Hour)), err
	}
	return time.ParseDuration(s)
}

func sleep(c *call, args []string) int {
	if len(args) == 0 {
		return c.usage("SECONDS…")
	}
	var total time.Duration
	for _, a := range args {
		d, err := parseDuration(a)
		if err != nil {
			return c.fail(fmt.Errorf("invalid time interval %q", a))
		}
		total += d
	}
	if os.Getpid() == 1 {
		// As with any program, a signal without a handler does not end process 1;
		// Go's runtime would install one and exit.
		signal.Notify(make(chan os.Signal, 1), unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT)
	}
	time.Sleep(total)
	return 0
}

// parseSignal reads a number or a name with or without SIG.
func parseSignal(s string) (unix.Signal, error) {
	if n, err := strconv.Atoi(s); err == nil && n >= 0 && n <= 64 {
		return unix.Signal(n), nil
	}
	name := strings.ToUpper(s)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if n := unix.SignalNum(name); n != 0 {
		return n, nil
	}
	return 0, fmt.Errorf("%s: invalid signal specification", s)
}

func kill(c *call, args []string) int {
	sig := unix.SIGTERM
	if len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' && args[0] != "--" {
		word := args[0][1:]
		args = args[1:]
		if word == "l" {
			for n := 1; n <= 31; n++ {
				fmt.Fprintf(c.out, "%d %s\n", n, strings.TrimPrefix(unix.SignalName(unix.Signal(n)), "SIG"))
			}
			return 0
		}
		if word == "s" && len(args) > 0 {
			word, args = args[0], args[1:]
		}
		var err error
		if sig, err = parseSignal(word); err != nil {
			return c.fail(err)
		}
	}
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		return c.usage("[-SIGNAL] PID…")
	}
	return c.forAll(args, func(a string) error {
		pid, err := strconv.Atoi(a)
		if err != nil {
			return fmt.Errorf("%q is not a pid", a)
		}
		if err := send(pid, sig); err != nil {
			return fmt.Errorf("%d: %w", pid, err)
		}
		return nil
	})
}

// process is what ps shows (proc_pid_stat(5)).
type process struct {
	pid, ppid, uid int
	state, tty     string
	command        []string
	comm           string
}

func processes() ([]process, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	var list []process
	for _, dir := range dirs {
		stat, err := os.ReadFile(dir + "/stat")
		if err != nil {
			continue // it has ended
		}
		open, shut := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
		rest := strings.Fields(string(stat[shut+1:]))
		if open < 0 || shut < open || len(rest) < 5 {
			continue
		}
		p := process{state: rest[0], comm: string(stat[open+1 : shut]), tty: "?"}
		p.pid, _ = strconv.Atoi(filepath.Base(dir))
		p.ppid, _ = strconv.Atoi(rest[1])
		if n, _ := strconv.Atoi(rest[4]); n != 0 {
			p.tty = fmt.Sprintf("%d,%d", unix.Major(uint64(n)), unix.Minor(uint64(n)))
		}
		if fi, err := os.Stat(dir); err == nil {
			p.uid = int(fi.Sys().(*syscall.Stat_t).Uid)
		}
		if line, err := os.ReadFile(dir + "/cmdline"); err == nil && len(line) > 0 {
			p.command = strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")
		}
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b process) int { return a.pid - b.pid })
	return list, nil
}

func ps(c *call, args []string) int {
	list, err := processes()
	if err != nil {
		return c.fail(err)
	}
	columns := []string{"pid", "user", "stat", "args"}
	for i, a := range args {
		if a == "-o" && i+1 < len(args) {
			columns = strings.Split(args[i+1], ",")
		}
	}
	var titles []string
	for _, col := range columns {
		titles = append(titles, strings.ToUpper(strings.TrimSuffix(col, "=")))
	}
	if strings.Trim(strings.Join(titles, ""), " ") != "" && !strings.HasSuffix(columns[0], "=") {
		fmt.Fprintln(c.out, row(columns, titles))
	}
	for _, p := range list {
		command := strings.Join(p.command, " ")
		if command == "" {
			command = "[" + p.comm + "]"
		}
		var cells []string
		for _, col := range columns {
			switch strings.TrimSuffix(col, "=") {
			case "pid":
				cells = append(cells, strconv.Itoa(p.pid))
			case "ppid":
				cells = append(cells, strconv.Itoa(p.ppid))
			case "user":
				cells = append(cells, userName(p.uid))
			case "uid":
				cells = append(cells, strconv.Itoa(p.uid))
			case "stat", "state":
				cells = append(cells, p.state)
			case "comm":
				cells = append(cells, p.comm)
			case "tty":
				cells = append(cells, p.tty)
			case "args", "cmd", "command":
				cells = append(cells, command)
			default:
				return c.fail(fmt.Errorf("unknown column %q", col))
			}
		}
		fmt.Fprintln(c.out, row(columns, cells))
	}
	return 0
}

func row(columns, cells []string) string {
	var b strings.Builder
	for i, cell := range cells {
		switch {
		case i == len(cells)-1:
			b.WriteString(cell)
		case strings.HasSuffix(strings.TrimSuffix(columns[i], "="), "id"):
			fmt.Fprintf(&b, "%5s ", cell)
		default:
			fmt.Fprintf(&b, "%-8s ", cell)
		}
	}
	return b.String()
}

func pidof(c *call, args []string) int {
	list, err := processes()
	if err != nil {
		return c.fail(err)
	}
	var found []string
	for _, p := range list {
		if slices.Contains(args, p.comm) || len(p.command) > 0 && slices.Contains(args, filepath.Base(p.command[0])) {
			found = append(found, strconv.Itoa(p.pid))
		}
	}
	if len(found) == 0 {
		return 1
	}
	fmt.Fprintln(c.out, strings.Join(found, " "))
	return 0
}

// timeout runs a command and ends it after a while: 124, as in coreutils.
func timeout(c *call, args []string) int {
	_, v, rest, err := c.flags(args, "", "s")
	if err != nil {
		return c.fail(err)
	}
	if len(rest) < 2 {
		return c.usage("[-s SIGNAL] SECONDS COMMAND…")
	}
	sig := unix.SIGTERM
	if v['s'] != "" {
		if sig, err = parseSignal(v['s']); err != nil {
			return c.fail(err)
		}
	}
	d, err := parseDuration(rest[0])
	if err != nil {
		return c.fail(err)
	}
	cmd := child(rest[1:])
	if err := cmd.Start(); err != nil {
		c.fail(err)
		return execCode(err)
	}
	expired := make(chan bool, 1)
	timer := time.AfterFunc(d, func() { expired <- true; _ = cmd.Process.Signal(sig) })
	code := exitCode(cmd.Wait())
	if !timer.Stop() && len(expired) > 0 {
		return 124
	}
	return code
}

func child(argv []string) *exec.Cmd {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd
}

// exitCode is a shell's view of how a child ended.
func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			return 128 + int(ws.Signal())
		}
		return exit.ExitCode()
	}
	return execCode(err)
}

func nohup(c *call, args []string) int {
	if len(args) == 0 {
		return c.usage("COMMAND…")
	}
	signal.Ignore(unix.SIGHUP)
	return c.replace(args)
}

func timed(c *call, args []string) int {
	if len(args) == 0 {
		return c.usage("COMMAND…")
	}
	start := time.Now()
	cmd := child(args)
	err := cmd.Run()
	if cmd.ProcessState == nil {
		c.fail(err)
		return execCode(err)
	}
	fmt.Fprintf(c.err, "real\t%.3fs\nuser\t%.3fs\nsys\t%.3fs\n", time.Since(start).Seconds(),
		cmd.ProcessState.UserTime().Seconds(), cmd.ProcessState.SystemTime().Seconds())
	return exitCode(err)
}

// send sends a signal. One to the shell itself must have arrived when kill is
// over, as it has in a program with one thread: it goes to this very thread.
func send(pid int, sig unix.Signal) error {
	if pid != os.Getpid() {
		return unix.Kill(pid, sig)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return unix.Tgkill(pid, unix.Gettid(), sig)
}

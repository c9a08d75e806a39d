package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/container/attach"
	"berth/state"
)

// A container that outlives the command that starts it has a monitor: this
// binary again, in a session of its own. The two talk over a socket until the
// payload runs:
//
//	command                               monitor
//	  start process, descriptor 3  ------->
//	        <------------------------------ "listening" (or an error)
//	  (attach, when it will stay)
//	  "go" -------------------------------->
//	        <------------------------------ "started", or an error
//
// A monitor whose command goes away before "go" starts nothing.

// MonitorName is argv[0] of a monitor.
const MonitorName = "berth-monitor"

// monitorFd is the socket to the command.
const monitorFd = 3

// report is what a monitor says.
type report struct {
	Stage string `json:"stage"`
	// Code and Error tell of a failure, as StartError does.
	Code  int    `json:"code,omitempty"`
	Error string `json:"error,omitempty"`
}

// Start starts a container that was created before, and returns once its
// payload runs. Starting what runs is no error.
func (e *Engine) Start(ctx context.Context, ref string) error {
	v, err := e.Get(ctx, ref)
	if err != nil {
		return err
	}
	switch v.Status {
	case Running:
		return nil
	case Paused:
		return errStartPaused
	case Restarting:
		if began, err := e.hurry(ctx, v); began || err != nil {
			return err
		}
	}
	m, err := e.launch(v.ID, Stdio{})
	if err != nil {
		return &StartError{Code: 125, Err: err}
	}
	defer m.close()
	if err := m.start(); !errors.Is(err, errStarted) {
		return err
	}
	// Another command was faster: its run is as good.
	_, err = e.awaitPayload(ctx, v.ID)
	return err
}

// errStartPaused is docker's advice.
var errStartPaused = errors.New("cannot start a paused container, try unpause instead")

// StartAttached is Start for a command that stays: it attaches first, so that
// nothing that the payload prints is lost.
func (e *Engine) StartAttached(ctx context.Context, ref string, o AttachOptions, stdio Stdio) (code int, detached bool, err error) {
	v, err := e.Get(ctx, ref)
	if err != nil {
		return 0, false, err
	}
	switch v.Status {
	case Running:
		return e.Attach(ctx, ref, o, stdio)
	case Paused:
		return 0, false, errStartPaused
	case Restarting:
		if began, err := e.hurry(ctx, v); err != nil {
			return 0, false, err
		} else if began {
			return e.Attach(ctx, ref, o, stdio)
		}
	}
	m, err := e.launch(v.ID, stdio)
	if err != nil {
		return 0, false, &StartError{Code: 125, Err: err}
	}
	defer m.close()
	if err := m.expect("listening"); errors.Is(err, errStarted) {
		if _, err := e.awaitPayload(ctx, v.ID); err != nil {
			return 0, false, err
		}
		return e.Attach(ctx, v.ID, o, stdio)
	} else if err != nil {
		return 0, false, err
	}
	client, err := attach.Dial(ctx, e.attachPath(v.ID), clientOptions(v.Config, o, stdio, true))
	if err != nil {
		return 0, false, &StartError{Code: 125, Err: err}
	}
	e.emit(v.Config, "attach")
	if err := m.start(); err != nil {
		_ = client.Close() // the error to report is the start's
		return 0, false, err
	}
	return e.attachEnd(v.Config)(client.Run(ctx))
}

// launcher is the command's end of a monitor.
type launcher struct {
	socket    int
	pid       int
	listening bool
}

// sizeEnv tells a monitor the size of the caller's terminal, as ROWSxCOLUMNS,
// so that the payload's first look finds it.
const sizeEnv = "_BERTH_SIZE"

// launch starts a container's monitor. stdio are the streams of a command that
// stays.
func (e *Engine) launch(id string, stdio Stdio) (*launcher, error) {
	var env []string
	if size, ok := attach.TerminalSize(stdio.Out, stdio.In); ok {
		env = append(env, fmt.Sprintf("%s=%dx%d", sizeEnv, size.Rows, size.Cols))
	}
	lent, files := e.lend()
	return e.launchMonitor(MonitorName, id, append(env, lent...), files...)
}

// launchMonitor starts a monitor, with files as its descriptors behind the
// socket.
func (e *Engine) launchMonitor(name, id string, more []string, files ...uintptr) (*launcher, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make socket for monitor: %w", err)
	}
	defer unix.Close(pair[1])
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		unix.Close(pair[0])
		return nil, fmt.Errorf("open /dev/null: %w", err)
	}
	defer unix.Close(null)
	env := []string{"BERTH_ROOT=" + e.Dirs.Root, "BERTH_RUNROOT=" + e.Dirs.Run, "GOGC=25"}
	env = append(append(env, more...), e.MonitorEnv...)
	stderr := uintptr(null)
	if e.MonitorStderr != nil {
		stderr = e.MonitorStderr.Fd()
	}
	// What the caller left open, an end of a pipe or a lock, is not for a process
	// that stays. Below Linux 5.11 it gets it.
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	pid, err := syscall.ForkExec("/proc/self/exe", []string{name, id}, &syscall.ProcAttr{
		Dir: "/", Env: env, Files: append([]uintptr{uintptr(null), uintptr(null), stderr, uintptr(pair[1])}, files...),
		Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		unix.Close(pair[0])
		return nil, fmt.Errorf("start monitor: %w", err)
	}
	return &launcher{socket: pair[0], pid: pid}, nil
}

// expect waits for a stage.
func (m *launcher) expect(stage string) error {
	var buf [4096]byte
	n, err := ignoringEINTR(func() (int, error) { return unix.Read(m.socket, buf[:]) })
	if err != nil {
		return &StartError{Code: 125, Err: fmt.Errorf("read from monitor: %w", err)}
	}
	if n == 0 {
		return &StartError{Code: 125, Err: errors.New("the monitor died")}
	}
	var r report
	if err := json.Unmarshal(buf[:n], &r); err != nil {
		return &StartError{Code: 125, Err: fmt.Errorf("read from monitor: %w", err)}
	}
	if r.Error != "" {
		return &StartError{Code: r.Code, Err: errors.New(r.Error)}
	}
	if r.Stage == "started" && stage == "listening" {
		return errStarted // by another command's monitor, not by this one
	}
	if r.Stage != stage {
		return &StartError{Code: 125, Err: fmt.Errorf("monitor says %q, not %q", r.Stage, stage)}
	}
	m.listening = true
	return nil
}

// start tells the monitor to start the payload, and waits until it runs.
func (m *launcher) start() error {
	if !m.listening {
		if err := m.expect("listening"); err != nil {
			return err
		}
	}
	if _, err := unix.Write(m.socket, []byte("go")); err != nil {
		return &StartError{Code: 125, Err: fmt.Errorf("write to monitor: %w", err)}
	}
	return m.expect("started")
}

func (m *launcher) close() { unix.Close(m.socket) }

// ignoringEINTR repeats a call that a signal interrupts.
func ignoringEINTR(f func() (int, error)) (int, error) {
	for {
		n, err := f()
		if err != unix.EINTR {
			return n, err
		}
	}
}

// IsMonitor reports whether this process was started as a monitor: by name,
// and with the descriptor that only launch leaves.
func IsMonitor(args []string) bool {
	if len(args) != 2 || args[0] != MonitorName && args[0] != ExecMonitorName || !state.ValidID(args[1]) {
		return false
	}
	kind, err := unix.GetsockoptInt(monitorFd, unix.SOL_SOCKET, unix.SO_TYPE)
	return err == nil && kind == unix.SOCK_SEQPACKET
}

// Monitor is the life of a monitor process: it supervises the container until
// its end.
func (e *Engine) Monitor(ctx context.Context, id string) error {
	unix.CloseOnExec(monitorFd)
	nameMonitor()
	if err := e.prepare(); err != nil {
		return tell(report{Code: 125, Error: err.Error()})
	}
	c, err := e.load(id)
	if err == nil {
		err = e.LoadSpec(c)
	}
	if err != nil {
		return tell(report{Code: 125, Error: err.Error()})
	}
	c.Spec.Process.ConsoleSize = callersSize(os.Getenv(sizeEnv))
	s := &supervisor{e: e, c: c, detached: true}
	s.streams = &detached{}
	s.started = func() {
		_ = tell(report{Stage: "started"})
		unix.Close(monitorFd)
		e.giveBack()
		// From here on the monitor does next to nothing, for long: it gives
		// back what the start took.
		debug.FreeOSMemory()
	}
	err = s.lives(ctx)
	var start *StartError
	switch {
	case errors.Is(err, errStarted):
		return tell(report{Stage: "started"})
	case errors.As(err, &start):
		return tell(report{Code: start.Code, Error: start.Error()})
	}
	return err
}

// callersSize reads the size of the caller's terminal; nil for none.
func callersSize(text string) *specs.Box {
	var box specs.Box
	if n, _ := fmt.Sscanf(text, "%dx%d", &box.Height, &box.Width); n != 2 {
		return nil
	}
	return &box
}

// nameMonitor has ps and top show what the process is: after an execve of
// /proc/self/exe its name is "exe". The name of the first thread counts, which
// prctl(2) could set from that one only. Without a name all works as well.
func nameMonitor() {
	_ = os.WriteFile("/proc/self/comm", []byte(MonitorName), 0)
}

// tell sends a report to the command. That may be gone: then the report is
// nobody's loss.
func tell(r report) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	if err := unix.Sendto(monitorFd, data, unix.MSG_NOSIGNAL, nil); err != nil {
		return fmt.Errorf("report %s: %w", strconv.Quote(r.Stage), err)
	}
	return nil
}

// awaitGo waits for the command's word.
func awaitGo() error {
	var buf [8]byte
	n, err := ignoringEINTR(func() (int, error) { return unix.Read(monitorFd, buf[:]) })
	if err != nil {
		return fmt.Errorf("wait for the command: %w", err)
	}
	if string(buf[:n]) != "go" {
		return fmt.Errorf("wait for the command: it is gone: %w", os.ErrClosed)
	}
	return nil
}

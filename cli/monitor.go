package cli

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"berth/container"
	"berth/nsenter"
	"berth/state"
)

// traceEnv asks a monitor to print the steps of its container's start, which it
// makes in place of the command, to the stderr that the command lends it.
const traceEnv = "_BERTH_TRACE"

// Monitor supervises one container until its end; it is the other side of
// [container.Engine.Start]. What goes wrong is told to the command that started
// it, and to nobody once that has gone.
func Monitor(ctx context.Context, p Process, id string) int {
	s := newSession(p)
	dirs, err := state.DirsFromEnv(s.getenv)
	if err == nil {
		engine := container.New(dirs)
		engine.Files = container.LentFiles(s.getenv(container.FilesEnv))
		if format := s.getenv(traceEnv); format != "" {
			print := s.traceIn(format)
			engine.Trace = func(plan *nsenter.Plan, results []nsenter.Result) {
				print(plan, results)
				giveBack(s.stdio.Err)
			}
		}
		life := engine.Monitor
		if p.Args[0] == container.ExecMonitorName {
			life = engine.ExecMonitor
		}
		err = life(ctx, id)
	}
	if err != nil {
		fmt.Fprintf(s.err, "%s %s: %v\n", p.Args[0], id, err)
		return 1
	}
	return 0
}

// giveBack lets go of the command's stderr: a monitor that held on to it would
// keep the pipe of `berth run -d --trace 2>&1 | cat` open.
func giveBack(f *os.File) {
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return // a descriptor too many is no reason to fail a start
	}
	defer unix.Close(null)
	_ = unix.Dup3(null, int(f.Fd()), 0)
}

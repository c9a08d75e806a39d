// Command berth runs containers from one binary and without a daemon.
//
// The Go runtime would follow our own cgroup's CPU limit, with a look at it
// every so often: a monitor that waits for days should not wake up for that.
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0
package main

import (
	"context"
	"fmt"
	"os"

	"berth/cli"
	"berth/container"
	"berth/state"
)

// version is set by the linker (Makefile).
var version = "unknown"

func main() {
	ctx := context.Background()
	// A stage that berth started itself is decided on before any flag is read.
	if container.IsMonitor(os.Args) {
		os.Exit(monitor(ctx, os.Args[1]))
	}
	os.Exit(cli.Main(ctx, cli.Process{
		Args:      os.Args,
		LookupEnv: os.LookupEnv,
		Stdio:     container.Stdio{In: os.Stdin, Out: os.Stdout, Err: os.Stderr},
		Version:   version,
	}))
}

// monitor supervises one container until its end. What goes wrong is told to
// the command that started it, and to nobody once that has gone.
func monitor(ctx context.Context, id string) int {
	dirs, err := state.DirsFromEnv(os.Getenv)
	if err == nil {
		err = container.New(dirs).Monitor(ctx, id)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s %s: %v\n", container.MonitorName, id, err)
		return 1
	}
	return 0
}

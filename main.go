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
	"os"

	"berth/cli"
	"berth/cli/oci"
	"berth/container"
)

// version is set by the linker (Makefile).
var version = "unknown"

func main() {
	ctx := context.Background()
	process := cli.Process{
		Args:      os.Args,
		LookupEnv: os.LookupEnv,
		Stdio:     container.Stdio{In: os.Stdin, Out: os.Stdout, Err: os.Stderr},
		Version:   version,
	}
	// A stage that berth started itself is decided on before any flag is read.
	if container.IsMonitor(os.Args) {
		os.Exit(cli.Monitor(ctx, process, os.Args[1]))
	}
	if oci.Claims(os.Args, os.LookupEnv) {
		os.Exit(oci.Main(ctx, oci.Process(process)))
	}
	os.Exit(cli.Main(ctx, process))
}

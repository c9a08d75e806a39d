// Command bench compares berth with crun, runc, bubblewrap, podman, docker and
// containerd.
// It owns what "make bench" prints: one interleaved run, medians and ratios.
// Every command is checked to succeed before it is timed, and what cannot be
// measured is named with the reason. It needs root, and the packages that
// bench/setup.sh installs; README.md tells how to read the result. It is no part
// of berth and no load test: it measures one thing at a time.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

// Exit codes, besides 0.
const (
	exitMissed = 1 // -check, and a target was missed or something left behind
	exitFailed = 2 // nothing was measured
)

type options struct {
	berth  string
	rounds int
	seed   int64
	json   string
	dir    string
	check  bool
	ledger bool
	oci    bool
	pull   bool
	short  bool
	images string
}

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	cancel()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if err != nil {
		return exitFailed
	}
	report, err := compare(ctx, o, stderr)
	if err == nil && o.json != "" {
		err = writeJSON(o.json, report)
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitFailed
	}
	report.print(stdout)
	if !o.check {
		return 0
	}
	for _, t := range report.Targets {
		if t.Known && !t.Met {
			return exitMissed
		}
	}
	if report.Leaks != "" {
		return exitMissed
	}
	return 0
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.berth, "berth", "berth", "the `binary` to compare")
	f.IntVar(&o.rounds, "n", 100, "`rounds`: how often each command is timed")
	f.Int64Var(&o.seed, "seed", 1, "of the order of commands within a round")
	f.StringVar(&o.json, "json", "", "also write the result to a `file`")
	f.StringVar(&o.dir, "dir", "/var/tmp", "`folder` for images and writable layers, not on a tmpfs")
	f.BoolVar(&o.check, "check", false, "exit with 1 when a target is missed or something was left behind")
	f.BoolVar(&o.ledger, "ledger", true, "look for what was left behind; waits for other root tests of berth")
	f.BoolVar(&o.oci, "oci", false, "the OCI runtimes alone: berth oci, crun and runc on the same bundles")
	f.BoolVar(&o.pull, "pull", false, "pulls alone: berth, podman, docker and ctr from a registry of the comparison's own")
	f.StringVar(&o.images, "images", "", "pull only these `names`, with commas between them: debian,python3,sixty,big")
	f.BoolVar(&o.short, "short", false, "20 rounds, fewer of pulls, and no image of 1 GiB")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.short {
		o.rounds = 20
	}
	if f.NArg() > 0 || o.rounds < 1 || o.oci && o.pull {
		f.Usage()
		return o, errors.New("usage")
	}
	if os.Geteuid() != 0 {
		fmt.Fprintln(stderr, "bench: needs root")
		return o, errors.New("not root")
	}
	berth, err := filepath.Abs(o.berth)
	o.berth = berth
	return o, err
}

func writeJSON(path string, r *Report) error {
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

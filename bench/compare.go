package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"berth/tests/ledger"
)

// cleanWithin is how long podman's and docker's leftovers may take to go away.
const cleanWithin = 10 * time.Second

// comparison is one run with all that it started.
type comparison struct {
	opts     options
	work     *workspace
	host     *launcher
	v2       *launcher
	berth    *engine
	engines  []*engine // berth first
	runtimes []*ociRuntime
	oci      []ociBench
	pulls    pullBench
	report   Report
	progress func(format string, args ...any)
}

// compare measures, cleans up and looks for leftovers.
func compare(ctx context.Context, o options, stderr io.Writer) (*Report, error) {
	c := &comparison{opts: o, report: Report{Rounds: o.rounds, Seed: o.seed}}
	begin := time.Now()
	c.progress = func(format string, args ...any) {
		fmt.Fprintf(stderr, "bench: %4.0f s: "+format+"\n", append([]any{time.Since(begin).Seconds()}, args...)...)
	}
	var before *ledger.Ledger
	if o.ledger {
		var err error
		if before, err = ledger.Open(); err != nil {
			return nil, err
		}
		defer before.Close()
	}
	err := c.all(ctx)
	c.report.Machine.LoadAfter = load()
	c.progress("clean up")
	err = errors.Join(err, c.remove())
	if before != nil {
		c.report.Leaks = strings.TrimSpace(before.Wait(cleanWithin))
	}
	if err != nil {
		return nil, err
	}
	c.report.relate()
	if !o.pull {
		c.report.judge()
	}
	if !o.pull && !o.oci {
		c.report.judgeEngines(c.listRow())
	}
	if !o.oci {
		c.report.judgePulls(c.pulls.images)
	}
	return &c.report, nil
}

// all runs the named steps; the first error ends it.
func (c *comparison) all(ctx context.Context) error {
	type step struct {
		name string
		do   func(context.Context) error
	}
	steps := []step{
		{"build the image and the launchers", c.prepare},
		{"time the OCI runtimes alone", c.timeOCI},
		{"start the contenders", c.start},
		{"time run, exec and --version", c.timeStarts},
		{"read the memory of supervisors", c.readMemory},
		{"search for the smallest memory limits", c.searchLimits},
		{"make containers to list, and time ps", c.timeLists},
		{"start a registry", c.startRegistry},
		{"time pulls", c.timePulls},
	}
	switch {
	case c.opts.oci:
		steps = steps[:2]
	case c.opts.pull:
		steps = slices.Delete(steps, 1, len(steps)-2)
	}
	for _, s := range steps {
		c.progress("%s", s.name)
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) prepare(ctx context.Context) error {
	var err error
	if c.work, err = newWorkspace(ctx, c.opts.berth, c.opts.dir); err != nil {
		return err
	}
	c.report.Machine = describeMachine(c.work)
	if c.host, err = newLauncher(onHost); err != nil {
		return err
	}
	c.v2, err = newLauncher(privateCgroup2)
	return err
}

// start brings everyone to the point where a command can be timed. Berth must
// get there; a peer that does not is left out with the reason.
func (c *comparison) start(context.Context) error {
	c.berth = newBerth(c.work, c.host, "state")
	c.engines = []*engine{c.berth}
	if err := c.berth.prepare(c.work); err != nil {
		return err
	}
	for _, e := range []*engine{newPodman(c.work, c.host), newDocker(c.work, c.host)} {
		c.engines = append(c.engines, e)
		if e.absent == "" {
			if err := e.prepare(c.work); err != nil {
				e.absent = err.Error()
			}
		}
	}
	crun, runc := newRuntime(c.work, "crun", c.v2), newRuntime(c.work, "runc", c.host)
	if !hasMemoryController() {
		crun.memory = "no memory controller in the unified hierarchy, the only one this crun works with"
	}
	runc.resources = true
	c.runtimes = []*ociRuntime{crun, runc}
	return nil
}

// starters are the rows of one interleaved measurement, in the report's order.
func (c *comparison) starters() ([]contender, error) {
	open := contender{section: sectionStart, name: rowBerthOpen,
		command: c.berth.run([]string{"--rm", "--security-opt", "seccomp=unconfined"}, "true")}
	list := append(c.berth.contenders(), open)
	for _, r := range c.runtimes {
		rows, err := r.contenders()
		if err != nil {
			return nil, err
		}
		list = append(list, rows...)
	}
	list = append(list, newBubblewrap(c.work, c.host))
	for _, e := range c.engines[1:] {
		list = append(list, e.contenders()...)
	}
	version := func(name, path string) contender {
		return contender{section: sectionVersion, name: name,
			command: command{argv: []string{path, "--version"}, env: os.Environ(), on: c.host}}
	}
	return append(list, version(rowVersion, c.work.berth), version(rowEmpty, c.work.empty)), nil
}

func (c *comparison) timeStarts(ctx context.Context) error {
	list, err := c.starters()
	if err != nil {
		return err
	}
	return c.time(ctx, list, sectionStart, sectionExec, sectionVersion)
}

// time checks, measures and adds rows, section by section.
func (c *comparison) time(ctx context.Context, list []contender, sections ...string) error {
	check(list)
	all, err := measure(ctx, list, c.opts.rounds, c.opts.seed, func(done, all int) {
		if done%20 == 0 || done == all-1 {
			c.progress("round %d of %d", done+1, all)
		}
	})
	if err != nil {
		return err
	}
	for _, section := range sections {
		for i, l := range list {
			if l.section == section {
				c.report.Rows = append(c.report.Rows, Row{Section: section, Name: l.name, Summary: summarize(all[i]), Absent: l.absent})
			}
		}
	}
	return nil
}

func (c *comparison) readMemory(context.Context) error {
	for _, e := range c.engines {
		if e.absent != "" {
			c.addMemory(Row{Name: e.name, Absent: e.absent}, 0, nil)
			continue
		}
		pid, name, err := e.supervisor()
		c.addMemory(Row{Name: e.name, Note: "(" + name + ", one for each container)"}, pid, err)
		if e.daemons == nil {
			continue
		}
		daemons := e.daemons()
		for _, name := range slices.Sorted(maps.Keys(daemons)) {
			c.addMemory(Row{Name: e.name + "'s " + name, Note: "(once)"}, daemons[name], nil)
		}
	}
	return nil
}

func (c *comparison) addMemory(row Row, pid int, err error) {
	row.Section = sectionMemory
	if err == nil && row.Absent == "" {
		row.Bytes, err = privateDirty(pid)
	}
	if err != nil {
		row.Absent = err.Error()
	}
	c.report.Rows = append(c.report.Rows, row)
}

func (c *comparison) timeLists(ctx context.Context) error {
	var list []contender
	for _, e := range c.engines {
		if e.absent == "" {
			c.progress("%s: %d stopped and %d running containers", e.name, e.stopped, e.running)
			if err := e.fill(ctx); err != nil {
				return err
			}
		}
		rows, err := e.lists()
		if err != nil {
			return err
		}
		list = append(list, rows...)
	}
	return c.time(ctx, list, sectionList)
}

// listRow is the row that the promise about ps is about.
func (c *comparison) listRow() string {
	return fmt.Sprintf("berth ps -a (%d stopped, %d running)", c.berth.stopped, c.berth.running)
}

// remove undoes everything in reverse, whatever fails on the way.
func (c *comparison) remove() error {
	errs := []error{c.removeOCI(), c.pulls.remove()}
	for _, r := range c.runtimes {
		errs = append(errs, r.remove())
	}
	for _, e := range c.engines {
		errs = append(errs, e.remove())
	}
	for _, l := range []*launcher{c.host, c.v2} {
		if l != nil {
			l.close()
		}
	}
	if c.work != nil {
		errs = append(errs, c.work.remove())
	}
	return errors.Join(errs...)
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	units "github.com/docker/go-units"

	"berth/cli/option"
	"berth/container"
	"berth/state"
)

// statsRow is a container as stats shows it, with the fields of docker's
// templates and JSON.
type statsRow struct {
	BlockIO, CPUPerc, Container, ID, MemPerc, MemUsage, Name, NetIO, PIDs string
}

const statsColumns = "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}"

func statsListing() listing[statsRow] {
	return listing[statsRow]{
		headings: statsRow{
			BlockIO: "BLOCK I/O", CPUPerc: "CPU %", Container: "CONTAINER", ID: "CONTAINER ID", MemPerc: "MEM %",
			MemUsage: "MEM USAGE / LIMIT", Name: "NAME", NetIO: "NET I/O", PIDs: "PIDS",
		},
		columns: statsColumns,
	}
}

// statsFlags say what stats shows, and for how long.
type statsFlags struct {
	all, noStream, noTrunc bool
	format                 string
}

func statsCommand() *command {
	return &command{
		name: "stats", category: categoryContainers, group: "container", groupNames: []string{"stats"},
		args: "[OPTIONS] [CONTAINER...]", short: "Display a live stream of container(s) resource usage statistics",
		about:    "Stats shows what containers use, anew every second: without arguments all that run, those that are started meanwhile, too. On a terminal the table stays in its place.\n\nCPU % is the share of one processor over the last second, so a container can have more than 100%. MEM USAGE leaves out file cache that was not used lately. A container in the host's network has no NET I/O of its own. One that does not run shows zeros.",
		operands: []operand{liveContainer},
		examples: []example{
			{"Watch all containers that run.", "berth stats"},
			{"One reading of two of them, for a script.", "berth stats --no-stream --format '{{.Name}} {{.MemUsage}}' web db"},
		},
		max: unlimited, mixed: true,
		build: func(s *session) ([]*option.Option, action) {
			var f statsFlags
			return []*option.Option{
				option.Switch(&f.all, "a,all", "Show all containers (default shows just running)"),
				option.Text(&f.format, "format", "string", "Format output: table, table TEMPLATE, json, or a Go template"),
				option.Switch(&f.noStream, "no-stream", "Disable streaming stats and only pull the first result"),
				option.Switch(&f.noTrunc, "no-trunc", "Do not truncate output"),
			}, func(ctx context.Context, refs []string) error { return s.stats(ctx, &f, refs) }
		},
	}
}

func (s *session) stats(ctx context.Context, f *statsFlags, refs []string) error {
	if f.format == "" {
		f.format = s.settings().StatsFormat
	}
	if err := statsListing().print(io.Discard, f.format, []statsRow{{}}); err != nil {
		return clientFault(err)
	}
	b, err := s.open()
	if err != nil {
		return err
	}
	m := &meter{b: b, f: f, refs: refs}
	draw := func(_ context.Context, out io.Writer) error {
		rows, err := m.rows(ctx)
		if err != nil {
			return err
		}
		return statsListing().print(out, f.format, rows)
	}
	if f.noStream || !isTerminal(s.stdio.Out) {
		// A reader that is no person gets no picture without shares.
		if _, err := m.rows(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(s.tick):
		}
	}
	if f.noStream {
		return draw(ctx, s.out)
	}
	return s.live(ctx, s.tick, draw)
}

// meter reads the containers' counters again and again.
type meter struct {
	b    *backend
	f    *statsFlags
	refs []string
	// last are the readings before, by container: a share of the processor is
	// about the time between two.
	last map[string]container.Stats
	// seen tells that the named containers were there once.
	seen bool
}

// rows reads the counters of all containers that are to be shown.
func (m *meter) rows(ctx context.Context) ([]statsRow, error) {
	views, err := m.views(ctx)
	if err != nil {
		return nil, err
	}
	last := m.last
	m.last = make(map[string]container.Stats, len(views))
	rows := make([]statsRow, 0, len(views))
	for _, v := range views {
		now, err := m.b.Stats(ctx, v.View)
		if err != nil {
			return nil, err
		}
		before, known := last[v.ID]
		m.last[v.ID] = now
		row := m.row(v, now)
		if known || !v.Up() {
			row.CPUPerc = fmt.Sprintf("%.2f%%", share(before, now))
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// measured is a container, and how the command line calls it.
type measured struct {
	*container.View
	label string
}

// views are the containers to show: those named, or all that run. A named one
// that is removed meanwhile is left out, and the last of them ends the command.
func (m *meter) views(ctx context.Context) ([]measured, error) {
	var views []measured
	if len(m.refs) == 0 {
		list := m.b.ListRunning
		if m.f.all {
			list = m.b.List
		}
		found, err := list(ctx)
		if err != nil {
			return nil, err
		}
		for _, v := range found {
			if v.Status != container.Broken && (m.f.all || v.Up()) {
				views = append(views, measured{v, m.id(v.ID)})
			}
		}
		return views, nil
	}
	var missing error
	for _, ref := range m.refs {
		v, err := m.b.Get(ctx, ref)
		var gone *state.NoSuchError
		switch {
		case m.seen && errors.As(err, &gone):
			missing = err
			continue
		case err != nil:
			return nil, err
		}
		views = append(views, measured{v, ref})
	}
	m.seen = true
	if len(views) == 0 {
		return nil, missing
	}
	return views, nil
}

func (m *meter) id(id string) string {
	if m.f.noTrunc {
		return id
	}
	return shortID(id)
}

// row is one line, but for the share of the processor.
func (m *meter) row(v measured, now container.Stats) statsRow {
	var read, written uint64
	for _, device := range now.IO {
		read, written = read+device.ReadBytes, written+device.WriteBytes
	}
	memory := 0.0
	if now.Memory.Limit > 0 {
		memory = 100 * float64(now.Memory.Used()) / float64(now.Memory.Limit)
	}
	return statsRow{
		ID: m.id(v.ID), Name: v.Name, Container: v.label, CPUPerc: "--",
		MemUsage: units.BytesSize(float64(now.Memory.Used())) + " / " + units.BytesSize(float64(now.Memory.Limit)),
		MemPerc:  fmt.Sprintf("%.2f%%", memory),
		NetIO:    traffic(now.Received, now.Sent), BlockIO: traffic(read, written),
		PIDs: strconv.FormatUint(now.Pids.Current, 10),
	}
}

// traffic is two numbers of bytes, in powers of ten as docker has them.
func traffic(in, out uint64) string {
	return units.HumanSizeWithPrecision(float64(in), 3) + " / " + units.HumanSizeWithPrecision(float64(out), 3)
}

// share is what a container used of one processor between two readings, in per
// cent. A restart in between makes the counters begin anew.
func share(before, now container.Stats) float64 {
	used, host := now.CPU.Total-before.CPU.Total, now.CPU.Host-before.CPU.Host
	if used <= 0 || host <= 0 {
		return 0
	}
	return 100 * float64(used) / float64(host) * float64(now.CPU.Online)
}

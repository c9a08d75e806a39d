package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	units "github.com/docker/go-units"

	"berth/cli/option"
	"berth/container"
	"berth/state"
)

// psFlags pick containers and columns.
type psFlags struct {
	all, quiet, latest, noTrunc, size bool
	last                              *int
	format                            string
	filters                           []string
}

func psCommand() *command {
	return &command{
		name: "ps", category: categoryContainers, group: "container", groupNames: []string{"ls", "list", "ps"},
		args: "[OPTIONS]", short: "List containers",
		about: "Ps lists the running containers, or with -a all of them, newest first. A container whose record cannot be read is listed as broken, and keeps none of the others from being listed.",
		mixed: true,
		examples: []example{
			{"The running containers.", "berth ps"},
			{"Names and states of all containers with a label.", `berth ps -a -f label=tier=web --format 'table {{.Names}}\t{{.Status}}'`},
		},
		build: func(s *session) ([]*option.Option, action) {
			var f psFlags
			return []*option.Option{
				option.Switch(&f.all, "a,all", "Show all containers (default shows just running)"),
				filterOption(&f.filters),
				option.Text(&f.format, "format", "string", "Format output: table, table TEMPLATE, json, or a Go template"),
				option.Parsed(&f.last, parseInt, "n,last", "int", "Show n last created containers (includes all states)"),
				option.Switch(&f.latest, "l,latest", "Show the latest created container (includes all states)"),
				option.Switch(&f.noTrunc, "no-trunc", "Don't truncate output"),
				option.Switch(&f.quiet, "q,quiet", "Only display container IDs"),
				option.Switch(&f.size, "s,size", "Display total file sizes"),
			}, func(ctx context.Context, _ []string) error { return s.ps(ctx, &f, time.Now()) }
		},
	}
}

func (s *session) ps(ctx context.Context, f *psFlags, now time.Time) error {
	if err := f.checkFormat(); err != nil {
		return err
	}
	b, err := s.open()
	if err != nil {
		return err
	}
	list := b.List
	if f.onlyUp() && !f.asks("before") && !f.asks("since") {
		list = b.ListRunning
	}
	views, err := list(ctx)
	if err != nil {
		return err
	}
	if views, err = f.pick(b, views); err != nil {
		return err
	}
	switch {
	case f.quiet:
		f.format = "{{.ID}}"
	case f.format == "":
		f.format = s.settings().PsFormat
	}
	rows := make([]containerRow, 0, len(views))
	for _, v := range views {
		rows = append(rows, containerRow{view: v, backend: b, now: now, full: f.noTrunc, sized: f.size || f.format != "json"})
	}
	table := listing[containerRow]{headings: psHeadings(), columns: psColumns}
	if f.size {
		table.columns += "\t{{.Size}}"
	}
	return clientFault(table.print(s.out, f.format, rows))
}

// checkFormat refuses a template that cannot be, whether there are containers or
// not.
func (f *psFlags) checkFormat() error {
	t, err := newTemplate(f.format)
	if err != nil {
		return &clientError{err: verbatim("failed to parse template: %w", err)}
	}
	blank := containerRow{view: &container.View{Config: &container.Config{}, Status: container.Broken}}
	if err := t.Execute(io.Discard, blank); err != nil {
		return &clientError{err: verbatim("failed to execute template: %w", err)}
	}
	return nil
}

// pick applies -a, -n, -l and the filters.
func (f *psFlags) pick(b *backend, views []*container.View) ([]*container.View, error) {
	filters, err := parsePsFilters(f.filters, b, views)
	if err != nil {
		return nil, err
	}
	last := f.limit()
	running := f.onlyUp()
	views = slices.DeleteFunc(slices.Clone(views), func(v *container.View) bool {
		return running && !v.Up() || !filters.match(v)
	})
	if last > 0 && len(views) > last {
		views = views[:last]
	}
	return views, nil
}

// limit is how many containers -n or -l leave; not positive for all.
func (f *psFlags) limit() int {
	switch {
	case f.latest:
		return 1
	case f.last != nil:
		return *f.last
	}
	return 0
}

// onlyUp tells whether ps is about the containers that run.
func (f *psFlags) onlyUp() bool { return !f.all && f.limit() <= 0 && !f.asks("status") }

// asks tells whether there is a filter of this key.
func (f *psFlags) asks(key string) bool {
	return slices.ContainsFunc(f.filters, func(text string) bool { return strings.HasPrefix(text, key+"=") })
}

// statusText is docker's STATUS column.
func statusText(v *container.View, now time.Time) string {
	up := func() string {
		if v.Live == nil {
			return "Up"
		}
		return "Up " + units.HumanDuration(now.Sub(v.Live.Started))
	}
	switch v.Status {
	case container.Running:
		return up() + healthText(v.Health)
	case container.Paused:
		return up() + " (Paused)"
	case container.Restarting:
		return endText("Restarting", v.Exit, now)
	case container.Exited:
		return endText("Exited", v.Exit, now)
	case container.Removing:
		return "Removal In Progress"
	case container.Created:
		return "Created"
	case container.Dead:
		return "Dead"
	}
	return "Broken" + brokenText(v.Err)
}

// healthText is docker's word on a running container's health.
func healthText(h *container.Health) string {
	switch {
	case h == nil:
		return ""
	case h.Status == container.Starting:
		return " (health: starting)"
	}
	return " (" + string(h.Status) + ")"
}

// endText tells how and when a run ended: "Exited (1) 3 seconds ago".
func endText(state string, x *container.Exit, now time.Time) string {
	if x == nil {
		return state
	}
	code := "unknown"
	if x.Code != nil {
		code = strconv.Itoa(*x.Code)
	}
	return fmt.Sprintf("%s (%s) %s ago", state, code, units.HumanDuration(now.Sub(x.Finished)))
}

// brokenText is why a record cannot be read, short enough for a column.
func brokenText(err error) string {
	for _, cause := range []error{state.ErrCorrupt, state.ErrVersion, state.ErrTooLarge} {
		if errors.Is(err, cause) {
			return ": " + cause.Error()
		}
	}
	return ""
}

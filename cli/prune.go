package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	units "github.com/docker/go-units"

	"berth/cli/option"
	"berth/container"
	"berth/container/logs"
)

func containerPruneCommand() *command {
	return &command{
		name: "container prune", category: categoryContainers, group: "container", groupNames: []string{"prune"}, hidden: true,
		args: "[OPTIONS]", short: "Remove all stopped containers",
		about: `Prune removes the containers that do not run, with what they wrote, once the question on STDOUT is answered with y. It prints their IDs and the space that they took.

Filters are until=TIME (created before that time, or that long ago), label=KEY[=VALUE] and label!=KEY[=VALUE]; a container must pass all of them.`,
		mixed: true,
		examples: []example{
			{"Remove what has ended more than a day ago, without a question.", "berth container prune -f --filter until=24h"},
		},
		build: func(s *session) ([]*option.Option, action) {
			var filters []string
			var force bool
			return []*option.Option{
				pruneFilterOption(&filters, "until=<timestamp>"),
				option.Switch(&force, "f,force", "Do not prompt for confirmation"),
			}, func(ctx context.Context, _ []string) error { return s.pruneContainers(ctx, filters, force, time.Now()) }
		},
	}
}

func (s *session) pruneContainers(ctx context.Context, filters []string, force bool, now time.Time) error {
	picked, err := pruneFilter(filters, now)
	if err != nil {
		return err
	}
	if !force {
		yes, err := s.confirm(ctx, "WARNING! This will remove all stopped containers.\nAre you sure you want to continue?")
		if err != nil || !yes {
			return err
		}
	}
	b, err := s.open()
	if err != nil {
		return err
	}
	p := &pruning{session: s, backend: b, picked: picked}
	p.containers(ctx)
	return p.end()
}

// pruning is a prune at work: what it may remove, and what it has removed.
type pruning struct {
	*session
	backend *backend
	picked  func(created time.Time, labels map[string]string) bool
	// reclaimed is in bytes.
	reclaimed int64
	wrong     error
}

// containers removes those that do not run.
func (p *pruning) containers(ctx context.Context) {
	views, err := p.backend.List(ctx)
	if err != nil {
		p.failed(err)
		return
	}
	var deleted []string
	err = p.eachStopped(views, p.picked, func(v *container.View) error {
		size := treeSize(p.backend.upper(v.ID))
		if err := ignoreMissing(p.backend.Remove(ctx, v.ID, false)); err != nil {
			return err
		}
		deleted, p.reclaimed = append(deleted, v.ID), p.reclaimed+size
		return nil
	})
	p.failed(err)
	p.list("Deleted Containers:", deleted)
}

// failed notes what went wrong; the rest is done all the same.
func (p *pruning) failed(err error) {
	if err != nil && p.wrong == nil {
		p.wrong = err
	} else if err != nil {
		p.report(nil, err)
	}
}

// list prints what was removed, if anything, in docker's form.
func (p *pruning) list(heading string, removed []string) {
	if len(removed) == 0 {
		return
	}
	_, err := fmt.Fprintf(p.out, "%s\n%s\n\n", heading, strings.Join(removed, "\n"))
	p.failed(err)
}

// end prints the sum.
func (p *pruning) end() error {
	if _, err := fmt.Fprintf(p.out, "Total reclaimed space: %s\n", units.HumanSize(float64(p.reclaimed))); err != nil {
		return err
	}
	return p.wrong
}

// eachStopped calls f for the containers that prune is about.
func (s *session) eachStopped(views []*container.View, picked func(time.Time, map[string]string) bool, f func(*container.View) error) error {
	byID := map[string]*container.View{}
	var ids []string
	for _, v := range views {
		switch v.Status {
		case container.Created, container.Exited, container.Dead:
			// One that is being started has a supervisor.
			if v.Live == nil && picked(v.Created, v.Labels) {
				byID[v.ID], ids = v, append(ids, v.ID)
			}
		}
	}
	return s.each(ids, func(id string) error { return f(byID[id]) })
}

// pruneFilter reads the filters of prune commands, and returns their test of an
// object's age and labels.
func pruneFilter(texts []string, now time.Time) (func(created time.Time, labels map[string]string) bool, error) {
	values, err := splitFilters(texts, []string{"until", "label", "label!"})
	if err != nil {
		return nil, err
	}
	var until time.Time
	switch list := values["until"]; {
	case len(list) > 1:
		return nil, fmt.Errorf("more than one until filter specified")
	case len(list) == 1:
		if until, err = logs.ParseTime(list[0], now); err != nil {
			return nil, fmt.Errorf("invalid filter 'until=%s': %w", list[0], err)
		}
	}
	return func(created time.Time, labels map[string]string) bool {
		switch {
		case !until.IsZero() && created.After(until):
			return false
		case len(values["label!"]) > 0 && hasLabels(labels, values["label!"]):
			return false
		}
		return hasLabels(labels, values["label"])
	}, nil
}

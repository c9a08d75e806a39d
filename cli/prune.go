package cli

import (
	"context"
	"fmt"
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
	views, err := b.List(ctx)
	if err != nil {
		return err
	}
	var deleted []string
	var reclaimed int64
	failed := s.eachStopped(views, picked, func(v *container.View) error {
		size := treeSize(b.upper(v.ID))
		if err := ignoreMissing(b.Remove(ctx, v.ID, false)); err != nil {
			return err
		}
		deleted, reclaimed = append(deleted, v.ID), reclaimed+size
		return nil
	})
	if err := s.printPruned("Deleted Containers:", deleted, reclaimed); err != nil {
		return err
	}
	return failed
}

// eachStopped calls f for the containers that prune is about.
func (s *session) eachStopped(views []*container.View, picked func(*container.View) bool, f func(*container.View) error) error {
	byID := map[string]*container.View{}
	var ids []string
	for _, v := range views {
		switch v.Status {
		case container.Created, container.Exited, container.Dead:
			// One that is being started has a supervisor.
			if v.Live == nil && picked(v) {
				byID[v.ID], ids = v, append(ids, v.ID)
			}
		}
	}
	return s.each(ids, func(id string) error { return f(byID[id]) })
}

// printPruned prints what a prune has removed, in docker's form.
func (s *session) printPruned(heading string, removed []string, reclaimed int64) error {
	text := ""
	if len(removed) > 0 {
		text = heading + "\n"
		for _, name := range removed {
			text += name + "\n"
		}
		text += "\n"
	}
	_, err := fmt.Fprintf(s.out, "%sTotal reclaimed space: %s\n", text, units.HumanSize(float64(reclaimed)))
	return err
}

// pruneFilter reads the filters of prune commands.
func pruneFilter(texts []string, now time.Time) (func(*container.View) bool, error) {
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
	return func(v *container.View) bool {
		switch {
		case !until.IsZero() && v.Created.After(until):
			return false
		case len(values["label!"]) > 0 && hasLabels(v.Labels, values["label!"]):
			return false
		}
		return hasLabels(v.Labels, values["label"])
	}, nil
}

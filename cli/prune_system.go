package cli

import (
	"context"
	"strings"
	"time"

	"berth/cli/option"
)

func systemPruneCommand() *command {
	return &command{
		name: "system prune", category: categoryOther, group: "system", groupNames: []string{"prune"}, hidden: true,
		args: "[OPTIONS]", short: "Remove unused data",
		about: `Prune removes the containers that do not run, then the images that have no name, or with -a all that no container was made from, once the question on STDOUT is answered with y. It prints what went and the space that it took.

This version has no networks and volumes of its own and no build cache, so there are none to remove. Filters are those of container prune.`,
		mixed: true,
		examples: []example{
			{"Remove all that nothing uses, unasked.", "berth system prune -af"},
			{"Remove what is older than a day.", "berth system prune --filter until=24h"},
		},
		build: func(s *session) ([]*option.Option, action) {
			var f systemPruneFlags
			return []*option.Option{
				option.Switch(&f.all, "a,all", "Remove all unused images not just dangling ones"),
				pruneFilterOption(&f.filters, "label=<key>=<value>"),
				option.Switch(&f.force, "f,force", "Do not prompt for confirmation"),
				option.Switch(&f.volumes, "volumes", "Prune anonymous volumes"),
			}, func(ctx context.Context, _ []string) error { return s.pruneSystem(ctx, &f, time.Now()) }
		},
	}
}

type systemPruneFlags struct {
	all, force, volumes bool
	filters             []string
}

func (s *session) pruneSystem(ctx context.Context, f *systemPruneFlags, now time.Time) error {
	for _, text := range f.filters {
		if f.volumes && strings.HasPrefix(text, "until=") {
			return &clientError{
				err:    verbatim("The \"until\" filter is not supported with \"--volumes\""),
				docker: "ERROR: The \"until\" filter is not supported with \"--volumes\"",
			}
		}
	}
	picked, err := pruneFilter(f.filters, now)
	if err != nil {
		return err
	}
	if !f.force {
		yes, err := s.confirm(ctx, pruneWarning(f.all, f.volumes, f.filters))
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
	p.images(ctx, f.all)
	return p.end()
}

package cli

import (
	"context"
	"fmt"

	"berth/cli/option"
)

func rmCommand() *command {
	return &command{
		name: "rm", category: categoryContainers, group: "container", groupNames: []string{"rm", "remove"},
		args: "[OPTIONS] CONTAINER [CONTAINER...]", short: "Remove one or more containers",
		about: "Rm removes containers with what they wrote. A running one is refused unless -f is given, which kills it. With -f a container that is not there is no error.",
		min:   1, max: unlimited, mixed: true,
		examples: []example{
			{"Remove containers that have ended.", "berth rm job1 job2"},
			{"Remove all containers, also running ones.", "berth rm -f $(berth ps -aq)"},
		},
		build: func(s *session) ([]*option.Option, action) {
			var force, volumes bool
			return []*option.Option{
					option.Switch(&force, "f,force", "Force the removal of a running container (uses SIGKILL)"),
					option.Switch(&volumes, "v,volumes", "Remove anonymous volumes associated with the container"),
				}, func(ctx context.Context, args []string) error {
					b, err := s.open()
					if err != nil {
						return err
					}
					return s.each(args, func(ref string) error { return s.remove(ctx, b, ref, force) })
				}
		},
	}
}

// remove removes one container and prints it. With force a missing one is told
// of, not printed, and no failure.
func (s *session) remove(ctx context.Context, b *backend, ref string, force bool) error {
	err := b.Remove(ctx, ref, force)
	switch {
	case err == nil:
		_, err = fmt.Fprintln(s.out, ref)
	case force && ignoreMissing(err) == nil:
		s.report(nil, err)
		err = nil
	}
	return err
}

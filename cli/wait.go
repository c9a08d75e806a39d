package cli

import (
	"context"
	"fmt"

	"berth/cli/option"
)

func waitCommand() *command {
	return &command{
		name: "wait", category: categoryContainers, group: "container", groupNames: []string{"wait"},
		args: "CONTAINER [CONTAINER...]", short: "Block until one or more containers stop, then print their exit codes",
		about: "Wait blocks until each container has ended and prints its exit status, a line each. Its own status is 0 then.",
		min:   1, max: unlimited, mixed: true,
		examples: []example{
			{"The exit status of a job in the background.", "berth wait job"},
		},
		build: func(s *session) ([]*option.Option, action) {
			return nil, func(ctx context.Context, args []string) error {
				b, err := s.open()
				if err != nil {
					return err
				}
				return s.each(args, func(ref string) error {
					code, err := b.Wait(ctx, ref)
					if err != nil {
						return err
					}
					_, err = fmt.Fprintln(s.out, code)
					return err
				})
			}
		},
	}
}

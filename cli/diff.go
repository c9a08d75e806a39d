package cli

import (
	"bufio"
	"context"
	"fmt"

	"berth/cli/option"
)

func diffCommand() *command {
	return &command{
		name: "diff", category: categoryContainers, group: "container", groupNames: []string{"diff"},
		args: "CONTAINER", short: "Inspect changes to files or directories on a container's filesystem",
		about: "Diff prints one line for each path that the container has added (A), changed (C) or deleted (D), compared with its image. A directory is changed when something in it is. Volumes and other mounts are not looked at.",
		min:   1, max: 1, mixed: true,
		examples: []example{
			{"See what a container has changed.", "berth diff web"},
		},
		build: func(s *session) ([]*option.Option, action) {
			return nil, s.diff
		},
	}
}

func (s *session) diff(ctx context.Context, args []string) error {
	b, err := s.open()
	if err != nil {
		return err
	}
	changes, err := b.Diff(ctx, args[0])
	if err != nil {
		return err
	}
	out := bufio.NewWriter(s.out)
	for _, c := range changes {
		fmt.Fprintln(out, s.shown(c.String()))
	}
	return out.Flush()
}

package oci

import (
	"context"
	"errors"

	"berth/bundle"
	"berth/cli/option"
)

func deleteCommand() *command {
	return &command{
		name: "delete", args: "[OPTIONS] " + idArg, short: "Remove what is kept of a container",
		about: "Delete removes a stopped container's state and cgroups and runs its poststop hooks. The bundle stays as it is.",
		min:   1, max: 1,
		build: func(s *session) ([]*option.Option, action) {
			var force bool
			options := []*option.Option{switchOption(&force, "force,f", "Kill the container first; one that does not exist is no error")}
			return options, s.with(func(ctx context.Context, b backend, id string) error {
				err := b.Delete(ctx, id, force)
				if force && errors.Is(err, bundle.ErrNotExist) {
					return nil
				}
				return err
			})
		},
	}
}

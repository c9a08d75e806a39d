package cli

import (
	"context"
	"errors"
	"fmt"

	"berth/cli/option"
	"berth/image"
)

func rmiCommand() *command {
	return &command{
		name: "rmi", category: categoryImages, group: "image", groupNames: []string{"rm", "remove"},
		args: "[OPTIONS] IMAGE [IMAGE...]", short: "Remove one or more images",
		about: "Rmi takes a name from an image, and removes the image with its last name. An image that a container was made from stays unless -f is given; one that a running container uses stays in any case.",
		min:   1, max: unlimited, mixed: true,
		examples: []example{
			{"Remove an image.", "berth rmi debian:12"},
		},
		build: func(s *session) ([]*option.Option, action) {
			var force, noPrune bool
			return []*option.Option{
				option.Switch(&force, "f,force", "Force removal of the image"),
				option.Switch(&noPrune, "no-prune", "Do not delete untagged parents"),
			}, func(ctx context.Context, args []string) error { return s.removeImages(ctx, args, force) }
		},
	}
}

func (s *session) removeImages(ctx context.Context, refs []string, force bool) error {
	b, err := s.open()
	if err != nil {
		return err
	}
	return s.each(refs, func(ref string) error {
		untagged, deleted, err := b.images.Remove(ctx, ref, image.RemoveOptions{Force: force, Keep: b.keepLayers(ctx)},
			func(id image.Digest) []image.User { return b.imageUsers(ctx, id) })
		for _, name := range untagged {
			fmt.Fprintf(s.out, "Untagged: %s\n", name)
		}
		for _, digest := range deleted {
			fmt.Fprintf(s.out, "Deleted: %s\n", digest)
		}
		var missing *image.NoSuchImageError
		if force && errors.As(err, &missing) {
			// docker's -f says so and calls it done.
			s.report(nil, err)
			return nil
		}
		return err
	})
}

// imageUsers lists the containers of an image. When the containers cannot be
// listed, one is claimed to run, so that nothing is removed on a guess.
func (b *backend) imageUsers(ctx context.Context, id image.Digest) []image.User {
	views, err := b.List(ctx)
	if err != nil {
		return []image.User{{Container: "(unknown: " + err.Error() + ")", Running: true}}
	}
	var users []image.User
	for _, v := range views {
		if v.Config != nil && v.Image.ID == string(id) {
			running := v.Up()
			users = append(users, image.User{Container: v.ID, Running: running})
		}
	}
	return users
}

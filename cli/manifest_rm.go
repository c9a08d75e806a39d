package cli

import (
	"context"

	"berth/cli/option"
	"berth/image"
)

func manifestRmCommand() *command {
	return &command{
		name: "manifest rm", category: categoryImages, group: "manifest", groupNames: []string{"rm"},
		args: "MANIFEST_LIST [MANIFEST_LIST...]", short: "Delete one or more manifest lists from local storage",
		about: "Manifest rm forgets lists that manifest create has begun. What was pushed of them stays where it is.",
		min:   1, max: unlimited, mixed: true,
		examples: []example{
			{"Forget a list.", "berth manifest rm localhost:5000/web:1"},
		},
		build: func(s *session) ([]*option.Option, action) {
			return nil, func(_ context.Context, args []string) error { return s.removeManifestLists(args) }
		},
	}
}

func (s *session) removeManifestLists(names []string) error {
	b, err := s.open()
	if err != nil {
		return err
	}
	return s.each(names, func(name string) error {
		ref, err := image.ParseReference(name)
		if err != nil {
			return clientFault(err)
		}
		return clientFault(b.images.RemoveManifestList(ref))
	})
}

package cli

import (
	"context"

	"berth/cli/option"
	"berth/image"
)

func tagCommand() *command {
	return &command{
		name: "tag", category: categoryImages, group: "image", groupNames: []string{"tag"},
		args: "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]", short: "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
		about: "Tag gives an image one more name. Without a tag the name ends in :latest. A name that another image has moves; that image stays without it.",
		min:   2, max: 2, mixed: true, operands: []operand{anyImage, anyImage},
		examples: []example{
			{"Name an image for a registry.", "berth tag tools registry.example.com/team/tools:2"},
			{"Name an image that has only its ID.", "berth tag 0e5574283393 fedora:test"},
		},
		build: func(s *session) ([]*option.Option, action) {
			return nil, func(ctx context.Context, args []string) error { return s.tag(ctx, args[0], args[1]) }
		},
	}
}

func (s *session) tag(ctx context.Context, source, target string) error {
	ref, err := image.ParseNamed(target)
	if err != nil {
		return clientFault(notTag(target, err))
	}
	if ref.Digest != "" {
		return clientFault(verbatim("refusing to create a tag with a digest reference"))
	}
	b, err := s.open()
	if err != nil {
		return err
	}
	if err := unpackBox(ctx, b, source); err != nil {
		return err
	}
	return b.images.Tag(ctx, source, target)
}

// notTag is what docker says of a word that names no image.
func notTag(word string, err error) error {
	return verbatim("Error parsing reference: %q is not a valid repository/tag: %w", word, err)
}

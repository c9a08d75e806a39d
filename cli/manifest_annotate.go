package cli

import (
	"context"
	"errors"
	"strings"

	"berth/cli/option"
	"berth/image"
)

func manifestAnnotateCommand() *command {
	return &command{
		name: "manifest annotate", category: categoryImages, group: "manifest", groupNames: []string{"annotate"},
		args: "[OPTIONS] MANIFEST_LIST MANIFEST", short: "Add additional information to a local image manifest",
		about: "Manifest annotate changes what a list says an image is for. The image is called what it was called at manifest create, and stays as it is.",
		min:   2, max: 2, mixed: true,
		examples: []example{
			{"Say which ARM an image is for.", "berth manifest annotate --arch arm --variant v6 localhost:5000/web:1 localhost:5000/web:1-armv6"},
		},
		build: func(s *session) ([]*option.Option, action) {
			var p image.Platform
			return []*option.Option{
				option.Text(&p.Architecture, "arch", "string", "Set architecture"),
				option.Text(&p.OS, "os", "string", "Set operating system"),
				option.New("os-features", "stringSlice", "Set operating system feature", func(v string) error {
					p.OSFeatures = append(p.OSFeatures, strings.Split(v, ",")...)
					return nil
				}),
				option.Text(&p.OSVersion, "os-version", "string", "Set operating system version"),
				option.Text(&p.Variant, "variant", "string", "Set architecture variant"),
			}, func(ctx context.Context, args []string) error { return clientFault(s.annotateManifest(ctx, args, p)) }
		},
	}
}

func (s *session) annotateManifest(ctx context.Context, args []string, p image.Platform) error {
	list, err := image.ParseReference(args[0])
	if err != nil {
		return verbatim("annotate: error parsing name for manifest list %s: %w", args[0], err)
	}
	member, err := image.ParseReference(args[1])
	if err != nil {
		return verbatim("annotate: error parsing name for manifest %s: %w", args[1], err)
	}
	b, err := s.open()
	if err != nil {
		return err
	}
	err = b.images.AnnotateManifest(ctx, list, member, p)
	if missing := new(image.NoSuchManifestError); errors.As(err, &missing) {
		return verbatim("manifest for image %s does not exist in %s", args[1], args[0])
	}
	return err
}

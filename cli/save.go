package cli

import (
	"context"
	"errors"
	"io"

	"berth/cli/option"
	"berth/image"
)

// Formats of save.
const (
	dockerArchive = "docker-archive"
	ociArchive    = "oci-archive"
)

type saveFlags struct{ file, platform, format string }

func saveCommand() *command {
	return &command{
		name: "save", category: categoryImages, group: "image", groupNames: []string{"save"},
		args: "[OPTIONS] IMAGE [IMAGE...]", short: "Save one or more images to a tar archive (streamed to STDOUT by default)",
		about: `Save writes images, with all their layers and names, as a tar archive to stdout, or to a file that appears when it is complete. A name without a tag means all tags of the repository; an image that is named by its ID or by a digest has no name in the archive.

The archive is what docker 25 and newer write: an OCI image layout with docker's manifest.json beside it, so that docker load, podman load, skopeo (docker-archive:, oci-archive:) and berth load all read it. With --format oci-archive it is the layout alone. Layers and manifests are the very bytes of the store, compressed as they were pulled, and every byte is verified. The same images give the same archive.`,
		min: 1, max: unlimited, mixed: true,
		examples: []example{
			{"Keep an image as a file.", "berth save -o debian.tar debian:12"},
			{"Bring all tags of a repository to another machine.", "berth save team/tools | ssh other berth load"},
		},
		build: func(s *session) ([]*option.Option, action) {
			f := saveFlags{format: dockerArchive}
			return []*option.Option{
				option.Parsed(&f.format, parseArchive, "format", "string", `Format of the archive: docker-archive, or oci-archive (default "docker-archive")`),
				option.Text(&f.file, "o,output", "string", "Write to a file, instead of STDOUT"),
				option.Text(&f.platform, "platform", "string", "Save only the given platform variant"),
			}, func(ctx context.Context, args []string) error { return s.save(ctx, &f, args) }
		},
	}
}

func parseArchive(text string) (string, error) {
	if text != dockerArchive && text != ociArchive {
		return "", errors.New("want docker-archive or oci-archive")
	}
	return text, nil
}

func (s *session) save(ctx context.Context, f *saveFlags, names []string) error {
	o := image.SaveOptions{Layout: f.format == ociArchive}
	var err error
	if o.Platform, err = parsePlatform(f.platform); err != nil {
		return err
	}
	if f.file == "" {
		if isTerminal(s.stdio.Out) {
			return clientFault(errors.New("cowardly refusing to save to a terminal. Use the -o flag or redirect"))
		}
		return s.saveTo(ctx, s.out, names, o)
	}
	if err := checkOutput(f.file); err != nil {
		return clientFault(verbatim("failed to save image: %w", err))
	}
	out, err := createOutput(f.file)
	if err != nil {
		return clientFault(verbatim("failed to save image: %w", err))
	}
	return out.finish(s.saveTo(ctx, out.File, names, o))
}

func (s *session) saveTo(ctx context.Context, w io.Writer, names []string, o image.SaveOptions) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	b, err := s.open()
	if err != nil {
		return err
	}
	if err := unpackBox(ctx, b, names...); err != nil {
		return err
	}
	_, err = b.images.Save(ctx, w, names, o)
	return interrupted(ctx, err)
}

// unpackBox stores box if it is one of the names: it is there before it is first
// used.
func unpackBox(ctx context.Context, b *backend, names ...string) error {
	for _, name := range names {
		if image.IsBox(name) {
			if _, err := findImage(ctx, b.images, name); err != nil {
				return err
			}
		}
	}
	return nil
}

package cli

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"

	"berth/cli/option"
	"berth/image"
)

type loadFlags struct {
	file, platform string
	quiet          bool
}

func loadCommand() *command {
	return &command{
		name: "load", category: categoryImages, group: "image", groupNames: []string{"load"},
		args: "[OPTIONS]", short: "Load an image from a tar archive or STDIN",
		about: `Load brings the images of an archive into the store, with their names, and prints the names, or the ID of an image without one. It reads what docker save and podman save write, and OCI image layouts, as a tar (plain or compressed with gzip, bzip2 or zstd) from stdin or a file, or as a folder.

All content is verified and unpacked before the first image appears; layers that the store has are not unpacked again. An archive that could be read in two ways is refused.`,
		mixed: true,
		examples: []example{
			{"Load from a file.", "berth load -i debian.tar"},
			{"Take an image over from docker.", "docker save debian:12 | berth load"},
			{"Load the arm64 image of an archive for several platforms.", "berth load --platform linux/arm64 -i images.tar.zst"},
		},
		build: func(s *session) ([]*option.Option, action) {
			var f loadFlags
			return []*option.Option{
				option.Text(&f.file, "i,input", "string", "Read from tar archive file, instead of STDIN"),
				option.Text(&f.platform, "platform", "string", "Load only the given platform variant"),
				option.Switch(&f.quiet, "q,quiet", "Suppress the load output"),
			}, func(ctx context.Context, _ []string) error { return s.load(ctx, &f) }
		},
	}
}

func (s *session) load(ctx context.Context, f *loadFlags) error {
	platform, err := parsePlatform(f.platform)
	if err != nil {
		return err
	}
	input := s.stdio.In
	switch {
	case f.file != "":
		if input, err = os.Open(f.file); err != nil {
			return clientFault(err)
		}
		defer input.Close()
	case input == nil || isTerminal(input):
		return clientFault(verbatim("requested load from stdin, but stdin is empty"))
	}
	b, err := s.open()
	if err != nil {
		return err
	}
	if info, err := input.Stat(); err == nil && (info.Mode().IsRegular() || info.IsDir()) {
		// A read from a pipe waits for ever: there a signal ends berth itself, and what
		// it leaves behind the next command sweeps.
		var stop context.CancelFunc
		ctx, stop = interruptible(ctx)
		defer stop()
	}
	t := quietTransfer()
	if !f.quiet && isTerminal(s.stdio.Out) {
		t = s.showTransfer(s.stdio.Out, s.out, loadWords())
	}
	defer t.close()
	loaded, err := b.images.Load(ctx, input, image.LoadOptions{Platform: platform, Progress: t.update})
	t.close()
	if err != nil {
		return interrupted(ctx, err)
	}
	return s.printLoaded(loaded)
}

// loadWords are those of the stages of a blob, which does not travel.
func loadWords() transferWords {
	return transferWords{
		planned: "Waiting", waiting: "Waiting", moving: "Loading layer",
		unpacking: "Extracting", done: "Loaded", exists: "Already exists",
	}
}

func (s *session) printLoaded(loaded []image.Loaded) error {
	for _, l := range loaded {
		for _, name := range slices.Sorted(maps.Keys(l.Moved)) {
			fmt.Fprintf(s.out, "The image %s already exists, renaming the old one with ID %s to empty string\n", shortRef(name), l.Moved[name])
		}
		for _, name := range l.Refs {
			fmt.Fprintf(s.out, "Loaded image: %s\n", shortRef(name))
		}
		if len(l.Refs) > 0 {
			continue
		}
		if _, err := fmt.Fprintf(s.out, "Loaded image ID: %s\n", l.Image.ID); err != nil {
			return err
		}
	}
	return nil
}

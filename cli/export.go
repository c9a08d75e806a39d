package cli

import (
	"context"
	"errors"

	"berth/archive"
	"berth/cli/option"
)

func exportCommand() *command {
	return &command{
		name: "export", category: categoryContainers, group: "container", groupNames: []string{"export"},
		args: "[OPTIONS] CONTAINER", short: "Export a container's filesystem as a tar archive",
		about: "Export writes the container's files as a tar archive to stdout, or to a file that appears when it is complete. Volumes and other mounts are left out but for their mount points. The archive keeps owners, modes, times to the nanosecond, extended attributes, devices and hard links; sockets are left out. The container may run.",
		min:   1, max: 1, mixed: true,
		examples: []example{
			{"Keep a container's file system as an archive.", "berth export -o web.tar web"},
		},
		build: func(s *session) ([]*option.Option, action) {
			var file string
			return []*option.Option{
				option.Text(&file, "o,output", "string", "Write to a file, instead of STDOUT"),
			}, func(ctx context.Context, args []string) error { return s.export(ctx, args[0], file) }
		},
	}
}

func (s *session) export(ctx context.Context, ref, file string) error {
	if file == "" {
		if isTerminal(s.stdio.Out) {
			return errors.New("cowardly refusing to save to a terminal. Use the -o flag or redirect")
		}
		b, err := s.open()
		if err != nil {
			return err
		}
		return b.Export(ctx, ref, s.out, s.warn)
	}
	if err := checkOutput(file); err != nil {
		return clientFault(verbatim("failed to export container: %w", err))
	}
	b, err := s.open()
	if err != nil {
		return err
	}
	// Before the file, which would otherwise be made for nothing.
	if _, err := b.Resolve(ref); err != nil {
		return err
	}
	o, err := createOutput(file)
	if err != nil {
		return clientFault(verbatim("failed to export container: %w", err))
	}
	w := archive.NewHoles(o.File)
	if err = b.Export(ctx, ref, w, s.warn); err == nil {
		err = w.Close()
	}
	return o.finish(err)
}

package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"berth/cli/option"
	"berth/image"
)

func importCommand() *command {
	return &command{
		name: "import", category: categoryImages, group: "image", groupNames: []string{"import"},
		args: "[OPTIONS] file|- [REPOSITORY[:TAG]]", short: "Import the contents from a tarball to create a filesystem image",
		about: "Import makes an image with one layer of a tar archive: a file, or - for stdin. The archive may be compressed with gzip, bzip2 or zstd. It prints the image's ID.",
		min:   1, max: 2, mixed: true,
		examples: []example{
			{"Make an image of a Debian root.", "tar -C /tmp/debian -c . | berth import - debian:12"},
			{"Make an image of a compressed archive, and set its command.", `berth import -c 'CMD ["sh"]' root.tar.gz tools`},
		},
		build: func(s *session) ([]*option.Option, action) {
			var o image.ImportOptions
			return []*option.Option{
				option.List(&o.Changes, "c,change", "list", "Apply Dockerfile instruction to the created image"),
				option.Text(&o.Message, "m,message", "string", "Set commit message for imported image"),
				option.Text(&o.Platform, "platform", "string", "Set platform of the image"),
			}, func(ctx context.Context, args []string) error { return s.importImage(ctx, args, o) }
		},
	}
}

func (s *session) importImage(ctx context.Context, args []string, o image.ImportOptions) error {
	if strings.Contains(args[0], "://") {
		return &hintError{fmt.Errorf("import %s: archives are read from files and from stdin only", args[0]), "download it and pipe it in: curl -L URL | berth import - NAME"}
	}
	if len(args) == 2 {
		ref, err := image.ParseReference(args[1])
		if err != nil {
			return clientFault(err)
		}
		o.Ref = ref.String()
	}
	b, err := s.open()
	if err != nil {
		return err
	}
	var archive io.Reader = s.stdio.In
	if args[0] != "-" {
		file, err := os.Open(args[0])
		if err != nil {
			return clientFault(err)
		}
		defer file.Close()
		archive = file
	}
	img, err := b.images.Import(ctx, archive, o)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.out, img.ID)
	return err
}

package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"berth/cli/option"
	"berth/image"
)

func importCommand() *command {
	return &command{
		name: "import", category: categoryImages, group: "image", groupNames: []string{"import"},
		args: "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]", short: "Import the contents from a tarball to create a filesystem image",
		about: "Import makes an image with one layer of a tar archive: a file, - for stdin, or an http or https URL. The archive may be compressed with gzip, bzip2 or zstd. It prints the image's ID.",
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
				s.platformOption(&o.Platform, "Set platform if server is multi-platform capable"),
			}, func(ctx context.Context, args []string) error { return s.importImage(ctx, args, o) }
		},
	}
}

func (s *session) importImage(ctx context.Context, args []string, o image.ImportOptions) error {
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
	archive, err := s.openArchive(ctx, args[0])
	if err != nil {
		return err
	}
	defer archive.Close()
	img, err := b.images.Import(ctx, archive, o)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.out, img.ID)
	return err
}

// openArchive opens what import reads: a file, stdin, or what a server has.
func (s *session) openArchive(ctx context.Context, source string) (io.ReadCloser, error) {
	switch {
	case source == "-":
		return io.NopCloser(s.stdio.In), nil
	case strings.HasPrefix(source, "http://") || strings.HasPrefix(source, "https://"):
		return s.download(ctx, source)
	}
	file, err := os.Open(source)
	if err != nil {
		return nil, clientFault(err)
	}
	return file, nil
}

// patience is how long a server may take to begin its answer.
const patience = time.Minute

// download asks a server for an archive. How much of it is read is up to the
// limits of layers; an answer that breaks off is an error of its reader.
func (s *session) download(ctx context.Context, address string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, clientFault(err)
	}
	request.Header.Set("User-Agent", "berth/"+s.version)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = patience
	// The archive has its own compression.
	transport.DisableCompression = true
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return nil, fmt.Errorf("download: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		answer.Body.Close()
		return nil, fmt.Errorf("download %s: %s", request.URL.Redacted(), answer.Status)
	}
	fmt.Fprintln(s.err, "Downloading from "+plain(request.URL.Redacted()))
	return answer.Body, nil
}

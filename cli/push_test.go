package cli

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"

	"berth/image"
	"berth/registry"
)

func (r *fakeRegistry) HasBlob(context.Context, image.Reference, image.Descriptor) (bool, error) {
	return false, r.err
}

func (r *fakeRegistry) MountBlob(context.Context, image.Reference, image.Descriptor, string) (bool, error) {
	return false, r.err
}

func (r *fakeRegistry) UploadBlob(context.Context, image.Reference, image.Descriptor, func(int64) (io.ReadCloser, error)) error {
	return r.err
}

func (r *fakeRegistry) PutManifest(_ context.Context, ref image.Reference, _ string, _ []byte) error {
	if r.err == nil {
		r.put = append(r.put, ref.Familiar())
	}
	return r.err
}

// Push shows a layer in every way that there is.
func (f fakeImages) Push(ctx context.Context, dst image.Target, query string, to image.Reference, o image.PushOptions) (image.Pushed, error) {
	if p := o.Platform; p.Architecture == "s390x" {
		return image.Pushed{}, fmt.Errorf("image with reference %s was found but does not match the specified platform", query)
	}
	o.Progress(image.Progress{Blob: blob("a"), Stage: image.StageWaiting})
	o.Progress(image.Progress{Blob: blob("b"), Stage: image.StageWaiting})
	o.Progress(image.Progress{Blob: blob("c"), Stage: image.StageExists})
	o.Progress(image.Progress{Blob: blob("b"), Stage: image.StageMounted, From: "base"})
	o.Progress(image.Progress{Blob: blob("a"), Stage: image.StageUploading, Done: 1, Total: 2})
	if err := dst.PutManifest(ctx, to, image.MediaTypeManifest, nil); err != nil {
		return image.Pushed{}, err
	}
	o.Progress(image.Progress{Blob: blob("a"), Stage: image.StageDone})
	return image.Pushed{Digest: blob("d"), Size: 528}, nil
}

// worldToPush has images of a registry at h:5 and one of docker's.
func worldToPush() *world {
	w := newWorld()
	for _, ref := range []string{"h:5/a/b:2", "h:5/a/b:1", "docker.io/library/x:latest", "h:5/pulled@" + string(blob("d"))} {
		w.images.list[ref] = image.Image{ID: blob("e"), Ref: ref}
	}
	return w
}

func TestPush(t *testing.T) {
	const layers = "aaaaaaaaaaaa: Preparing\nbbbbbbbbbbbb: Preparing\ncccccccccccc: Layer already exists\nbbbbbbbbbbbb: Mounted from base\naaaaaaaaaaaa: Pushed\n"
	shown := func(tag string) string {
		return layers + tag + ": digest: " + string(blob("d")) + " size: 528\n"
	}
	for _, tt := range []struct{ args, out, err, put string }{
		{"push x", "Using default tag: latest\nThe push refers to repository [docker.io/library/x]\n" + shown("latest"), "", "x:latest"},
		{"image push h:5/a/b:1", "The push refers to repository [h:5/a/b]\n" + shown("1"), "", "h:5/a/b:1"},
		{"push -a h:5/a/b", "The push refers to repository [h:5/a/b]\n" + shown("1") + shown("2"), "", "h:5/a/b:1 h:5/a/b:2"},
		{"push x -q", "docker.io/library/x:latest\n", "", "x:latest"},
		{"push -qa h:5/a/b", "h:5/a/b\n", "", "h:5/a/b:1 h:5/a/b:2"},
		{"push -q --disable-content-trust=false --platform linux/amd64 x", "docker.io/library/x:latest\n", "WARNING: --disable-content-trust=false has no effect: docker's content trust is no more\n", "x:latest"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			w := worldToPush()
			r := w.berth(t, strings.Fields(tt.args)...)
			prints(t, "stdout", r.out, tt.out)
			prints(t, "stderr", r.err, tt.err)
			if got := strings.Join(w.remote.put, " "); r.code != 0 || w.remote.closed != 1 || got != tt.put {
				t.Errorf("status %d, %d clients closed, pushed %s", r.code, w.remote.closed, got)
			}
		})
	}
}

func TestPushRefused(t *testing.T) {
	denied := &registry.Error{Status: 401, Code: "DENIED", Message: "requested access to the resource is denied"}
	for _, tt := range []struct {
		args string
		err  error
		want string
	}{
		{"push nobody", nil, "An image does not exist locally with the tag: nobody\n"},
		{"push h:5/a/b:3", nil, "tag does not exist: h:5/a/b:3\n"},
		{"push -a h:5/pulled", nil, "no tags to push for h:5/pulled\n"},
		{"push h:5/pulled@" + string(blob("d")), nil, "cannot push a digest reference\n"},
		{"push -a x:latest", nil, "tag can't be used with --all-tags/-a\n"},
		{"push UPPER", nil, "invalid reference format: repository name (library/UPPER) must be lowercase\n"},
		{"push --platform linux/s390x x", nil, "image with reference docker.io/library/x:latest was found but does not match the specified platform\n"},
		{"push x", denied, "denied: requested access to the resource is denied\nhint: berth login docker.io keeps credentials\n"},
		{"push x", fmt.Errorf("push x:latest: blob is missing from the store: %w", fs.ErrNotExist), "push x:latest: blob is missing from the store: file does not exist\nhint: berth system check --repair"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			for program, prefix := range map[string]string{"berth": "Error: ", "docker": ""} {
				w := worldToPush()
				w.remote.err = tt.err
				r := w.called(t, program, strings.Fields(tt.args)...)
				if r.code != 1 || !strings.HasPrefix(r.err, prefix+tt.want) {
					t.Errorf("%s: status %d, stderr %q, want %q", program, r.code, r.err, prefix+tt.want)
				}
				if strings.Contains(r.out, "digest:") || len(w.remote.put) > 0 || len(w.remote.refs) != w.remote.closed {
					t.Errorf("%s: printed %q, pushed %q, %d clients and %d closed", program, r.out, w.remote.put, len(w.remote.refs), w.remote.closed)
				}
			}
		})
	}
}

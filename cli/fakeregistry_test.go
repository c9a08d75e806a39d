package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"berth/image"
	"berth/registry"
	"berth/registry/credentials"
)

// fakeRegistry stands for all registries. It answers with what it has, or with
// its error.
type fakeRegistry struct {
	// has are the platforms of images by their references in short.
	has map[string]image.Platform
	err error
	// asked are the references that a client was made for, flags those of each.
	refs  []string
	flags []registryFlags
	// found is what a search finds, searched what was searched for.
	found    []registry.SearchResult
	searched []string
	// documents are manifests by their references in short, blobs what else there is
	// by digest.
	documents map[string][]byte
	blobs     map[image.Digest][]byte
	// put are the references that manifests were put under.
	put []string
	// users are who may log in, and the identity tokens that they get for it.
	users map[credentials.Auth]string
	// hangs: nothing is answered until somebody gives it up, which is tried then.
	hangs func()
	// closed counts the clients that were let go of.
	closed int
}

func (r *fakeRegistry) asked(f registryFlags, ref image.Reference) registryClient {
	r.refs, r.flags = append(r.refs, ref.Familiar()), append(r.flags, f)
	return r
}

func (r *fakeRegistry) Close() { r.closed++ }

func (r *fakeRegistry) hang(ctx context.Context) error {
	if r.hangs == nil {
		return nil
	}
	r.hangs()
	<-ctx.Done()
	return ctx.Err()
}

func (r *fakeRegistry) Manifest(ctx context.Context, ref image.Reference) (image.Descriptor, []byte, error) {
	if err := r.hang(ctx); err != nil {
		return image.Descriptor{}, nil, err
	}
	if r.err != nil {
		return image.Descriptor{}, nil, r.err
	}
	if b, ok := r.documents[ref.Familiar()]; ok {
		return image.Descriptor{Digest: digestOf(b), Size: int64(len(b))}, b, nil
	}
	platform, ok := r.has[ref.Familiar()]
	if !ok {
		return image.Descriptor{}, nil, &registry.Error{Status: 404, Code: "MANIFEST_UNKNOWN", Message: "manifest unknown"}
	}
	return image.Descriptor{Digest: blob("d"), Platform: &platform}, nil, nil
}

func (r *fakeRegistry) Blob(_ context.Context, _ image.Reference, d image.Descriptor, _ int64) (io.ReadCloser, error) {
	if b, ok := r.blobs[d.Digest]; ok {
		return io.NopCloser(bytes.NewReader(b)), nil
	}
	return nil, errors.New("no blobs here")
}

func (r *fakeRegistry) Login(_ context.Context, host string, auth credentials.Auth) (string, error) {
	token, ok := r.users[auth]
	if r.err == nil && !ok {
		return "", &registry.Error{Status: 401, Code: "UNAUTHORIZED", Message: "authentication required", Attempt: "login attempt to https://" + host + "/v2/"}
	}
	return token, r.err
}

func (r *fakeRegistry) Tags(_ context.Context, repository image.Reference) ([]string, error) {
	var tags []string
	for name := range r.has {
		if tag, ok := strings.CutPrefix(name, repository.Familiar()+":"); ok {
			tags = append(tags, tag)
		}
	}
	slices.Sort(tags)
	return tags, r.err
}

func (r *fakeRegistry) Search(ctx context.Context, host, term string, limit int) ([]registry.SearchResult, error) {
	if err := r.hang(ctx); err != nil {
		return nil, err
	}
	r.searched = append(r.searched, fmt.Sprint(host, " ", term, " ", limit))
	return r.found, r.err
}

// Pull adds what the source has to the images, in two layers of which one is
// there already.
func (f fakeImages) Pull(ctx context.Context, src image.Source, ref image.Reference, o image.PullOptions) (image.Pulled, error) {
	desc, _, err := src.Manifest(ctx, ref)
	if err != nil {
		return image.Pulled{}, err
	}
	name := strings.TrimSuffix(ref.Familiar(), ":latest")
	have, known := f.list[name]
	pulled := image.Pulled{Digest: desc.Digest, Image: have}
	if known && have.Architecture == desc.Platform.Architecture {
		return pulled, nil
	}
	for _, stage := range []image.Stage{image.StageWaiting, image.StageDownloading, image.StageExtracting, image.StageDone} {
		o.Progress(image.Progress{Blob: blob("a"), Stage: stage, Total: 10})
	}
	o.Progress(image.Progress{Blob: blob("b"), Stage: image.StageExists})
	pulled.New = true
	pulled.Image = image.Image{
		ID: blob("c"), Ref: ref.String(), OS: desc.Platform.OS, Architecture: desc.Platform.Architecture,
		Config: image.Config{Cmd: []string{"sh"}}, Layers: []string{"/layer/a", "/layer/b"},
	}
	f.list[name] = pulled.Image
	return pulled, nil
}

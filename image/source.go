package image

import (
	"context"
	"io"
)

// Source is where images come from: a registry, for example. Nothing that it
// gives is believed: Store verifies size and digest of all of it. Its methods may
// be called from several goroutines at once.
type Source interface {
	// Manifest returns the manifest or index that ref names, by digest if it has
	// one, by tag else, and a descriptor of these very bytes.
	Manifest(ctx context.Context, ref Reference) (Descriptor, []byte, error)
	// Blob opens a blob of ref's repository at offset bytes from its start. The
	// reader goes on by itself where a connection breaks.
	Blob(ctx context.Context, ref Reference, blob Descriptor, offset int64) (io.ReadCloser, error)
}

// Target is where images are pushed to. Its methods may be called from several
// goroutines at once.
type Target interface {
	// HasBlob reports whether ref's repository has the blob.
	HasBlob(ctx context.Context, ref Reference, blob Descriptor) (bool, error)
	// MountBlob asks the registry to take the blob from another repository of its
	// own, and reports whether it did.
	MountBlob(ctx context.Context, ref Reference, blob Descriptor, from string) (bool, error)
	// UploadBlob sends a blob, which open returns at an offset, as often as needed.
	UploadBlob(ctx context.Context, ref Reference, blob Descriptor, open func(offset int64) (io.ReadCloser, error)) error
	// PutManifest stores a manifest or index under ref's digest or tag.
	PutManifest(ctx context.Context, ref Reference, mediaType string, content []byte) error
}

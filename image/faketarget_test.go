package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
)

// fakeTarget is a registry in memory that notes what it is asked.
type fakeTarget struct {
	mu        sync.Mutex
	blobs     map[string][]byte // by repository and digest
	manifests map[string][]byte // by reference
	types     map[string]string
	calls     []string
	// cut is where the first upload of each blob breaks, 0 for nowhere.
	cut int64
	// lose is how much of what came before the break did not arrive.
	lose int64
	err  error
	// slots counts uploads at once.
	uploading, most int
}

func newFakeTarget() *fakeTarget {
	return &fakeTarget{blobs: map[string][]byte{}, manifests: map[string][]byte{}, types: map[string]string{}}
}

func (f *fakeTarget) note(format string, args ...any) {
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
}

func (f *fakeTarget) HasBlob(_ context.Context, ref Reference, blob Descriptor) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.blobs[ref.Path+"@"+string(blob.Digest)]
	return ok, nil
}

func (f *fakeTarget) MountBlob(_ context.Context, ref Reference, blob Descriptor, from string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note("mount from %s", from)
	b, ok := f.blobs[from+"@"+string(blob.Digest)]
	if ok {
		f.blobs[ref.Path+"@"+string(blob.Digest)] = b
	}
	return ok, nil
}

func (f *fakeTarget) UploadBlob(_ context.Context, ref Reference, blob Descriptor, open func(int64) (io.ReadCloser, error)) error {
	f.mu.Lock()
	f.uploading++
	f.most = max(f.most, f.uploading)
	f.mu.Unlock()
	b, err := f.receive(blob, open)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.uploading--
	f.note("upload %s", blob.MediaType)
	if err == nil {
		f.blobs[ref.Path+"@"+string(blob.Digest)] = b
	}
	return err
}

func (f *fakeTarget) receive(blob Descriptor, open func(int64) (io.ReadCloser, error)) ([]byte, error) {
	var got []byte
	for _, limit := range []int64{f.cut, blob.Size} {
		if limit == 0 {
			continue
		}
		r, err := open(int64(len(got)))
		if err != nil {
			return nil, err
		}
		part, err := io.ReadAll(io.LimitReader(r, limit-int64(len(got))))
		r.Close()
		if err != nil {
			return nil, err
		}
		got = append(got, part...)
		if limit == f.cut {
			got = got[:len(got)-int(f.lose)]
		}
	}
	if digestBytes(got) != blob.Digest {
		return nil, errors.New("digest invalid")
	}
	return got, f.err
}

func (f *fakeTarget) PutManifest(_ context.Context, ref Reference, mediaType string, content []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note("manifest %s", ref.Familiar())
	f.manifests[ref.Familiar()], f.types[ref.Familiar()] = content, mediaType
	return nil
}

func (f *fakeTarget) Manifest(_ context.Context, ref Reference) (Descriptor, []byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b, ok := f.manifests[ref.Familiar()]
	if !ok {
		return Descriptor{}, nil, fs.ErrNotExist
	}
	return Descriptor{MediaType: f.types[ref.Familiar()], Digest: digestBytes(b), Size: int64(len(b))}, b, nil
}

func (f *fakeTarget) Blob(_ context.Context, ref Reference, blob Descriptor, offset int64) (io.ReadCloser, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b, ok := f.blobs[ref.Path+"@"+string(blob.Digest)]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(b[offset:])), nil
}

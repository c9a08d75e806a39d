package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"berth/image"
)

// HasBlob asks whether ref's repository has the blob. A registry that is pushed to
// is asked itself, never a mirror.
func (c *Client) HasBlob(ctx context.Context, ref image.Reference, blob image.Descriptor) (bool, error) {
	var has bool
	err := c.each(ctx, ref, direct, func(at *endpoint) error {
		var err error
		has, err = c.hasBlob(ctx, at, blob)
		return err
	})
	return has, err
}

func (c *Client) hasBlob(ctx context.Context, at *endpoint, blob image.Descriptor) (bool, error) {
	resp, err := c.send(ctx, at, request{
		method: http.MethodHead, path: at.path("blobs", string(blob.Digest)),
		scopes: []string{at.scope("pull,push")}, accept: []int{http.StatusNotFound},
	})
	if err != nil {
		return false, err
	}
	discard(resp)
	return resp.StatusCode == http.StatusOK, nil
}

// MountBlob asks the registry to take the blob from another repository of its
// own. A registry that does not, for whatever reason, has mostly opened an upload
// in place of it, which the next UploadBlob of the same blob goes on with.
func (c *Client) MountBlob(ctx context.Context, ref image.Reference, blob image.Descriptor, from string) (bool, error) {
	var mounted bool
	err := c.each(ctx, ref, direct, func(at *endpoint) error {
		source, err := c.sibling(at, ref, from)
		if err != nil || source == "" {
			return err
		}
		resp, err := c.send(ctx, at, request{
			method: http.MethodPost, path: at.path("blobs", "uploads/"),
			query:  url.Values{"mount": {string(blob.Digest)}, "from": {source}},
			scopes: []string{at.scope("pull,push"), "repository:" + source + ":pull"},
		})
		var refused *Error
		if errors.As(err, &refused) && refused.Status/100 == 4 && refused.Status != http.StatusTooManyRequests {
			// Whoever may not read there can still upload.
			return nil
		}
		if err != nil {
			return err
		}
		discard(resp)
		mounted = resp.StatusCode == http.StatusCreated
		if left := c.takeSession(ref, blob); left != nil {
			left.cancel(ctx)
		}
		if mounted {
			return nil
		}
		if opened, err := c.sessionOf(at, resp); err == nil {
			c.leaveSession(ref, blob, opened)
		}
		return nil
	})
	return mounted, err
}

// sibling is the path at the endpoint of another repository of ref's registry,
// empty when that is elsewhere.
func (c *Client) sibling(at *endpoint, ref image.Reference, path string) (string, error) {
	list, err := c.endpoints(image.Reference{Domain: ref.Domain, Path: path}, direct)
	if err != nil {
		return "", err
	}
	for _, other := range list {
		if other.origin == at.origin {
			return other.repository, nil
		}
	}
	return "", nil
}

// PutManifest stores a manifest or index under ref's digest, or its tag when it
// has none.
func (c *Client) PutManifest(ctx context.Context, ref image.Reference, mediaType string, content []byte) error {
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(content))
	name := ref.Tag
	if ref.Digest != "" {
		if name = string(ref.Digest); name != digest {
			return fmt.Errorf("push %s: the manifest has digest %s", ref.Familiar(), digest)
		}
	}
	return c.each(ctx, ref, direct, func(at *endpoint) error {
		resp, err := c.send(ctx, at, request{
			method: http.MethodPut, path: at.path("manifests", name),
			header: http.Header{"Content-Type": {mediaType}},
			body:   func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
			size:   int64(len(content)), scopes: []string{at.scope("pull,push")}, patience: commitPatience,
		})
		if err != nil {
			return err
		}
		discard(resp)
		return checkStored(resp, "push "+ref.Familiar(), digest)
	})
}

// checkStored compares what the registry says that it has with what it was given.
// Not all of them say it, and some by another algorithm.
func checkStored(resp *http.Response, what, digest string) error {
	got := resp.Header.Get("Docker-Content-Digest")
	if got == "" || got == digest || !strings.HasPrefix(got, "sha256:") {
		return nil
	}
	return fmt.Errorf("%s: the registry stored %s, not %s", what, printable(got), digest)
}

package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"berth/image"
)

// maxManifest bounds a manifest or index: the distribution specification asks
// registries to take 4 MiB, and all but a hostile one stay far below.
const maxManifest = 4 << 20

// digestHeader is what registries call the digest of a manifest.
const digestHeader = "Docker-Content-Digest"

// manifestTypes are the media types that berth asks for.
func manifestTypes() []string {
	return []string{image.MediaTypeIndex, image.MediaTypeManifest, image.MediaTypeDockerList, image.MediaTypeDockerImage}
}

func manifestRequest(at *endpoint, ref image.Reference, method string) request {
	name := ref.Tag
	if ref.Digest != "" {
		name = string(ref.Digest)
	}
	return request{
		method: method,
		path:   at.path("manifests", name),
		header: http.Header{"Accept": {strings.Join(manifestTypes(), ", ")}},
		scopes: []string{at.scope("pull")},
	}
}

// Manifest implements image.Source. Its bytes have the digest that ref asks for,
// or the one that the registry says they have, and are a manifest or an index and
// nothing besides. Errors have docker's words and match ErrNotFound, ErrDenied,
// ErrUnauthorized or ErrTooManyRequests.
func (c *Client) Manifest(ctx context.Context, ref image.Reference) (image.Descriptor, []byte, error) {
	var found image.Descriptor
	var content []byte
	err := c.each(ctx, ref, manifestPurpose(ref), func(at *endpoint) error {
		var err error
		found, content, err = c.manifestAt(ctx, at, ref)
		return err
	})
	if err != nil {
		return image.Descriptor{}, nil, translate(ref, manifestUnknown(err))
	}
	return found, content, nil
}

// manifestAt reads and checks ref's manifest at one endpoint.
func (c *Client) manifestAt(ctx context.Context, at *endpoint, ref image.Reference) (image.Descriptor, []byte, error) {
	got, err := c.read(ctx, at, manifestRequest(at, ref, http.MethodGet), maxManifest)
	if err != nil {
		return image.Descriptor{}, nil, err
	}
	found, err := checkManifest(got.header, got.content, ref.Digest)
	if err != nil {
		return image.Descriptor{}, nil, fmt.Errorf("read manifest of %s: %w", ref.Familiar(), err)
	}
	return found, got.content, nil
}

// checkManifest describes what was sent. want is empty for a tag.
func checkManifest(header http.Header, content []byte, want image.Digest) (image.Descriptor, error) {
	sum := sha256.Sum256(content)
	got := image.Digest("sha256:" + hex.EncodeToString(sum[:]))
	said := header.Get(digestHeader)
	switch {
	case want != "" && !strings.HasPrefix(string(want), "sha256:"):
		return image.Descriptor{}, fmt.Errorf("digest %s: only sha256 can be verified", want)
	case want != "" && got != want:
		return image.Descriptor{}, fmt.Errorf("the registry sent content with digest %s instead of %s", got, want)
	case strings.HasPrefix(said, "sha256:") && said != string(got):
		return image.Descriptor{}, fmt.Errorf("the registry says that its digest is %s, but it is %s", printable(said), got)
	}
	mediaType, err := manifestType(header.Get("Content-Type"), content)
	if err != nil {
		return image.Descriptor{}, err
	}
	return image.Descriptor{MediaType: mediaType, Digest: got, Size: int64(len(content))}, nil
}

// Resolve asks what ref's tag or digest names now, without fetching it where the
// registry can say so: docker hub counts only what is fetched. Size may be -1 when
// the registry does not tell it.
func (c *Client) Resolve(ctx context.Context, ref image.Reference) (image.Descriptor, error) {
	var found image.Descriptor
	err := c.each(ctx, ref, manifestPurpose(ref), func(at *endpoint) error {
		r := manifestRequest(at, ref, http.MethodHead)
		r.accept = []int{http.StatusMethodNotAllowed, http.StatusNotImplemented}
		resp, err := c.send(ctx, at, r)
		if err != nil {
			return err
		}
		discard(resp)
		digest, err := image.ParseDigest(resp.Header.Get(digestHeader))
		mediaType := plainType(resp.Header.Get("Content-Type"))
		if resp.StatusCode == http.StatusOK && err == nil && isManifestType(mediaType) {
			if ref.Digest != "" && digest != ref.Digest {
				return fmt.Errorf("look up %s: the registry has %s instead", ref.Familiar(), digest)
			}
			found = image.Descriptor{MediaType: mediaType, Digest: digest, Size: resp.ContentLength}
			return nil
		}
		found, _, err = c.manifestAt(ctx, at, ref)
		return err
	})
	if err != nil {
		return image.Descriptor{}, translate(ref, manifestUnknown(err))
	}
	return found, nil
}

// readError is a failure to read ref, in docker's words.
type readError struct {
	text  string
	cause error
}

func (e *readError) Error() string { return e.text + ": " + e.cause.Error() }
func (e *readError) Unwrap() error { return e.cause }

// manifestUnknown gives a 404 that says nothing more its meaning: the answer to a
// HEAD has no body to say it in.
func manifestUnknown(err error) error {
	var answer *Error
	if !errors.As(err, &answer) || answer.Status != http.StatusNotFound || answer.Code != "" {
		return err
	}
	filled := *answer
	filled.Code, filled.Message = codeManifestUnknown, "manifest unknown"
	return &filled
}

// translate puts what a registry refused into docker's words, which name the
// reference.
func translate(ref image.Reference, err error) error {
	var answer *Error
	if !errors.As(err, &answer) {
		return err
	}
	switch answer.Code {
	case codeDenied:
		text := fmt.Sprintf("pull access denied for %s, repository does not exist or may require 'berth login'", ref.FamiliarName())
		return &readError{text, answer}
	case codeManifestUnknown:
		return &readError{fmt.Sprintf("manifest for %s not found", ref.Familiar()), answer}
	case codeNameUnknown:
		return &readError{fmt.Sprintf("repository %s not found", ref.FamiliarName()), answer}
	}
	return err
}

package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// maxIndexes is how many indexes may lie above a manifest.
const maxIndexes = 4

// Media types that are refused by name, or are docker's words for those of the
// image-spec.
const (
	mediaTypeDockerConfig = "application/vnd.docker.container.image.v1+json"
	mediaTypeSchema1      = "application/vnd.docker.distribution.manifest.v1+"
)

// find asks the source what the reference names and follows indexes down to the
// manifest for the platform.
func (p *pull) find(ctx context.Context) error {
	desc, content, err := p.src.Manifest(ctx, p.ref)
	if err != nil {
		return err
	}
	if desc, err = p.checkAnswer(desc, content, p.ref.Digest); err != nil {
		return err
	}
	p.known = desc.Digest
	for depth := 0; isIndex(desc.MediaType); depth++ {
		if depth == maxIndexes {
			return p.refuse("more than %d manifest lists within each other", maxIndexes)
		}
		if desc, content, err = p.descend(ctx, content); err != nil {
			return err
		}
	}
	p.desc, p.content = Descriptor{MediaType: desc.MediaType, Digest: desc.Digest, Size: desc.Size}, content
	return p.readManifest()
}

// descend picks from an index and asks for what it picked, unless that is stored.
func (p *pull) descend(ctx context.Context, content []byte) (Descriptor, []byte, error) {
	var index Index
	if err := decodeIndex(content, &index); err != nil {
		return Descriptor{}, nil, p.refuse("%w", err)
	}
	pick, err := index.bestFor(p.platform)
	if err != nil {
		return Descriptor{}, nil, err
	}
	if err := pick.Digest.Validate(); err != nil {
		return Descriptor{}, nil, p.refuse("%w", err)
	}
	if pick.Size < 0 || pick.Size > maxMetadata {
		return Descriptor{}, nil, p.refuse("manifest %s: size %d is out of range", pick.Digest, pick.Size)
	}
	if b, err := p.store.readBlob(pick); err == nil {
		pick, err = p.checkAnswer(pick, b, pick.Digest)
		return pick, b, err
	}
	ref := Reference{Domain: p.ref.Domain, Path: p.ref.Path, Digest: pick.Digest}
	desc, b, err := p.src.Manifest(ctx, ref)
	if err != nil {
		return Descriptor{}, nil, err
	}
	if int64(len(b)) != pick.Size {
		return Descriptor{}, nil, p.refuse("manifest %s: is not %d bytes long: %w", pick.Digest, pick.Size, ErrCorrupt)
	}
	desc, err = p.checkAnswer(desc, b, pick.Digest)
	if err == nil && desc.MediaType != pick.MediaType && pick.MediaType != "" {
		err = p.refuse("manifest %s: media type %q, the index says %q: %w", pick.Digest, desc.MediaType, pick.MediaType, ErrCorrupt)
	}
	return desc, b, err
}

// checkAnswer verifies a manifest or index and decides which of the two it is: the
// document and whoever sent it must not be of two minds (CVE-2021-41190).
func (p *pull) checkAnswer(told Descriptor, content []byte, want Digest) (Descriptor, error) {
	if len(content) > maxMetadata {
		return told, p.refuse("manifest has %d bytes, more than %d", len(content), maxMetadata)
	}
	got := digestBytes(content)
	if want == "" {
		want = told.Digest
	}
	if want != "" && want != got {
		if err := want.Validate(); err != nil {
			return told, p.refuse("%w", err)
		}
		return told, p.refuse("manifest %s: content has digest %s: %w", want, got, ErrCorrupt)
	}
	kind, err := documentKind(told.MediaType, content)
	if err != nil {
		return told, p.refuse("manifest %s: %w", got, err)
	}
	return Descriptor{MediaType: kind, Digest: got, Size: int64(len(content))}, nil
}

// documentKind decides on the media type of a document. told is what its sender
// says.
func documentKind(told string, content []byte) (string, error) {
	var probe struct {
		SchemaVersion int             `json:"schemaVersion"`
		MediaType     string          `json:"mediaType"`
		Manifests     json.RawMessage `json:"manifests"`
	}
	if err := json.Unmarshal(content, &probe); err != nil {
		return "", fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	told, _, _ = strings.Cut(told, ";")
	told = strings.TrimSpace(told)
	kind := probe.MediaType
	switch {
	case probe.SchemaVersion == 1 || strings.HasPrefix(kind, mediaTypeSchema1) || strings.HasPrefix(told, mediaTypeSchema1):
		return "", errors.New("docker's image manifest schema 1 is not supported: push the image again with a newer tool")
	case kind == "" && isDocument(told):
		return told, nil
	case kind == "" && probe.Manifests != nil:
		return MediaTypeIndex, nil
	case kind == "":
		return MediaTypeManifest, nil
	case !isDocument(kind):
		return "", fmt.Errorf("unsupported media type %s", kind)
	case isDocument(told) && isIndex(told) != isIndex(kind):
		return "", fmt.Errorf("media type %q was sent as %q: %w", kind, told, ErrCorrupt)
	}
	return kind, nil
}

func isDocument(mediaType string) bool { return isManifest(mediaType) || isIndex(mediaType) }

func isManifest(mediaType string) bool {
	return mediaType == MediaTypeManifest || mediaType == MediaTypeDockerImage
}

// readManifest checks what the manifest says before anything of it is fetched.
func (p *pull) readManifest() error {
	if err := decodeManifest(p.content, &p.manifest); err != nil {
		return p.refuse("read manifest %s: %w", p.desc.Digest, err)
	}
	m := p.manifest
	if m.Config.MediaType != MediaTypeConfig && m.Config.MediaType != mediaTypeDockerConfig {
		return p.refuse("unsupported media type %s: it holds no container image", m.Config.MediaType)
	}
	if len(m.Layers) > maxLayers {
		return p.refuse("image has %d layers, more than %d", len(m.Layers), maxLayers)
	}
	if m.Config.Size > maxMetadata {
		return p.refuse("config %s: size %d is out of range", m.Config.Digest, m.Config.Size)
	}
	for _, d := range append([]Descriptor{m.Config}, m.Layers...) {
		if err := d.Digest.Validate(); err != nil {
			return p.refuse("%w", err)
		}
		if d.Size < 0 || d.Size > p.limits.Bytes {
			return p.refuse("blob %s: size %d is out of range", d.Digest, d.Size)
		}
	}
	sizes := map[Digest]int64{m.Config.Digest: m.Config.Size}
	for _, l := range m.Layers {
		if err := checkLayerType(l); err != nil {
			return p.refuse("%w", err)
		}
		if size, twice := sizes[l.Digest]; twice && size != l.Size {
			return p.refuse("blob %s: sizes %d and %d: %w", l.Digest, size, l.Size, ErrCorrupt)
		}
		sizes[l.Digest] = l.Size
	}
	return nil
}

// checkLayerType refuses what cannot be a layer of a container's file system.
// How a layer is compressed shows in its first bytes.
func checkLayerType(l Descriptor) error {
	if strings.Contains(l.MediaType, ".nondistributable.") || strings.Contains(l.MediaType, ".foreign.") || len(l.URLs) > 0 {
		return fmt.Errorf("layer %s is foreign, its content is not in the registry: foreign layers are not supported", l.Digest)
	}
	if strings.HasSuffix(l.MediaType, "+encrypted") {
		return fmt.Errorf("layer %s is encrypted: encrypted layers are not supported", l.Digest)
	}
	if !strings.Contains(l.MediaType, ".tar") {
		return fmt.Errorf("layer %s: unsupported media type %s", l.Digest, l.MediaType)
	}
	return nil
}

// readConfig checks the config against the manifest and the platform.
func (p *pull) readConfig(b []byte) error {
	id := p.manifest.Config.Digest
	var c ImageConfig
	if err := json.Unmarshal(b, &c); err != nil {
		return p.refuse("read config %s: %w: %w", id, ErrCorrupt, err)
	}
	if have, want := len(c.RootFS.DiffIDs), len(p.manifest.Layers); have != want {
		return p.refuse("read config %s: %w: %d diff ids for %d layers", id, ErrCorrupt, have, want)
	}
	for _, d := range c.RootFS.DiffIDs {
		if err := d.Validate(); err != nil {
			return p.refuse("read config %s: %w: %w", id, ErrCorrupt, err)
		}
	}
	if os := c.platform().OS; os != "linux" {
		return p.refuse("image operating system %q cannot be used on this platform", os)
	}
	if p.asked && !c.suits(p.platform) {
		return fmt.Errorf("image with reference %s was found but does not match the specified platform: wanted %s, actual: %s",
			p.subject, p.platform, c.platform())
	}
	p.configBlob, p.config = bytes.Clone(b), c
	platform := c.platform()
	p.desc.Platform = &platform
	return nil
}

func (p *pull) refuse(format string, args ...any) error {
	return fmt.Errorf("%s %s: %w", p.verb, p.subject, fmt.Errorf(format, args...))
}

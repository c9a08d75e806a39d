package image

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
)

// FetchMember asks a registry for an image that is to be in a manifest list. Only
// its manifest and its config travel.
func FetchMember(ctx context.Context, src Source, ref Reference) (ListMember, error) {
	desc, content, err := FetchManifest(ctx, src, ref)
	if err != nil {
		return ListMember{}, err
	}
	if isIndex(desc.MediaType) {
		return ListMember{}, fmt.Errorf("%s is a manifest list", ref)
	}
	var m Manifest
	if err := decodeManifest(content, &m); err != nil {
		return ListMember{}, fmt.Errorf("read manifest %s: %w", ref, err)
	}
	config, err := fetchConfig(ctx, src, ref, m.Config)
	if err != nil {
		return ListMember{}, fmt.Errorf("read config of %s: %w", ref, err)
	}
	return newMember(ref, desc, content, config), nil
}

// FetchMembers asks a registry for the images of an index that it has under ref,
// whose bytes are content.
func FetchMembers(ctx context.Context, src Source, ref Reference, content []byte) ([]ListMember, error) {
	var index Index
	if err := decodeIndex(content, &index); err != nil {
		return nil, fmt.Errorf("read manifest list %s: %w", ref, err)
	}
	members := make([]ListMember, 0, len(index.Manifests))
	for _, entry := range index.Manifests {
		at := Reference{Domain: ref.Domain, Path: ref.Path, Digest: entry.Digest}
		desc, content, err := FetchManifest(ctx, src, at)
		if err != nil {
			return nil, err
		}
		desc.Platform = entry.Platform
		at.Tag = ref.Tag
		members = append(members, ListMember{Ref: at.String(), Descriptor: desc, Content: content})
	}
	return members, nil
}

// FetchManifest returns the manifest or index that ref names, verified as far as
// ref's digest allows.
func FetchManifest(ctx context.Context, src Source, ref Reference) (Descriptor, []byte, error) {
	desc, content, err := src.Manifest(ctx, ref)
	if err != nil {
		return Descriptor{}, nil, err
	}
	if len(content) > maxMetadata {
		return Descriptor{}, nil, fmt.Errorf("read manifest %s: is larger than %d bytes: %w", ref, maxMetadata, ErrCorrupt)
	}
	got := digestBytes(content)
	want := ref.Digest
	if want == "" {
		want = desc.Digest
	}
	if got != want {
		return Descriptor{}, nil, fmt.Errorf("read manifest %s: content has digest %s: %w", ref, got, ErrCorrupt)
	}
	kind, err := documentKind(desc.MediaType, content)
	if err != nil {
		return Descriptor{}, nil, fmt.Errorf("read manifest %s: %w", ref, err)
	}
	return Descriptor{MediaType: kind, Digest: got, Size: int64(len(content))}, content, nil
}

func fetchConfig(ctx context.Context, src Source, ref Reference, blob Descriptor) (ImageConfig, error) {
	var config ImageConfig
	if err := blob.Digest.Validate(); err != nil {
		return config, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if blob.Size < 0 || blob.Size > maxMetadata {
		return config, fmt.Errorf("blob %s: %w: size %d", blob.Digest, ErrCorrupt, blob.Size)
	}
	r, err := src.Blob(ctx, ref, blob, 0)
	if err != nil {
		return config, err
	}
	defer r.Close()
	b, err := readVerified(r, blob.Digest, blob.Size)
	if err != nil {
		return config, err
	}
	if err := json.Unmarshal(b, &config); err != nil {
		return config, fmt.Errorf("blob %s: %w: %w", blob.Digest, ErrCorrupt, err)
	}
	return config, nil
}

func newMember(ref Reference, desc Descriptor, content []byte, c ImageConfig) ListMember {
	return ListMember{
		Ref:     ref.String(),
		Content: content,
		Descriptor: Descriptor{
			MediaType: desc.MediaType, Digest: desc.Digest, Size: desc.Size,
			Platform: &Platform{
				OS: c.OS, Architecture: c.Architecture, Variant: c.Variant, OSVersion: c.OSVersion, OSFeatures: c.OSFeatures,
			},
		},
	}
}

// StoredMember makes a member of an image of the store, for one that no registry
// has. The error is *NoSuchImageError when there is none.
func (s *Store) StoredMember(ref Reference) (ListMember, error) {
	p, err := s.planPush(nil, ref.String(), ref, PushOptions{})
	if err != nil {
		return ListMember{}, err
	}
	m := newMember(ref, p.manifest, p.content, p.entry.config)
	m.Stored = true
	return m, nil
}

// PushManifestList puts a list under its name. Members that the name's repository
// does not have are copied there first, by mounting where the registry can, and
// told names each of them when it is done. It returns the list's digest.
func (s *Store) PushManifestList(ctx context.Context, src Source, dst Target, l ManifestList, told func(member Reference)) (Digest, error) {
	to, err := ParseReference(l.Ref)
	if err != nil {
		return "", err
	}
	if err := l.checkPlatforms(); err != nil {
		return "", err
	}
	mediaType, content, err := l.Index()
	if err != nil {
		return "", err
	}
	for _, m := range l.Members {
		from, err := ParseReference(m.Ref)
		if err != nil {
			return "", err
		}
		at := Reference{Domain: to.Domain, Path: to.Path, Digest: m.Descriptor.Digest}
		if from.Name() == to.Name() && !m.Stored {
			continue
		}
		if err := s.pushMember(ctx, src, dst, m, from, at); err != nil {
			return "", err
		}
		told(at)
	}
	return digestBytes(content), dst.PutManifest(ctx, to, mediaType, content)
}

// pushMember copies an image from one repository to another, or from the store.
func (s *Store) pushMember(ctx context.Context, src Source, dst Target, m ListMember, from, to Reference) error {
	e := entry{desc: m.Descriptor}
	if err := decodeManifest(m.Content, &e.manifest); err != nil {
		return fmt.Errorf("read manifest %s: %w", m.Ref, err)
	}
	p := newPush(s, dst, to, e, PushOptions{})
	p.manifest, p.content = m.Descriptor, m.Content
	if m.Stored {
		if err := p.checkBlobs(); err != nil {
			return err
		}
		return p.run(ctx)
	}
	p.open = func(blob Descriptor) func(int64) (io.ReadCloser, error) {
		return func(offset int64) (io.ReadCloser, error) { return src.Blob(ctx, from, blob, offset) }
	}
	if from.Domain == to.Domain {
		p.mounts = map[Digest][]string{e.manifest.Config.Digest: {from.Path}}
		for _, layer := range e.manifest.Layers {
			p.mounts[layer.Digest] = []string{from.Path}
		}
	}
	return p.run(ctx)
}

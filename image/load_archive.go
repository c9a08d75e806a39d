package image

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// annotationImageName is containerd's for an image's full name, which docker's
// archives have, too: their annotationRefName is the tag alone.
const annotationImageName = "io.containerd.image.name"

// maxArchiveImages is how many images an archive may name.
const maxArchiveImages = 10_000

// readLayout reads index.json. Of rows with one name and several platforms one is
// picked, as of an index.
func (l *load) readLayout(ctx context.Context) error {
	rows, err := l.layoutRows()
	if err != nil {
		return err
	}
	for len(rows) > 0 {
		var same, rest []Descriptor
		first := layoutName(rows[0])
		for _, row := range rows {
			if layoutName(row) == first {
				same = append(same, row)
			} else {
				rest = append(rest, row)
			}
		}
		rows = rest
		for _, row := range l.pick(same) {
			item := &loadItem{desc: row}
			if ref, err := ParseReference(first); err == nil {
				item.refs = []Reference{ref}
			}
			l.told[row.Digest] = row
			if err := l.addItem(ctx, item); err != nil {
				return err
			}
		}
	}
	return nil
}

// layoutRows are the rows of index.json that are images.
func (l *load) layoutRows() ([]Descriptor, error) {
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("archive's file index.json: %w: %w", ErrCorrupt, fmt.Errorf(format, args...))
	}
	b, err := l.bundle.document("index.json")
	if err != nil {
		return nil, err
	}
	var index Index
	if err := decodeIndex(b, &index); err != nil {
		return nil, fmt.Errorf("archive's file index.json: %w", err)
	}
	// Builders put what they know of an image beside it.
	rows := slices.DeleteFunc(index.Manifests, func(row Descriptor) bool {
		return row.ArtifactType != "" || row.Platform != nil && row.Platform.OS == "unknown"
	})
	if len(rows) == 0 || len(rows) > maxArchiveImages {
		return nil, refuse("it names %d images", len(rows))
	}
	for _, row := range rows {
		if err := row.Digest.Validate(); err != nil {
			return nil, refuse("%w", err)
		}
		if row.Size < 0 || row.Size > maxMetadata {
			return nil, refuse("manifest %s has size %d", row.Digest, row.Size)
		}
	}
	return rows, nil
}

// layoutName is the name that a layout's row has, in any form.
func layoutName(row Descriptor) string {
	if name := row.Annotations[annotationImageName]; name != "" {
		return name
	}
	return row.Annotations[annotationRefName]
}

// pick returns those of several rows with one name that are to be loaded: the best
// for the platform when they are for several, all when they do not differ in that.
func (l *load) pick(rows []Descriptor) []Descriptor {
	platforms := map[string]bool{}
	for _, row := range rows {
		if row.Platform == nil {
			return rows
		}
		platforms[row.Platform.normal().String()] = true
	}
	want := hostPlatform()
	if l.asked() {
		want = l.Platform
	}
	best, err := Index{Manifests: rows}.bestFor(want)
	if err != nil || len(platforms) == 1 {
		return rows
	}
	return []Descriptor{best}
}

// dockerItem is one image in docker's manifest.json.
type dockerItem struct {
	Config   string
	RepoTags []string
	Layers   []string
}

func (l *load) dockerItems() ([]dockerItem, error) {
	b, err := l.bundle.document("manifest.json")
	if err != nil {
		return nil, err
	}
	var items []dockerItem
	if err := json.Unmarshal(b, &items); err != nil {
		return nil, fmt.Errorf("archive's file manifest.json: %w: %w", ErrCorrupt, err)
	}
	if len(items) == 0 || len(items) > maxArchiveImages {
		return nil, fmt.Errorf("archive's file manifest.json: %w: it names %d images", ErrCorrupt, len(items))
	}
	return items, nil
}

// names reads an image's names.
func (d dockerItem) names() ([]Reference, error) {
	var refs []Reference
	for _, name := range d.RepoTags {
		ref, err := ParseNamed(name)
		if err != nil {
			return nil, err
		}
		if ref.Tag == "" || ref.Digest != "" {
			return nil, fmt.Errorf("invalid tag %q", name)
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

// readDocker reads manifest.json, and makes the manifests that such an archive has
// none of.
func (l *load) readDocker(ctx context.Context) error {
	items, err := l.dockerItems()
	if err != nil {
		return err
	}
	for _, d := range items {
		refs, err := d.names()
		if err != nil {
			return err
		}
		manifest, err := l.makeManifest(ctx, d)
		if err != nil {
			return err
		}
		content, err := json.Marshal(manifest)
		if err != nil {
			return fmt.Errorf("encode image manifest: %w", err)
		}
		digest := digestBytes(content)
		l.made[digest] = content
		desc := Descriptor{MediaType: MediaTypeManifest, Digest: digest, Size: int64(len(content))}
		if err := l.addItem(ctx, &loadItem{desc: desc, refs: refs, byConfig: true}); err != nil {
			return err
		}
	}
	return nil
}

func (l *load) makeManifest(ctx context.Context, d dockerItem) (Manifest, error) {
	b, err := l.bundle.document(d.Config)
	if err != nil {
		return Manifest{}, err
	}
	var config ImageConfig
	if err := json.Unmarshal(b, &config); err != nil {
		return Manifest{}, fmt.Errorf("archive's file %s: %w: %w", d.Config, ErrCorrupt, err)
	}
	if have, want := len(d.Layers), len(config.RootFS.DiffIDs); have != want || have > maxLayers {
		return Manifest{}, fmt.Errorf("archive's file manifest.json: %w: %d layers for %d diff ids", ErrCorrupt, have, want)
	}
	manifest := Manifest{
		SchemaVersion: 2, MediaType: MediaTypeManifest,
		Config: Descriptor{MediaType: MediaTypeConfig, Digest: digestBytes(b), Size: int64(len(b))},
		Layers: []Descriptor{},
	}
	l.blobs[manifest.Config.Digest] = d.Config
	for i, name := range d.Layers {
		layer, err := l.dockerLayer(ctx, name, config.RootFS.DiffIDs[i])
		if err != nil {
			return Manifest{}, err
		}
		manifest.Layers = append(manifest.Layers, layer)
		if _, ok := l.blobs[layer.Digest]; !ok {
			l.blobs[layer.Digest] = name
		}
	}
	return manifest, nil
}

// dockerLayer describes a layer's file, which is mostly a plain tar: its digest is
// the layer's diff id then, which shows when it is read.
func (l *load) dockerLayer(ctx context.Context, name string, diffID Digest) (Descriptor, error) {
	if err := diffID.Validate(); err != nil {
		return Descriptor{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	f, err := l.bundle.find(name)
	if err != nil {
		return Descriptor{}, err
	}
	r, err := f.open(0)
	if err != nil {
		return Descriptor{}, err
	}
	defer r.Close()
	br := bufio.NewReader(r)
	kind, err := detectCompression(br)
	if err != nil {
		return Descriptor{}, fmt.Errorf("read archive's file %s: %w", name, err)
	}
	mediaType, ok := kind.mediaType()
	if !ok {
		return Descriptor{}, fmt.Errorf("archive's file %s: layers that are compressed with bzip2 or xz are not supported", name)
	}
	layer := Descriptor{MediaType: mediaType, Digest: diffID, Size: f.size}
	if kind == plain {
		return layer, nil
	}
	h := newCountingHash()
	if _, err := io.Copy(h, readerWithContext{ctx, br}); err != nil {
		return Descriptor{}, fmt.Errorf("read archive's file %s: %w", name, err)
	}
	layer.Digest = h.digest()
	return layer, nil
}

// compareDocker holds that an archive with both an index.json and a manifest.json
// says the same in both, or it would be one image to docker and another one to
// whoever reads the layout (CVE-2021-41190 is of this kind). Names that only one
// of them has are fine.
func (l *load) compareDocker() error {
	items, err := l.dockerItems()
	if err != nil {
		return err
	}
	for _, d := range items {
		b, err := l.bundle.document(d.Config)
		if err != nil {
			return err
		}
		refs, err := d.names()
		if err != nil {
			return err
		}
		if err := l.compareItem(digestBytes(b), refs); err != nil {
			return err
		}
	}
	return nil
}

func (l *load) compareItem(id Digest, refs []Reference) error {
	known := false
	for _, item := range l.items {
		// Of an image for several platforms docker may mean another one.
		several := isIndex(item.desc.MediaType)
		same := item.pull.manifest.Config.Digest == id
		known = known || same || several
		for _, ref := range refs {
			switch {
			case slices.Contains(item.refs, ref) && !same && !several:
				return fmt.Errorf("%w: index.json and manifest.json disagree on %s", errHostileBundle, ref.Familiar())
			case same && !slices.Contains(item.refs, ref):
				item.refs = append(item.refs, ref)
			}
		}
	}
	if !known {
		return fmt.Errorf("%w: index.json does not have the image %s of manifest.json", errHostileBundle, id.Short())
	}
	return nil
}

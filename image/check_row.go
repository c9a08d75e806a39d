package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// rowName is how findings call a row's image.
func rowName(row Descriptor) string {
	if name := row.Annotations[annotationRefName]; name != "" {
		return name
	}
	return string(row.Digest)
}

// readRows reads what every row leads to, and notes which blobs and layers the
// images need.
func (c *checker) readRows(ctx context.Context) error {
	for _, row := range c.index.Manifests {
		if err := c.row(ctx, row); err != nil {
			c.guess = true
			if !errors.Is(err, errReported) {
				c.found("image "+rowName(row), err.Error()).Images = []string{rowName(row)}
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// errReported is a problem that is among the findings already.
var errReported = errors.New("reported")

func (c *checker) row(ctx context.Context, row Descriptor) error {
	name := rowName(row)
	target := row
	if row.MediaType == MediaTypeIndex || row.MediaType == MediaTypeDockerList {
		if _, err := c.metadata(ctx, row, name, true); err != nil {
			return err
		}
		var err error
		if target, err = c.selectPlatform(row); err != nil {
			return err
		}
	}
	b, err := c.metadata(ctx, target, name, true)
	if err != nil {
		return err
	}
	e := entry{desc: row}
	if err := decodeManifest(b, &e.manifest); err != nil {
		return fmt.Errorf("read manifest %s: %w", target.Digest, err)
	}
	for _, l := range e.manifest.Layers {
		if err := l.Digest.Validate(); err != nil {
			return fmt.Errorf("read manifest %s: %w: %w", target.Digest, ErrCorrupt, err)
		}
		c.need(l, name, false)
	}
	if _, err := c.metadata(ctx, e.manifest.Config, name, false); err != nil {
		return err
	}
	if e, err = c.readEntry(row); err != nil {
		return err
	}
	for i, chain := range chainIDs(e.config.RootFS.DiffIDs) {
		l := c.layers[chain]
		if l == nil {
			l = &checkedLayer{chain: chain, diffID: e.config.RootFS.DiffIDs[i], blob: c.blobs[e.manifest.Layers[i].Digest]}
			c.layers[chain] = l
		}
		l.images = appendNew(l.images, name)
	}
	c.otherPlatforms(row, name)
	return nil
}

// otherPlatforms notes the blobs of a row's other platforms. Those that are not
// there need not be.
func (c *checker) otherPlatforms(row Descriptor, name string) {
	used := references{blobs: map[Digest]bool{}}
	c.addIndexed(used, row)
	for d := range used.blobs {
		if d.Validate() != nil || c.blobs[d] != nil {
			continue
		}
		if _, err := os.Lstat(c.blobPath(d)); err == nil {
			c.need(Descriptor{Digest: d, Size: -1}, name, false)
		}
	}
}

// need notes that an image needs a blob.
func (c *checker) need(desc Descriptor, image string, manifest bool) *checkedBlob {
	b := c.blobs[desc.Digest]
	if b == nil {
		b = &checkedBlob{desc: desc, manifest: manifest}
		c.blobs[desc.Digest] = b
	}
	b.images = appendNew(b.images, image)
	if b.finding != nil {
		b.finding.Images = b.images
	}
	return b
}

// metadata reads a manifest or a config. One that is damaged is fetched again at
// once: without it nobody knows what the image needs.
func (c *checker) metadata(ctx context.Context, desc Descriptor, image string, manifest bool) ([]byte, error) {
	if err := desc.Digest.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	b := c.need(desc, image, manifest)
	content, err := c.readBlob(desc)
	b.verified = true
	if err == nil {
		return content, nil
	}
	if b.finding != nil && b.finding.Err == nil {
		return nil, errReported
	}
	if b.finding == nil {
		// In the words for every other blob.
		if problem := c.verifyBlob(ctx, desc); problem != nil {
			err = problem
		}
		b.finding = c.found("blob "+string(desc.Digest), blobProblem(err))
	}
	b.finding.Images = b.images
	if !c.Repair {
		return nil, errReported
	}
	b.finding.tried(c.refetch(ctx, b))
	if b.finding.Err != nil {
		return nil, errReported
	}
	return c.readBlob(desc)
}

// blobProblem shortens an error about a blob, which its finding names.
func blobProblem(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "is missing"
	}
	return err.Error()
}

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

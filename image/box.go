package image

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// boxName is the reference of the embedded image.
const boxName = "docker.io/library/box:latest"

// boxChanges are the Dockerfile instructions that give the embedded image its
// config.
func boxChanges() []string {
	return []string{
		"ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		`CMD ["sh"]`,
	}
}

// IsBox reports whether a reference means the embedded image.
func IsBox(ref string) bool {
	r, err := ParseReference(ref)
	return err == nil && r.String() == boxName
}

// EnsureBox returns the box image, importing the embedded archive when the store
// has none or has that of another berth. An image of the user's own under the
// name is left alone. Any number of processes may call it at once; one imports.
// The error is ErrNoBox when nothing is embedded and the store has no box either.
func (s *Store) EnsureBox(ctx context.Context) (Image, error) {
	img, err := s.Resolve(boxName)
	if err == nil && (img.Box == "" || img.Box == boxDigest() || boxDigest() == "") {
		return img, nil
	}
	var missing *NoSuchImageError
	if err != nil && !errors.As(err, &missing) && !errors.Is(err, ErrNotUnpacked) && !s.hasBuiltIn() {
		return img, err
	}
	if boxDigest() == "" {
		return Image{}, ErrNoBox
	}
	if err := s.ensure(); err != nil {
		return Image{}, err
	}
	// Not the store's own lock, which Import takes for its commit.
	unlock, err := s.lockFile(ctx, ".box.lock")
	if err != nil {
		return Image{}, err
	}
	defer unlock()
	if img, err := s.Resolve(boxName); err == nil && (img.Box == "" || img.Box == boxDigest()) {
		return img, nil
	}
	return s.importBox(ctx)
}

// hasBuiltIn tells whether the row of box is berth's own, whatever has become of
// what it leads to.
func (s *Store) hasBuiltIn() bool {
	index, err := s.readIndex()
	if err != nil {
		return false
	}
	for _, row := range index.Manifests {
		if row.Annotations[annotationRefName] == boxName && row.Annotations[annotationBox] != "" {
			return true
		}
	}
	return false
}

// importBox makes the box image, or makes it whole again.
func (s *Store) importBox(ctx context.Context) (Image, error) {
	img, err := s.Import(ctx, strings.NewReader(boxArchive), ImportOptions{
		Ref: boxName, Changes: boxChanges(), Message: "built into berth",
		// Fixed, so that the same archive has the same id everywhere.
		Created: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), box: boxDigest(),
	})
	if err != nil {
		return Image{}, fmt.Errorf("import the embedded box image: %w", err)
	}
	return img, nil
}

// boxDigest returns the digest of the embedded tar, "" when there is none. It is
// in the comment of the gzip header (RFC 1952 2.3), where box/mkimage puts it:
// hashing the archive would cost every start of box tens of milliseconds.
func boxDigest() Digest {
	const fixed, hasComment = 10, 0x10
	head := boxArchive[:min(len(boxArchive), 128)]
	if len(head) < fixed || head[3] != hasComment {
		return ""
	}
	comment, _, _ := strings.Cut(head[fixed:], "\x00")
	return Digest(comment)
}

package image

import (
	"errors"

	"berth/archive"
)

// Sentinels of this package; match them with errors.Is.
var (
	// ErrInvalidReference: the text is no docker reference.
	ErrInvalidReference = errors.New("invalid reference format")
	// ErrCorrupt: content, stored or on its way, does not match its digest, size or
	// schema.
	ErrCorrupt = errors.New("content is damaged")
	// ErrHostileEntry: a layer entry tries to leave the layer, or cannot exist in
	// one. The error around it names the entry.
	ErrHostileEntry = archive.ErrHostile
	// ErrLayerTooBig: a layer exceeds the limits against bombs.
	ErrLayerTooBig = archive.ErrTooBig
	// ErrConflict: the image is in use or has other names; docker's text is in the
	// error around it.
	ErrConflict = errors.New("conflict")
	// ErrNoBox: this binary was built without the embedded image.
	ErrNoBox = errors.New("box image is not built in: build with make")
	// ErrNotUnpacked: the image's blobs are stored but a layer tree is missing;
	// Store.Materialize unpacks it.
	ErrNotUnpacked = errors.New("image layer is not unpacked")

	// errNewer: what is stored is of a form that this berth does not know.
	errNewer = errors.New("a newer program wrote it")
	// ErrListExists: a manifest list is there already and is not to be amended.
	ErrListExists = errors.New("refusing to amend an existing manifest list with no --amend flag")
)

// NoSuchManifestError says that no manifest list, or no member of one, goes by
// Ref.
type NoSuchManifestError struct {
	// Ref is what was asked for, in full.
	Ref string
}

func (e *NoSuchManifestError) Error() string { return "No such manifest: " + e.Ref }

// NoSuchImageError says that nothing in the store goes by Ref.
type NoSuchImageError struct {
	// Ref is what was asked for, with docker's default tag where it has none.
	Ref string
}

func (e *NoSuchImageError) Error() string { return "No such image: " + e.Ref }

// conflictError carries docker's sentence and matches ErrConflict.
type conflictError struct{ text string }

func (e *conflictError) Error() string        { return "conflict: " + e.text }
func (e *conflictError) Is(target error) bool { return target == ErrConflict }

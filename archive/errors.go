package archive

import "errors"

// Sentinels of this package; match them with errors.Is.
var (
	// ErrHostile: an entry of an archive tries to leave the tree, or cannot exist
	// in one. The error around it names the entry.
	ErrHostile = errors.New("archive entry refused")
	// ErrTooBig: an archive exceeds the limits against bombs.
	ErrTooBig = errors.New("layer exceeds its limits")
	// ErrReadOnlyRoot and ErrReadOnlyMount: nothing can be copied to there. The
	// words are docker's.
	ErrReadOnlyRoot  = errors.New("container rootfs is marked read-only")
	ErrReadOnlyMount = errors.New("mounted volume is marked read-only")
)

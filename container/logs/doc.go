// Package logs owns a container's log: the drivers that keep it, rotation, and
// reading it back, also while it is written.
//
// # Drivers
//
// One table (drivers, in driver.go) holds them by name: json-file, local,
// journald, none. The first two keep files and differ in their codec only.
//
// # On disk
//
// Each record of json-file is one line of JSON, as docker's driver writes it:
//
//	{"log":"text\n","stream":"stdout","time":"2006-01-02T15:04:05.999999999Z"}
//
// An "attrs" object comes before "time" when the container's log options ask
// for labels or environment variables. A line of the payload longer than
// 16 KiB becomes several records, of which only the last ends in a newline. A
// last line without newline stays without one. The records of local are
// described at localCodec.
//
// The newest records are in PATH, older ones in PATH.1, PATH.2 and so on, or
// in PATH.1.gz when compressed. The writer renames from the oldest up, so a
// file keeps its inode until it is compressed and is never written to again
// once it has a number; files only ever grow. A compressed file names the one
// that it was made of (see compress.go). Readers build on these: they follow
// files, not names, and can neither lose nor repeat a record when a rotation
// happens under them.
//
// # Guarantees
//
//   - What Write was given is in the kernel when it returns, but for a line
//     whose newline has not arrived yet (at most 16 KiB for each stream). With
//     mode=non-blocking it is on its way there instead.
//   - Writing never fails and never waits for space: on a full disk records
//     are counted and dropped, and logging goes on once there is space. Readers
//     are told of the count (see loss.go).
//   - A damaged record is reported and skipped, never an error of the reader.
//
// # When not to use it
//
// One Writer per log: two would rotate each other's files. Attached clients
// get the streams from package attach, which neither splits nor re-encodes
// them.
package logs

import "errors"

// Sentinels of this package, for errors.Is.
var (
	// ErrDamaged marks what ReadOptions.Skipped gets for what is not a whole
	// record: cut off by a crash, overwritten, or too long.
	ErrDamaged = errors.New("damaged log record")
	// ErrRotatedAway is given to ReadOptions.Skipped when the file that a
	// follower was reading has been deleted by rotation. With more than one file
	// it was too slow and has lost some; with one it may have.
	ErrRotatedAway = errors.New("log was rotated away before all of it was read")
	// ErrDropped is given to ReadOptions.Skipped when records were dropped
	// while the log was written.
	ErrDropped = errors.New("records were dropped while the log was written")
	// ErrUnreadable is a driver whose logs cannot be read back.
	ErrUnreadable = errors.New("configured logging driver does not support reading")
)

// partialSize is docker's limit for the text of one record, in bytes.
const partialSize = 16 << 10

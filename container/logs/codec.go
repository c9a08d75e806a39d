package logs

import (
	"fmt"
	"io"
	"time"
)

// entry is one record on its way into a log.
type entry struct {
	stream string
	time   time.Time
	text   []byte // with its newline, if it had one
	// part counts the records of a line that is longer than partialSize, from
	// 1; 0 is a record that is a line.
	part int
}

// whole reports whether the line ends with this record.
func (e *entry) whole() bool { return len(e.text) > 0 && e.text[len(e.text)-1] == '\n' }

// codec is the form of records in a file. One codec serves one Writer or one
// reader: it may keep state.
type codec interface {
	// encode appends a record to dst.
	encode(dst []byte, e *entry) []byte
	// next takes the record that b begins with and says how long it is; 0 asks
	// for more bytes. An error that wraps ErrDamaged says why as many bytes are
	// no record; errMoreDamage is part of what was said before. The
	// Record is valid until the next call.
	next(b []byte) (n int, r Record, err error)
	// reset forgets what next has seen: another file follows. It tells whether
	// the rest of this one belongs to damage that was told of.
	reset() bool
	// last finds where the last n records among the first size bytes begin.
	// found is below n when there are fewer; ok false asks to count from the
	// start instead.
	last(f io.ReaderAt, size int64, n int) (offset int64, found int, ok bool, err error)
	// mend is what must follow the first size bytes so that a record that was
	// cut off there does not swallow the next one.
	mend(f io.ReaderAt, size int64) ([]byte, error)
}

// errMoreDamage is damage that goes on.
var errMoreDamage = fmt.Errorf("%w: more of it", ErrDamaged)

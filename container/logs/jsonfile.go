package logs

import (
	"bytes"
	"fmt"
	"io"
	"time"
)

// jsonCodec is the form of docker's json-file driver: a line of JSON each.
type jsonCodec struct {
	attrs    map[string]string
	suffixes map[string][]byte // by stream
	at       time.Time         // that stamp is the text of
	stamp    []byte

	dec  decoder
	skip bool // within a line above maxLine
}

func newJSON(attrs map[string]string) codec {
	return &jsonCodec{attrs: attrs, suffixes: make(map[string][]byte)}
}

func (j *jsonCodec) encode(dst []byte, e *entry) []byte {
	end, ok := j.suffixes[e.stream]
	if !ok {
		end = suffix(e.stream, j.attrs)
		j.suffixes[e.stream] = end
	}
	// All records of one write have one time.
	if !e.time.Equal(j.at) || len(j.stamp) == 0 {
		j.at, j.stamp = e.time, e.time.UTC().AppendFormat(j.stamp[:0], time.RFC3339Nano)
	}
	return appendRecord(dst, e.text, end, j.stamp)
}

func (j *jsonCodec) next(b []byte) (int, Record, error) {
	n := bytes.IndexByte(b, '\n') + 1
	switch {
	case n == 0 && len(b) <= maxLine:
		return 0, Record{}, nil
	case n == 0:
		again := j.skip
		j.skip = true
		if again {
			return len(b), Record{}, errMoreDamage
		}
		return len(b), Record{}, fmt.Errorf("%w: longer than %d bytes", ErrDamaged, maxLine)
	case j.skip:
		j.skip = false
		return n, Record{}, errMoreDamage
	}
	r, err := j.dec.decode(b[:n-1])
	return n, r, err
}

func (j *jsonCodec) reset() bool {
	told := j.skip
	j.skip = false
	return told
}

// last reads backwards and no more than it needs.
func (j *jsonCodec) last(f io.ReaderAt, size int64, n int) (int64, int, bool, error) {
	offset, found, err := lastLines(f, size, n)
	return offset, found, true, err
}

// mend ends a line that has no end.
func (j *jsonCodec) mend(f io.ReaderAt, size int64) ([]byte, error) {
	end := make([]byte, 1)
	if size == 0 {
		return nil, nil
	}
	if _, err := f.ReadAt(end, size-1); err != nil {
		return nil, err
	}
	if end[0] == '\n' {
		return nil, nil
	}
	return []byte{'\n'}, nil
}

package logs

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"
)

// localCodec is the form of docker's local driver: frames that can be read in
// both directions.
//
//	uint32, big endian: length of the message
//	the message, in protobuf's encoding:
//	  1 string source        "stdout" or "stderr"
//	  2 int64  time          nanoseconds since 1970
//	  3 bytes  line          without its newline
//	  4 bool   partial       one of several records of a long line
//	  5 partial record: 1 bool last, 2 string id, 3 int32 ordinal
//	  6 attribute, repeated: 1 string key, 2 string value
//	uint32, big endian: the length again
type localCodec struct {
	attrs   []byte // encoded
	message []byte
	part    []byte
	record  Record
	damaged bool // and that was said
}

// Numbers of the message's fields, shifted for the wire type behind them
// (protobuf.dev/programming-guides/encoding).
const (
	wireVarint = 0
	wireBytes  = 2

	localSource  = 1<<3 | wireBytes
	localTime    = 2<<3 | wireVarint
	localLine    = 3<<3 | wireBytes
	localPartial = 4<<3 | wireVarint
	localPart    = 5<<3 | wireBytes
	localAttr    = 6<<3 | wireBytes

	partLast    = 1<<3 | wireVarint
	partID      = 2<<3 | wireBytes
	partOrdinal = 3<<3 | wireVarint

	attrKey   = 1<<3 | wireBytes
	attrValue = 2<<3 | wireBytes
)

// lengthSize is the size of a frame's length, of which it has two.
const lengthSize = 4

func newLocal(attrs map[string]string) codec {
	l := &localCodec{}
	for _, key := range sortedKeys(attrs) {
		pair := appendField(nil, attrKey, key)
		pair = appendField(pair, attrValue, attrs[key])
		l.attrs = appendField(l.attrs, localAttr, pair)
	}
	return l
}

// appendField encodes a field that has a length.
func appendField[T string | []byte](dst []byte, tag byte, value T) []byte {
	dst = binary.AppendUvarint(append(dst, tag), uint64(len(value)))
	return append(dst, value...)
}

// appendNumber encodes a field that is a number.
func appendNumber(dst []byte, tag byte, value uint64) []byte {
	return binary.AppendUvarint(append(dst, tag), value)
}

func (l *localCodec) encode(dst []byte, e *entry) []byte {
	text, whole := e.text, e.whole()
	if whole {
		text = text[:len(text)-1]
	}
	m := appendField(l.message[:0], localSource, e.stream)
	m = appendNumber(m, localTime, uint64(e.time.UnixNano()))
	m = appendField(m, localLine, text)
	if e.part > 0 || !whole {
		m = appendNumber(m, localPartial, 1)
		p := l.part[:0]
		if whole {
			p = appendNumber(p, partLast, 1)
		}
		// Parts of a line share their time, which nothing else has.
		p = appendField(p, partID, strconv.FormatInt(e.time.UnixNano(), 16)+e.stream)
		p = appendNumber(p, partOrdinal, uint64(max(1, e.part)))
		m = appendField(m, localPart, p)
		l.part = p
	}
	m = append(m, l.attrs...)
	l.message = m
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(m)))
	dst = append(dst, m...)
	return binary.BigEndian.AppendUint32(dst, uint32(len(m)))
}

func (l *localCodec) next(b []byte) (int, Record, error) {
	n, err := l.frame(b)
	if err == nil {
		if n > 0 {
			l.damaged = false
		}
		return n, l.record, nil
	}
	// What follows is found by its look: a frame, or the beginning of one at
	// the end of what has been read.
	at := 1
	for at < len(b) {
		if n, err := l.frame(b[at:]); err == nil && (n > 0 || len(b)-at < maxLine) {
			break
		}
		at++
	}
	if l.damaged {
		err = errMoreDamage
	}
	l.damaged = true
	return at, Record{}, err
}

// frame reads the frame that b begins with into l.record; 0 asks for more
// bytes.
func (l *localCodec) frame(b []byte) (int, error) {
	// The beginning of all messages here: a zero byte of the length, for none
	// is that long, and a source of six letters.
	if len(b) == 0 {
		return 0, nil
	}
	if b[0] != 0 {
		return 0, fmt.Errorf("%w: no frame", ErrDamaged)
	}
	if len(b) < lengthSize {
		return 0, nil
	}
	size := binary.BigEndian.Uint32(b)
	if size < 2 || size > maxLine {
		return 0, fmt.Errorf("%w: a frame of %d bytes", ErrDamaged, size)
	}
	const start = "\x0a\x06std"
	if got := b[lengthSize:min(len(b), lengthSize+len(start))]; string(got) != start[:len(got)] {
		return 0, fmt.Errorf("%w: no message", ErrDamaged)
	}
	n := int(size) + 2*lengthSize
	if len(b) < n {
		return 0, nil
	}
	if again := binary.BigEndian.Uint32(b[n-lengthSize:]); again != size {
		return 0, fmt.Errorf("%w: a frame of %d bytes ends as one of %d", ErrDamaged, size, again)
	}
	return n, l.decode(b[lengthSize : n-lengthSize])
}

// decode reads a message into l.record.
func (l *localCodec) decode(m []byte) error {
	l.record = Record{Line: l.record.Line[:0]}
	partial, last := false, false
	for len(m) > 0 {
		tag := m[0]
		number, field, rest, ok := cutField(m)
		if !ok {
			return fmt.Errorf("%w: no field", ErrDamaged)
		}
		m = rest
		switch tag {
		case localSource:
			l.record.Stream = streamName(field)
		case localTime:
			l.record.Time = time.Unix(0, int64(number)).UTC()
		case localLine:
			l.record.Line = append(l.record.Line, field...)
		case localPartial:
			partial = number != 0
		case localPart:
			last = lastPart(field)
		case localAttr:
			l.addAttr(field)
		}
	}
	if l.record.Time.IsZero() {
		return fmt.Errorf("%w: no time", ErrDamaged)
	}
	if !partial || last {
		l.record.Line = append(l.record.Line, '\n')
	}
	return nil
}

// streamName is a stream's name without a copy of the usual ones.
func streamName(b []byte) string {
	switch string(b) {
	case "stdout":
		return "stdout"
	case "stderr":
		return "stderr"
	}
	return string(b)
}

// cutField takes the first field off a message: its number or its bytes.
func cutField(m []byte) (number uint64, field, rest []byte, ok bool) {
	kind := m[0] & 7
	// Field numbers above 15 have a longer tag, and none here does.
	if m[0]&0x80 != 0 {
		return 0, nil, nil, false
	}
	number, n := binary.Uvarint(m[1:])
	if n <= 0 {
		return 0, nil, nil, false
	}
	rest = m[1+n:]
	switch kind {
	case wireVarint:
		return number, nil, rest, true
	case wireBytes:
		if number > uint64(len(rest)) {
			return 0, nil, nil, false
		}
		return 0, rest[:number], rest[number:], true
	}
	return 0, nil, nil, false
}

// lastPart reads whether a partial record is the last of its line.
func lastPart(m []byte) bool {
	for len(m) > 0 {
		tag := m[0]
		number, _, rest, ok := cutField(m)
		if !ok {
			return false
		}
		if tag == partLast {
			return number != 0
		}
		m = rest
	}
	return false
}

// addAttr adds an attribute to l.record.
func (l *localCodec) addAttr(m []byte) {
	var key, value string
	for len(m) > 0 {
		tag := m[0]
		_, field, rest, ok := cutField(m)
		if !ok {
			return
		}
		switch tag {
		case attrKey:
			key = string(field)
		case attrValue:
			value = string(field)
		}
		m = rest
	}
	if l.record.Attrs == nil {
		l.record.Attrs = make(map[string]string)
	}
	l.record.Attrs[key] = value
}

func (l *localCodec) reset() bool {
	told := l.damaged
	l.damaged = false
	return told
}

// last steps from frame to frame, backwards by their last lengths.
func (l *localCodec) last(f io.ReaderAt, size int64, n int) (int64, int, bool, error) {
	found := 0
	for size > 0 && found < n {
		start, err := frameBefore(f, size)
		if err != nil || start < 0 {
			return 0, 0, false, err
		}
		size = start
		found++
	}
	return size, found, true, nil
}

// frameBefore is where the frame that ends at size begins; -1 if none does.
func frameBefore(f io.ReaderAt, size int64) (int64, error) {
	if size < 2*lengthSize {
		return -1, nil
	}
	var ends [2][lengthSize]byte
	if _, err := f.ReadAt(ends[1][:], size-lengthSize); err != nil {
		return -1, err
	}
	length := binary.BigEndian.Uint32(ends[1][:])
	start := size - int64(length) - 2*lengthSize
	if length > maxLine || start < 0 {
		return -1, nil
	}
	if _, err := f.ReadAt(ends[0][:], start); err != nil {
		return -1, err
	}
	if !slices.Equal(ends[0][:], ends[1][:]) {
		return -1, nil
	}
	return start, nil
}

// mend fills up the frame that was cut off, with zeros: no frame begins so.
func (l *localCodec) mend(f io.ReaderAt, size int64) ([]byte, error) {
	if size == 0 {
		return nil, nil
	}
	start, err := frameBefore(f, size)
	if err != nil || start >= 0 {
		return nil, err
	}
	// Longer than any message that a Writer of this container has made.
	return make([]byte, partialSize+len(l.attrs)+256), nil
}

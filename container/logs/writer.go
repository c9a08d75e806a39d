package logs

import (
	"bytes"
	"io"
	"sync"
	"time"
	"unicode/utf8"
)

// Writer appends records to a log. Its methods may be called by several
// goroutines at a time.
type Writer struct {
	mu      sync.Mutex
	sink    sink
	ring    *ring // nil when the payload waits for the sink
	loss    *losses
	streams []*stream
	closed  bool
	now     func() time.Time
}

// newWriter writes to a sink, through a buffer of so many bytes if it is not 0.
func newWriter(s sink, loss *losses, buffer int) *Writer {
	w := &Writer{sink: s, loss: loss, now: time.Now}
	if buffer > 0 {
		w.ring = newRing(buffer, loss)
	}
	return w
}

// Stream gives the writer for one stream of the payload, "stdout" or
// "stderr". Its Write always succeeds, see the package comment. After Close of
// the Writer it discards.
func (w *Writer) Stream(name string) io.Writer {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.streams {
		if s.name == name {
			return s
		}
	}
	s := &stream{w: w, name: name}
	w.streams = append(w.streams, s)
	return s
}

// Dropped counts the records that could not be written so far.
func (w *Writer) Dropped() int64 { return w.loss.dropped() }

// Close writes the lines whose newline never came and ends the log. Its error
// tells how many records were lost over the life of the Writer. Closing again
// does nothing.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil
	}
	w.closed = true
	for _, s := range w.streams {
		if len(s.held) > 0 {
			s.stamp = w.now()
			s.record(s.held)
		}
		s.held = nil
	}
	if w.ring != nil {
		w.ring.close()
	}
	err := w.sink.close()
	if lost := w.loss.close(); lost != nil {
		return lost
	}
	return err
}

// put sends a record on its way.
func (w *Writer) put(e *entry) {
	if w.ring != nil {
		w.ring.put(e, w.sink)
		return
	}
	w.sink.put(e)
}

// flush ends a call of Write.
func (w *Writer) flush() {
	if w.ring == nil {
		w.sink.flush()
	}
}

// stream cuts one stream into records. The Writer's mutex guards it.
type stream struct {
	w     *Writer
	name  string
	held  []byte    // start of a line, below partialSize bytes
	stamp time.Time // of this Write
	// part counts the records of a line longer than partialSize while it is
	// under way. All of them carry the first one's time, as in docker.
	part      int
	lineStamp time.Time
	entry     entry // kept to save an allocation for each
}

// Write cuts p into records and writes them.
func (s *stream) Write(p []byte) (int, error) {
	n := len(p)
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if s.w.closed || n == 0 {
		return n, nil
	}
	s.stamp = s.w.now()
	for len(p) > 0 {
		p = s.consume(p)
	}
	s.w.flush()
	return n, nil
}

// consume takes one record, or the start of one, off p.
func (s *stream) consume(p []byte) []byte {
	room := partialSize - len(s.held)
	end := bytes.IndexByte(p[:min(len(p), room)], '\n')
	if end < 0 && len(p) < room {
		s.held = append(s.held, p...)
		return nil
	}
	if end >= 0 {
		end++
	} else {
		end = room
	}
	text := p[:end]
	if len(s.held) > 0 {
		s.held = append(s.held, text...)
		text = s.held
	}
	if text[len(text)-1] == '\n' {
		s.record(text)
		s.held = s.held[:0]
		return p[end:]
	}
	// The limit must not tear a character in two, for each half would read
	// back as U+FFFD.
	whole := len(text) - tornRune(text)
	s.record(text[:whole])
	s.held = append(s.held[:0], text[whole:]...)
	return p[end:]
}

// record sends one record on its way.
func (s *stream) record(text []byte) {
	s.entry = entry{stream: s.name, time: s.stamp, text: text}
	whole := s.entry.whole()
	if s.part == 0 && !whole {
		s.lineStamp = s.stamp
	}
	if s.part > 0 || !whole {
		s.part++
		s.entry.part, s.entry.time = s.part, s.lineStamp
	}
	if whole {
		s.part = 0
	}
	s.w.put(&s.entry)
}

// tornRune is how many bytes at the end of b begin a character that is not
// complete, 0 to 3.
func tornRune(b []byte) int {
	for n := 1; n < utf8.UTFMax && n < len(b); n++ {
		c := b[len(b)-n]
		if utf8.RuneStart(c) {
			if c >= utf8.RuneSelf && !utf8.FullRune(b[len(b)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}

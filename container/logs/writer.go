package logs

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"
	"unicode/utf8"
)

// batchSize is how many encoded bytes are collected before they are written
// within one call of Write. It bounds the memory of a busy log.
const batchSize = 64 << 10

// Writer appends records to a log. Its methods may be called by several
// goroutines at a time.
type Writer struct {
	mu      sync.Mutex
	file    logFile
	attrs   map[string]string
	streams []*stream
	batch   []byte
	records int64 // in batch
	closed  bool
	now     func() time.Time
}

// Open prepares a log at path, which continues when it exists. Nothing is
// created before the first record. Close it when the streams have ended.
func Open(path string, o Options) (*Writer, error) {
	if o.MaxSize == 0 {
		o.MaxSize = DefaultMaxSize
	}
	if o.MaxFiles == 0 {
		o.MaxFiles = DefaultMaxFiles
	}
	if o.MaxFiles < 0 || o.MaxFiles > maxIndex {
		return nil, fmt.Errorf("open log %s: %d files: must be 1 to %d", path, o.MaxFiles, maxIndex)
	}
	if path == "" {
		return nil, fmt.Errorf("open log: empty path")
	}
	return &Writer{
		file:  logFile{path: path, maxSize: o.MaxSize, maxFiles: o.MaxFiles, report: o.Report},
		attrs: o.Attrs,
		now:   time.Now,
	}, nil
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
	s := &stream{w: w, name: name, suffix: suffix(name, w.attrs)}
	w.streams = append(w.streams, s)
	return s
}

// Dropped counts the records that could not be written so far.
func (w *Writer) Dropped() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.file.dropped
}

// Close writes the lines whose newline never came and closes the file. Its
// error tells how many records were lost over the life of the Writer.
// Closing again does nothing.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil
	}
	w.closed = true
	for _, s := range w.streams {
		if len(s.held) > 0 {
			s.begin()
			s.record(s.held)
		}
		s.held = nil
	}
	w.flush()
	w.batch = nil
	return w.file.close()
}

// flush hands the batch to the kernel.
func (w *Writer) flush() {
	if len(w.batch) > 0 {
		w.file.write(w.batch, w.records)
	}
	w.batch, w.records = w.batch[:0], 0
}

// stream cuts one stream into records. The Writer's mutex guards it.
type stream struct {
	w      *Writer
	name   string
	suffix []byte
	held   []byte // start of a line, below partialSize bytes
	stamp  []byte // time of this Write
	// partial is set while a line longer than partialSize is under way. All its
	// records carry the first one's time, as in docker.
	partial   bool
	lineStamp []byte
}

// Write cuts p into records and writes them.
func (s *stream) Write(p []byte) (int, error) {
	n := len(p)
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if s.w.closed || n == 0 {
		return n, nil
	}
	s.begin()
	for len(p) > 0 {
		p = s.consume(p)
	}
	s.w.flush()
	return n, nil
}

// begin takes the time for the records of one call.
func (s *stream) begin() {
	s.stamp = s.w.now().UTC().AppendFormat(s.stamp[:0], time.RFC3339Nano)
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

// record encodes one record into the batch.
func (s *stream) record(text []byte) {
	ends := text[len(text)-1] == '\n'
	stamp := s.stamp
	if s.partial {
		stamp = s.lineStamp
	} else if !ends {
		s.lineStamp = append(s.lineStamp[:0], stamp...)
	}
	s.partial = !ends
	w := s.w
	// The first record goes alone: only with the file open is its size known.
	if w.file.f == nil || w.file.full(len(w.batch)) || len(w.batch) >= batchSize {
		w.flush()
	}
	w.batch = appendRecord(w.batch, text, s.suffix, stamp)
	w.records++
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

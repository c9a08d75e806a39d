package logs

import (
	"fmt"
)

// batchSize is how many encoded bytes are collected before they are written
// within one call of Write. It bounds the memory of a busy log.
const batchSize = 64 << 10

// sink is where a Writer's records go. Only one goroutine uses it at a time.
type sink interface {
	// put takes a record, which is the caller's again afterwards.
	put(e *entry)
	// flush hands what put has kept to the kernel.
	flush()
	// close ends writing. What was lost is told to the losses.
	close() error
}

// fileSink keeps records in files.
type fileSink struct {
	file  logFile
	codec codec
	batch []byte
	ends  []int // of the batch's records
}

// openLogFiles opens a driver that keeps files.
func openLogFiles(defaults fileOptions, newCodec func(map[string]string) codec) func(Container, map[string]string, *losses) (sink, error) {
	return func(c Container, opts map[string]string, loss *losses) (sink, error) {
		o, err := defaults.parse(opts)
		if err != nil {
			return nil, err
		}
		attrs, err := attributes(opts, c.Labels, c.Env)
		if err != nil {
			return nil, err
		}
		// Only a tag that was asked for.
		t, err := tag(opts, c, tagNone)
		if err != nil {
			return nil, err
		}
		if t != "" {
			if attrs == nil {
				attrs = make(map[string]string)
			}
			attrs["tag"] = t
		}
		if c.LogPath == "" {
			return nil, fmt.Errorf("open log of %s: no path", c.ID)
		}
		return newFileSink(c.LogPath, o, newCodec(attrs), loss), nil
	}
}

func newFileSink(path string, o fileOptions, c codec, loss *losses) *fileSink {
	return &fileSink{file: logFile{path: path, fileOptions: o, mend: c.mend, loss: loss}, codec: c}
}

func (s *fileSink) put(e *entry) {
	// The first record goes alone: only with the file open is its size known.
	if s.file.f == nil || s.file.full(len(s.batch)) || len(s.batch) >= batchSize {
		s.flush()
	}
	s.batch = s.codec.encode(s.batch, e)
	s.ends = append(s.ends, len(s.batch))
}

func (s *fileSink) flush() {
	if len(s.batch) > 0 {
		s.file.write(s.batch, s.ends)
	}
	s.batch, s.ends = s.batch[:0], s.ends[:0]
}

func (s *fileSink) close() error {
	s.flush()
	s.batch, s.ends = nil, nil
	return s.file.close()
}

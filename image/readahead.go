package image

import "io"

// readAhead runs a reader in its own goroutine, a few buffers ahead of its
// consumer, so that hashing and inflating overlap with writing files. Its stop
// ends the goroutine and returns only when it has left the source.
type readAhead struct {
	full    chan chunk
	free    chan []byte
	done    chan struct{}
	current chunk
	buffer  []byte
}

type chunk struct {
	data []byte
	err  error
}

const (
	aheadBuffers = 4
	aheadSize    = 256 << 10
)

func newReadAhead(r io.Reader) *readAhead {
	a := &readAhead{
		full: make(chan chunk, aheadBuffers),
		free: make(chan []byte, aheadBuffers),
		done: make(chan struct{}),
	}
	for range aheadBuffers {
		a.free <- make([]byte, aheadSize)
	}
	go a.fill(r)
	return a
}

func (a *readAhead) fill(r io.Reader) {
	defer close(a.full)
	for {
		var b []byte
		select {
		case b = <-a.free:
		case <-a.done:
			return
		}
		n, err := io.ReadFull(r, b)
		if err == io.ErrUnexpectedEOF {
			err = io.EOF
		}
		// Sends never block: there are as many slots as buffers.
		a.full <- chunk{b[:n], err}
		if err != nil {
			return
		}
	}
}

func (a *readAhead) Read(p []byte) (int, error) {
	for len(a.current.data) == 0 {
		if a.current.err != nil {
			return 0, a.current.err
		}
		if a.buffer != nil {
			a.free <- a.buffer
		}
		c, ok := <-a.full
		if !ok {
			return 0, io.ErrClosedPipe
		}
		a.current, a.buffer = c, c.data[:cap(c.data)]
	}
	n := copy(p, a.current.data)
	a.current.data = a.current.data[n:]
	return n, nil
}

// stop releases the goroutine. The source may be used again afterwards, unless
// it blocks in Read: then stop waits for it.
func (a *readAhead) stop() {
	close(a.done)
	for range a.full {
	}
}

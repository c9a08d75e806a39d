package image

import "io"

// readAhead runs a reader in a goroutine of its own, a few buffers ahead of its
// consumer, so that hashing and inflating overlap with writing files. Writers that
// look at what passes have another one. Its stop ends them and returns only when
// they have left the source.
type readAhead struct {
	out     chan chunk
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

// newReadAhead begins to read r. Each buffer is given to taps on its way.
func newReadAhead(r io.Reader, taps ...io.Writer) *readAhead {
	a := &readAhead{
		out:  make(chan chunk, aheadBuffers),
		free: make(chan []byte, aheadBuffers),
		done: make(chan struct{}),
	}
	for range aheadBuffers {
		a.free <- nil // made when it is needed: most layers are small
	}
	if len(taps) == 0 {
		go a.fill(r, a.out)
		return a
	}
	full := make(chan chunk, aheadBuffers)
	go a.fill(r, full)
	go a.tap(full, taps)
	return a
}

// fill and tap never block in a send: there are as many slots as buffers.
func (a *readAhead) fill(r io.Reader, out chan<- chunk) {
	defer close(out)
	for {
		var b []byte
		select {
		case b = <-a.free:
		case <-a.done:
			return
		}
		if b == nil {
			b = make([]byte, aheadSize)
		}
		// Not io.ReadFull, whose ErrUnexpectedEOF cannot be told from the source's.
		n, err := 0, error(nil)
		for n < len(b) && err == nil {
			var k int
			k, err = r.Read(b[n:])
			n += k
		}
		out <- chunk{b[:n], err}
		if err != nil {
			return
		}
	}
}

func (a *readAhead) tap(in <-chan chunk, taps []io.Writer) {
	defer close(a.out)
	for c := range in {
		for _, w := range taps {
			if _, err := w.Write(c.data); err != nil {
				c.err = err
			}
		}
		a.out <- c
		if c.err != nil {
			break
		}
	}
	for range in { // Its sender must not stay behind.
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
		c, ok := <-a.out
		if !ok {
			return 0, io.ErrClosedPipe
		}
		a.current, a.buffer = c, c.data[:cap(c.data)]
	}
	n := copy(p, a.current.data)
	a.current.data = a.current.data[n:]
	return n, nil
}

// stop releases the goroutines. The source may be used again afterwards, unless
// it blocks in Read: then stop waits for it.
func (a *readAhead) stop() {
	close(a.done)
	for range a.out {
	}
}

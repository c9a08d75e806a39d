package attach

import (
	"bytes"
	"errors"
	"fmt"
)

// input is the clients' stdin on its way to the payload, in order of arrival.
type input struct {
	queue   []piece
	size    int
	pumping bool // a goroutine works on the queue
	ended   bool // the payload takes no more
}

// piece is one frame of stdin; without data it is the end.
type piece struct {
	from *client
	data []byte
}

// isProtocol tells a client's fault from its leaving.
func isProtocol(err error) bool { return errors.Is(err, ErrProtocol) }

// stdin queues a frame of input, nil for its end. It never blocks, so that the
// frames behind it are obeyed: what a client may have queued is limited by its
// window.
func (c *client) stdin(b Backend, p []byte) error {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.flags&wantStdin == 0 {
		return fmt.Errorf("%w: stdin from a client that did not ask for it", ErrProtocol)
	}
	if len(p) > c.window {
		return fmt.Errorf("%w: %d bytes of stdin with a window of %d", ErrProtocol, len(p), c.window)
	}
	in := s.in
	if in.ended || s.exited != nil {
		return nil
	}
	c.window -= len(p)
	in.queue = append(in.queue, piece{c, bytes.Clone(p)})
	in.size += len(p)
	if !in.pumping {
		in.pumping = true
		go s.pump(in, b)
	}
	return nil
}

// pump hands queued input to the payload and ends when there is none left. It
// belongs to the server rather than to a client, because what a client sent
// before it left still counts. A payload that does not read blocks it; the
// supervisor's closing of the payload's stdin ends it then.
func (s *Server) pump(in *input, b Backend) {
	for {
		s.mu.Lock()
		if len(in.queue) == 0 || in.ended {
			in.queue, in.size, in.pumping = nil, 0, false
			s.mu.Unlock()
			return
		}
		next := in.queue[0]
		in.queue = in.queue[1:]
		s.mu.Unlock()

		var err error
		if next.data == nil {
			err = b.CloseStdin()
		} else {
			err = b.Stdin(next.data)
		}

		s.mu.Lock()
		in.size -= len(next.data)
		if err != nil {
			// No credit either: a client that goes on sending stops at its window
			// instead of spinning.
			in.ended = true
		} else {
			next.from.credit(len(next.data))
		}
		s.mu.Unlock()
	}
}

// credit lets the client send n more bytes. It is told in halves of the
// window, not for every key.
func (c *client) credit(n int) {
	c.window += n
	c.owed += n
	if c.owed >= stdinWindow/2 && !c.gone && !c.last {
		c.queue(numberFrame(frameCredit, uint32(c.owed)))
		c.owed = 0
	}
}

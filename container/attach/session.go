package attach

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// client is the server's side of one connection. The server's mutex guards
// its fields.
type client struct {
	s     *Server
	conn  net.Conn
	flags uint16

	ready  *sync.Cond // buf or last has changed, or gone
	buf    []byte     // frames to be sent
	flight int        // bytes being sent
	last   bool       // closes once buf is sent
	gone   bool

	window int // bytes of stdin it may send
	owed   int // bytes taken since the last credit
}

// handle serves one connection to its end.
func (s *Server) handle(ctx context.Context, conn net.Conn, b Backend) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if conn.SetDeadline(time.Now().Add(helloTimeout)) != nil {
		return
	}
	kind, payload, buf, err := readFrame(conn, nil)
	if err != nil {
		return
	}
	c := &client{s: s, conn: conn, ready: sync.NewCond(&s.mu), window: stdinWindow}
	if refused := s.admit(c, kind, payload); refused != "" {
		// Who has left already misses nothing.
		_, _ = conn.Write(appendFrames(nil, frameError, []byte(refused)))
		return
	}
	var sender sync.WaitGroup
	sender.Go(c.send)
	if err := c.receive(b, buf); err != nil {
		s.mu.Lock()
		c.finish(appendFrames(nil, frameError, []byte(err.Error())))
		s.mu.Unlock()
		// It fails on a closed connection only, where no write can hang.
		_ = conn.SetWriteDeadline(time.Now().Add(dropTimeout))
	} else {
		conn.Close()
		s.unregister(c)
	}
	sender.Wait()
	s.unregister(c)
}

// admit lets a client in by its hello, or says why not.
func (s *Server) admit(c *client, kind byte, payload []byte) (refused string) {
	flags, err := parseHello(kind, payload)
	if err != nil {
		return err.Error()
	}
	c.flags = flags
	// Before register, after which others may set deadlines.
	if err := c.conn.SetDeadline(time.Time{}); err != nil {
		return err.Error()
	}
	return s.register(c)
}

// receive obeys the client's frames until it leaves (nil) or breaks the
// protocol.
func (c *client) receive(b Backend, buf []byte) error {
	for {
		kind, payload, grown, err := readFrame(c.conn, buf)
		buf = grown
		if err != nil {
			if isProtocol(err) {
				return err
			}
			return nil
		}
		if kind == frameDetach {
			return nil
		}
		if err := c.obey(b, kind, payload); err != nil {
			return err
		}
	}
}

// obey does what one frame asks for.
func (c *client) obey(b Backend, kind byte, payload []byte) error {
	switch kind {
	case frameStdin:
		if len(payload) == 0 {
			return nil
		}
		return c.stdin(b, payload)
	case frameStdinEOF:
		return c.stdin(b, nil)
	case frameResize:
		size, err := parseResize(payload)
		if err != nil {
			return err
		}
		// No terminal, or the payload is gone: nothing the client could do.
		_ = b.Resize(size)
	case frameSignal:
		n, err := parseNumber(kind, payload)
		if err != nil {
			return err
		}
		if n > 0 && n <= 64 {
			// A payload that has just ended is told by the exit frame.
			_ = b.Signal(int(n))
		}
	default:
		return fmt.Errorf("%w: frame type %d from a client", ErrProtocol, kind)
	}
	return nil
}

// send writes the client's frames until it has left or had its last one.
func (c *client) send() {
	// Ends receive, too.
	defer c.conn.Close()
	var spare []byte
	for {
		c.s.mu.Lock()
		for len(c.buf) == 0 && !c.last && !c.gone {
			c.ready.Wait()
		}
		out := c.buf
		c.buf, c.flight = spare[:0], len(out)
		gone := c.gone
		c.s.mu.Unlock()
		if gone || len(out) == 0 {
			return
		}
		_, err := c.conn.Write(out)
		if spare = out; cap(spare) > 2*losslessBuffer {
			spare = nil
		}
		c.s.mu.Lock()
		c.flight = 0
		if err != nil {
			c.leave()
		}
		c.s.room.Broadcast()
		c.s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// queue adds frames to what is sent. The mutex is held, as in all that follow.
func (c *client) queue(frames []byte) {
	c.buf = append(c.buf, frames...)
	c.ready.Signal()
}

// output adds a piece of the payload's output, at most maxPayload bytes.
func (c *client) output(kind byte, p []byte) {
	size := framesSize(len(p))
	if c.flags&lossless != 0 {
		for !c.gone && !c.last && c.backlog() > 0 && c.backlog()+size > losslessBuffer {
			c.s.room.Wait()
		}
	} else if c.backlog()+size > bufferSize {
		c.finish(appendFrames(nil, frameError, []byte("client is too slow: output was lost; see the container's log")))
	}
	if c.gone || c.last {
		return
	}
	c.buf = appendFrames(c.buf, kind, p)
	c.ready.Signal()
}

// backlog is how many bytes the client has not been sent yet.
func (c *client) backlog() int { return len(c.buf) + c.flight }

// finish sends a last frame after what is queued and then disconnects.
func (c *client) finish(frame []byte) {
	if c.last || c.gone {
		return
	}
	c.queue(frame)
	c.last = true
	if c.flags&lossless == 0 {
		// As in handle.
		_ = c.conn.SetWriteDeadline(time.Now().Add(dropTimeout))
	}
	c.s.room.Broadcast()
}

// leave marks the client as gone and frees its buffer.
func (c *client) leave() {
	c.gone, c.buf = true, nil
	c.ready.Signal()
	c.s.room.Broadcast()
}

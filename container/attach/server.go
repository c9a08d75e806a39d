package attach

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// losslessBuffer is how far a lossless client may be behind before it holds
	// up the payload, bufferSize how far any other before it is dropped, both in
	// bytes, frame headers included.
	losslessBuffer = 256 << 10
	bufferSize     = 1 << 20
	// inputSize bounds the stdin that waits for the payload. Clients that have
	// gone may leave some behind.
	inputSize = 1 << 20
	// maxClients bounds what a script that attaches in a loop can cost.
	maxClients = 64
	// helloTimeout is how long a client may take to introduce itself.
	helloTimeout = 10 * time.Second
	// dropTimeout is how long a dropped client may take to read what it is told.
	dropTimeout = 5 * time.Second
)

// Backend is the container as the supervisor sees it. The server calls it from
// several goroutines, but only from one at a time for stdin.
type Backend interface {
	// Stdin writes all of p to the payload's stdin and may block. After an error
	// no more input is taken.
	Stdin(p []byte) error
	// CloseStdin passes on the end of a client's input.
	CloseStdin() error
	// Resize sets the terminal's size.
	Resize(Size) error
	// Signal sends a signal to the payload.
	Signal(n int) error
}

// Server is the supervisor's end. It has no goroutines and no buffers while no
// client is attached, other than the caller's in Serve.
type Server struct {
	tty bool

	mu      sync.Mutex
	room    *sync.Cond // a client has read, or has left
	clients []*client  // replaced, never changed: Write iterates without the lock
	exited  *Status
	closing bool
	in      *input // of the present run
}

// NewServer makes a server; tty tells clients whether the container has a
// terminal. Stdout and Stderr may be written to before Serve.
func NewServer(tty bool) *Server {
	s := &Server{tty: tty, in: &input{}}
	s.room = sync.NewCond(&s.mu)
	return s
}

// Serve accepts clients from ln until ctx ends, then closes ln and all
// connections and returns nil once their goroutines have ended. It returns an
// error when accepting fails for good.
func (s *Server) Serve(ctx context.Context, ln net.Listener, b Backend) error {
	var handlers sync.WaitGroup
	defer handlers.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		ln.Close()
		s.disconnect()
	})
	defer stop()
	for {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			handlers.Go(func() { s.handle(ctx, conn, b) })
		case ctx.Err() != nil:
			return nil
		case passing(err):
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		default:
			s.disconnect()
			return err
		}
	}
}

// passing tells whether accept(2) may work again later: a supervisor that is
// short of descriptors must not give up its container.
func passing(err error) bool {
	for _, errno := range []error{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.ECONNABORTED} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// disconnect ends all clients at once and lets no new ones in.
func (s *Server) disconnect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	for _, c := range s.clients {
		c.conn.Close()
	}
}

// Stdout is where the supervisor writes what the payload printed. Write never
// fails; it waits for lossless clients.
func (s *Server) Stdout() io.Writer { return output{s, frameStdout, wantStdout} }

// Stderr is Stdout for the other stream.
func (s *Server) Stderr() io.Writer { return output{s, frameStderr, wantStderr} }

// output is one of the payload's streams on the way to all clients.
type output struct {
	s    *Server
	kind byte
	want uint16
}

// Write gives p to every client that wants it.
func (o output) Write(p []byte) (int, error) {
	o.s.mu.Lock()
	defer o.s.mu.Unlock()
	for rest := p; len(rest) > 0; {
		chunk := rest[:min(len(rest), maxPayload)]
		rest = rest[len(chunk):]
		for _, c := range o.s.clients {
			if c.flags&o.want != 0 {
				c.output(o.kind, chunk)
			}
		}
	}
	return len(p), nil
}

// Exit tells all clients how the payload ended, after all of its output, and
// returns once they have read it. Clients that come later learn it, too. When
// ctx ends first the rest are disconnected and ctx's error is returned; those
// that are not lossless are given five seconds at most.
func (s *Server) Exit(ctx context.Context, st Status) error {
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.room.Broadcast()
	})
	defer stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exited = &st
	for _, c := range s.clients {
		c.finish(exitFrame(st))
	}
	leaving := s.clients
	for slices.ContainsFunc(leaving, func(c *client) bool { return !c.gone }) {
		if err := ctx.Err(); err != nil {
			for _, c := range leaving {
				c.conn.Close()
			}
			return err
		}
		s.room.Wait()
	}
	return nil
}

// Reopen begins the next run of a container that was restarted after Exit.
// Input that the last run left is forgotten; its stdin must be closed.
func (s *Server) Reopen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exited = nil
	s.in = &input{}
}

// register lets a client in, or says why not.
func (s *Server) register(c *client) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closing:
		return "the container's supervisor is ending"
	case len(s.clients) >= maxClients:
		return "too many clients are attached"
	case c.flags&wantStdin != 0 && s.in.size >= inputSize:
		return "the container does not read its input"
	}
	s.clients = append(slices.Clip(s.clients), c)
	c.queue(welcomeFrame(s.tty))
	if s.exited != nil {
		c.finish(exitFrame(*s.exited))
	}
	return ""
}

// unregister forgets a client and lets those go on who waited for it.
func (s *Server) unregister(c *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients = slices.DeleteFunc(slices.Clone(s.clients), func(o *client) bool { return o == c })
	if len(s.clients) == 0 {
		s.clients = nil
	}
	c.leave()
}

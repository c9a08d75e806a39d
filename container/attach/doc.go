// Package attach connects terminals to a running container: the protocol
// between the supervisor that holds the container's stdio and the commands
// that attach to it, with both ends.
//
// # Protocol
//
// A client connects to the unix socket attach.sock in the container's runtime
// folder (mode 0600 in a folder of mode 0700; never an abstract socket, which
// any process in the network namespace could reach: CVE-2020-15257). Both
// sides send frames:
//
//	byte 0      type
//	byte 1-3    zero
//	byte 4-7    length of the payload, big endian, at most 64 KiB
//	byte 8-     payload
//
// Numbers in payloads are big endian.
//
//	client              type  payload
//	  hello             16    u16 version, u16 flags (below)
//	  stdin              0    bytes
//	  stdin EOF         17    -
//	  resize            18    u16 rows, u16 columns, u16 x and u16 y pixels
//	  signal            19    u32 number
//	  detach            20    -
//	server
//	  hello             32    u16 version, u16 flags (tty), u32 stdin window
//	  stdout             1    bytes
//	  stderr             2    bytes
//	  stdin credit      33    u32 bytes
//	  exit              34    i32 exit code, u32 signal, u32 flags (OOM killed)
//	  error             35    text
//
//	client                                  server
//	  hello ------------------------------->
//	        <------------------------------- hello, or error and close
//	  resize, stdin, signal --------------->
//	        <------------------------------- stdout, stderr, stdin credit
//	  detach, close ----------------------->   or
//	        <------------------------------- exit, close
//
// Output from before the hello is not sent again; the log has it. A client may
// have sent no more bytes of stdin than the window and the credits since, so
// that input which the payload does not read cannot hold up a resize or a
// signal behind it. Input of several clients is merged in the order of
// arrival. A client that just goes away has not sent EOF.
//
// # Slow clients
//
// Output goes through a buffer for each client. When a client that said hello
// with the lossless flag does not read, the payload is held up, as it would be
// by a pipe: what a foreground `run` prints arrives whole. Any other client
// whose buffer is full gets an error frame and is dropped.
//
// # When not to use it
//
// A command that is itself the supervisor copies stdio in process.
package attach

import (
	"errors"
	"fmt"
	"os"
)

// Version is the protocol that this package speaks. There is no negotiation:
// client and supervisor are the same binary unless it was replaced while the
// container ran, and then the error says so.
const Version = 1

// Sentinels of this package, for errors.Is.
var (
	// ErrProtocol marks a frame that the other side should not have sent.
	ErrProtocol = errors.New("attach protocol violated")
	// ErrVersion marks a supervisor or client of another version of berth.
	ErrVersion = errors.New("attach protocol version differs")
	// ErrLost means that the supervisor went away without an exit status.
	ErrLost = errors.New("connection to the container's supervisor lost")
	// ErrListening means that a live supervisor has the socket.
	ErrListening = errors.New("attach socket is in use")
)

// RemoteError is what the supervisor said before it closed the connection.
type RemoteError struct{ Text string }

func (e *RemoteError) Error() string { return e.Text }

// SignalError means that a signal ended the client, not the container. The
// terminal is restored; the caller ends as by that signal (128+n).
type SignalError struct{ Signal os.Signal }

func (e *SignalError) Error() string { return fmt.Sprintf("attach ended by signal: %v", e.Signal) }

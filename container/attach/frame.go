package attach

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Frame types. Stdin, stdout and stderr have their descriptors' numbers.
const (
	frameStdin  byte = 0
	frameStdout byte = 1
	frameStderr byte = 2

	frameHello    byte = 16
	frameStdinEOF byte = 17
	frameResize   byte = 18
	frameSignal   byte = 19
	frameDetach   byte = 20

	frameWelcome byte = 32
	frameCredit  byte = 33
	frameExit    byte = 34
	frameError   byte = 35
)

const (
	headerSize = 8
	// maxPayload bounds a frame, and so what one side can make the other
	// allocate, in bytes.
	maxPayload = 64 << 10
	// stdinWindow is how many bytes of stdin a client may have under way.
	stdinWindow = 64 << 10
)

// Flags of the client's hello.
const (
	wantStdin uint16 = 1 << iota
	wantStdout
	wantStderr
	lossless
)

// Flags of the server's hello and of exit.
const (
	flagTTY uint16 = 1
	flagOOM uint32 = 1
)

// Size is a terminal's size in characters and, where known, in pixels
// (ioctl_tty(2), struct winsize).
type Size struct{ Rows, Cols, X, Y uint16 }

// Status is how the payload ended.
type Status struct {
	ExitCode int  // as the shell counts: 128+n after signal n
	Signal   int  // 0 when it exited by itself
	OOM      bool // killed for lack of memory
}

// appendHeader appends the header of a frame with n bytes of payload.
func appendHeader(dst []byte, kind byte, n int) []byte {
	dst = append(dst, kind, 0, 0, 0)
	return binary.BigEndian.AppendUint32(dst, uint32(n))
}

// appendFrames appends p as frames of one type, as many as it takes.
func appendFrames(dst []byte, kind byte, p []byte) []byte {
	for {
		n := min(len(p), maxPayload)
		dst = append(appendHeader(dst, kind, n), p[:n]...)
		if p = p[n:]; len(p) == 0 {
			return dst
		}
	}
}

// framesSize is how long appendFrames makes n bytes.
func framesSize(n int) int {
	return n + headerSize*max(1, (n+maxPayload-1)/maxPayload)
}

// readFrame reads one frame into buf, growing it as needed, and returns the
// payload, which is part of the returned buffer. The error is io.EOF only
// between frames.
func readFrame(r io.Reader, buf []byte) (kind byte, payload, grown []byte, err error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return 0, nil, buf, err
	}
	n := binary.BigEndian.Uint32(header[4:])
	if header[1]|header[2]|header[3] != 0 || n > maxPayload {
		return 0, nil, buf, fmt.Errorf("%w: frame header %x", ErrProtocol, header)
	}
	if int(n) > cap(buf) {
		buf = make([]byte, n)
	}
	payload = buf[:n]
	if _, err := io.ReadFull(r, payload); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, buf, err
	}
	return header[0], payload, buf, nil
}

// fixed checks the length of a payload that has one.
func fixed(kind byte, payload []byte, size int) error {
	if len(payload) != size {
		return fmt.Errorf("%w: frame type %d with %d bytes, want %d", ErrProtocol, kind, len(payload), size)
	}
	return nil
}

// helloFrame is the client's first frame.
func helloFrame(flags uint16) []byte {
	b := appendHeader(nil, frameHello, 4)
	b = binary.BigEndian.AppendUint16(b, Version)
	return binary.BigEndian.AppendUint16(b, flags)
}

// parseHello reads a hello. Only the version is read of one that is newer.
func parseHello(kind byte, p []byte) (flags uint16, err error) {
	if kind != frameHello || len(p) < 4 {
		return 0, fmt.Errorf("%w: expected a hello, got frame type %d", ErrProtocol, kind)
	}
	if v := binary.BigEndian.Uint16(p); v != Version {
		return 0, fmt.Errorf("%w: client speaks %d, supervisor %d; restart the container to use the new berth", ErrVersion, v, Version)
	}
	return binary.BigEndian.Uint16(p[2:]), fixed(kind, p, 4)
}

// welcomeFrame is the server's first frame.
func welcomeFrame(tty bool) []byte {
	var flags uint16
	if tty {
		flags = flagTTY
	}
	b := appendHeader(nil, frameWelcome, 8)
	b = binary.BigEndian.AppendUint16(b, Version)
	b = binary.BigEndian.AppendUint16(b, flags)
	return binary.BigEndian.AppendUint32(b, stdinWindow)
}

// parseWelcome reads the server's first frame.
func parseWelcome(kind byte, p []byte) (tty bool, window uint32, err error) {
	if kind == frameError {
		return false, 0, &RemoteError{string(p)}
	}
	if kind != frameWelcome || len(p) < 4 {
		return false, 0, fmt.Errorf("%w: expected a hello, got frame type %d", ErrProtocol, kind)
	}
	if v := binary.BigEndian.Uint16(p); v != Version {
		return false, 0, fmt.Errorf("%w: supervisor speaks %d, client %d", ErrVersion, v, Version)
	}
	if err := fixed(kind, p, 8); err != nil {
		return false, 0, err
	}
	return binary.BigEndian.Uint16(p[2:])&flagTTY != 0, binary.BigEndian.Uint32(p[4:]), nil
}

// resizeFrame tells the terminal's size.
func resizeFrame(s Size) []byte {
	b := appendHeader(nil, frameResize, 8)
	for _, v := range [...]uint16{s.Rows, s.Cols, s.X, s.Y} {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return b
}

// parseResize reads a terminal's size.
func parseResize(p []byte) (Size, error) {
	if err := fixed(frameResize, p, 8); err != nil {
		return Size{}, err
	}
	at := func(i int) uint16 { return binary.BigEndian.Uint16(p[i:]) }
	return Size{at(0), at(2), at(4), at(6)}, nil
}

// numberFrame carries one u32: a signal or a credit.
func numberFrame(kind byte, n uint32) []byte {
	return binary.BigEndian.AppendUint32(appendHeader(nil, kind, 4), n)
}

// parseNumber reads one u32.
func parseNumber(kind byte, p []byte) (uint32, error) {
	if err := fixed(kind, p, 4); err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint32(p), nil
}

// exitFrame tells how the payload ended.
func exitFrame(s Status) []byte {
	var flags uint32
	if s.OOM {
		flags = flagOOM
	}
	b := appendHeader(nil, frameExit, 12)
	b = binary.BigEndian.AppendUint32(b, uint32(int32(s.ExitCode)))
	b = binary.BigEndian.AppendUint32(b, uint32(s.Signal))
	return binary.BigEndian.AppendUint32(b, flags)
}

// parseExit reads how the payload ended.
func parseExit(p []byte) (Status, error) {
	if err := fixed(frameExit, p, 12); err != nil {
		return Status{}, err
	}
	return Status{
		ExitCode: int(int32(binary.BigEndian.Uint32(p))),
		Signal:   int(binary.BigEndian.Uint32(p[4:])),
		OOM:      binary.BigEndian.Uint32(p[8:])&flagOOM != 0,
	}, nil
}

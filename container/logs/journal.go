package logs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// journalSocket is where journald takes datagrams in its native protocol
// (systemd.io/JOURNAL_NATIVE_PROTOCOL).
const journalSocket = "/run/systemd/journal/socket"

// journalWait is how long a record waits for a journal that does not read.
// After that records are dropped without waiting, until it reads again.
const journalWait = time.Second

// Priorities of syslog(3), as docker's driver sets them.
const (
	priorityError = "3"
	priorityInfo  = "6"
)

// journalSink sends records to journald.
type journalSink struct {
	path   string
	fields []byte // of the container, in each record
	loss   *losses
	fd     int // -1 while not connected
	stuck  bool
	buf    []byte
}

// openJournal opens the driver journald. That there is a journal is found out
// now, as in docker; one that goes away later is a loss of records.
func openJournal(c Container, opts map[string]string, loss *losses) (sink, error) {
	s, err := newJournalSink(journalSocket, c, opts, loss)
	if err != nil {
		return nil, err
	}
	if err := s.connect(); err != nil {
		return nil, fmt.Errorf("journald is not enabled on this host: %w", err)
	}
	return s, nil
}

func newJournalSink(path string, c Container, opts map[string]string, loss *losses) (*journalSink, error) {
	attrs, err := attributes(opts, c.Labels, c.Env)
	if err != nil {
		return nil, err
	}
	name, err := tag(opts, c, tagShortID)
	if err != nil {
		return nil, err
	}
	s := &journalSink{path: path, loss: loss, fd: -1}
	for _, f := range [][2]string{
		{"CONTAINER_ID", short(c.ID)}, {"CONTAINER_ID_FULL", c.ID}, {"CONTAINER_NAME", c.Name},
		{"CONTAINER_TAG", name}, {"IMAGE_NAME", c.Image}, {"SYSLOG_IDENTIFIER", name},
	} {
		s.fields = appendJournal(s.fields, f[0], f[1])
	}
	for _, key := range sortedKeys(attrs) {
		if name := journalName(key); name != "" {
			s.fields = appendJournal(s.fields, name, attrs[key])
		}
	}
	return s, nil
}

// journalName makes a label's or variable's name one that the journal takes:
// upper case, digits and underscores, none of these at the start.
func journalName(key string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		}
		return '_'
	}, key)
	return strings.TrimLeft(name, "_")
}

// appendJournal encodes a field: as NAME=VALUE, or with its length when it has
// more than one line.
func appendJournal[T string | []byte](dst []byte, name string, value T) []byte {
	dst = append(dst, name...)
	if strings.IndexByte(string(value), '\n') < 0 {
		dst = append(append(dst, '='), value...)
		return append(dst, '\n')
	}
	dst = binary.LittleEndian.AppendUint64(append(dst, '\n'), uint64(len(value)))
	return append(append(dst, value...), '\n')
}

// connect makes the socket. Connected, it notices a journal that went away.
func (s *journalSink) connect() error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("make socket for journal: %w", err)
	}
	wait := unix.NsecToTimeval(journalWait.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &wait); err != nil {
		unix.Close(fd)
		return fmt.Errorf("set timeout of journal socket: %w", err)
	}
	// A datagram is bounded by the buffer it is sent from: journald's own
	// clients ask for this much. Larger ones go as a file in any case.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 8<<20)
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: s.path}); err != nil {
		unix.Close(fd)
		return fmt.Errorf("connect to %s: %w", s.path, err)
	}
	s.fd = fd
	return nil
}

func (s *journalSink) put(e *entry) {
	text, whole := e.text, e.whole()
	if whole {
		text = text[:len(text)-1]
	}
	priority := priorityInfo
	if e.stream == "stderr" {
		priority = priorityError
	}
	b := appendJournal(s.buf[:0], "MESSAGE", text)
	b = appendJournal(b, "PRIORITY", priority)
	b = appendJournal(b, "SYSLOG_TIMESTAMP", e.time.UTC().Format(time.RFC3339Nano))
	if !whole {
		b = appendJournal(b, "CONTAINER_PARTIAL_MESSAGE", "true")
	}
	s.buf = append(b, s.fields...)
	if err := s.send(); err != nil {
		s.loss.add(1, fmt.Errorf("send to journal: %w", err))
		return
	}
	s.loss.over()
}

// send sends what is in buf, to a journal that was restarted, too.
func (s *journalSink) send() error {
	for again := range 2 {
		if s.fd < 0 {
			if err := s.connect(); err != nil {
				return err
			}
		}
		err := s.sendOnce()
		gone := errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.ENOTCONN) || errors.Is(err, unix.ECONNRESET)
		if !gone || again > 0 {
			return err
		}
		unix.Close(s.fd)
		s.fd = -1
	}
	return nil
}

// sendOnce sends a datagram, or a file with it when it is too large for one.
func (s *journalSink) sendOnce() error {
	flags := unix.MSG_NOSIGNAL
	if s.stuck {
		flags |= unix.MSG_DONTWAIT
	}
	err := ignoreEINTR(func() error { return unix.Sendto(s.fd, s.buf, flags, nil) })
	if err == unix.EMSGSIZE || err == unix.ENOBUFS {
		err = s.sendFile(flags)
	}
	s.stuck = err == unix.EAGAIN
	return err
}

// sendFile sends buf as a sealed memfd, the protocol's way for large records.
func (s *journalSink) sendFile(flags int) error {
	fd, err := unix.MemfdCreate("journal-record", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for rest := s.buf; len(rest) > 0; {
		n, err := unix.Write(fd, rest)
		if err != nil && err != unix.EINTR {
			return err
		}
		rest = rest[max(0, n):]
	}
	const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return err
	}
	return ignoreEINTR(func() error { return unix.Sendmsg(s.fd, nil, unix.UnixRights(fd), nil, flags) })
}

func ignoreEINTR(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// flush has nothing to do: records go one by one.
func (s *journalSink) flush() {}

func (s *journalSink) close() error {
	if s.fd >= 0 {
		unix.Close(s.fd)
		s.fd = -1
	}
	return nil
}

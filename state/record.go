package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// MaxRecord bounds what ReadFile and ReadJSON take in, in bytes.
const MaxRecord = 16 << 20

// Durability says what a write survives.
type Durability int

const (
	// Fast is atomic for every reader and for the death of the writer. After a
	// power cut the file may be the old one, or be damaged and read as
	// ErrCorrupt. For what ends with the boot or can be made again.
	Fast Durability = iota
	// Durable also survives a power cut once the call has returned. For what a
	// user would miss.
	Durable
)

// Header is embedded in every record. WriteJSON stamps it, ReadJSON checks it.
// A kind of record whose format moves on shadows RecordVersion.
type Header struct {
	Version int `json:"version"`
}

// RecordVersion is the newest version of this kind of record that this binary
// writes and reads.
func (h *Header) RecordVersion() int { return 1 }

func (h *Header) header() *Header  { return h }
func (h Header) headerValue() bool { return true }

// versioned is a pointer to a struct that embeds Header.
type versioned interface {
	RecordVersion() int
	header() *Header
}

// WriteJSON replaces the file at path with v, mode 0600 whatever the umask. A
// record that embeds Header must be passed by pointer; its version is set. On
// an error the old file is untouched and nothing is left behind, save when
// only the last step of Durable failed: then path holds v, but may not
// survive a power cut.
func WriteJSON(path string, v any, d Durability) error {
	switch rec := v.(type) {
	case versioned:
		rec.header().Version = rec.RecordVersion()
	case interface{ headerValue() bool }:
		return fmt.Errorf("encode %s: %T must be passed by pointer", path, v)
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	// People read these files; \u0026 for & helps nobody outside a web page.
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	return WriteFile(path, buf.Bytes(), d)
}

// WriteFile is WriteJSON for bytes that are already encoded.
func WriteFile(path string, data []byte, d Durability) error {
	if len(data) > MaxRecord {
		return fmt.Errorf("write %s: %w: %d bytes", path, ErrTooLarge, len(data))
	}
	dir := filepath.Dir(path)
	tmp, err := writeTemp(dir, data, d)
	if err != nil {
		return err
	}
	if err := rename(tmp, path); err != nil {
		_ = unix.Unlink(tmp)
		return err
	}
	if d == Durable {
		return syncDir(dir)
	}
	return nil
}

// writeTemp writes a new temporary file in dir and returns its path. When the
// disk is full no part of it stays.
func writeTemp(dir string, data []byte, d Durability) (string, error) {
	var tmp string
	fd := -1
	err := error(unix.EEXIST)
	for errors.Is(err, unix.EEXIST) {
		tmp = dir + "/" + StagingName()
		fd, err = open(tmp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, 0o600)
	}
	if err != nil {
		return "", err
	}
	op, err := fill(fd, data, d)
	if closeErr := unix.Close(fd); err == nil && closeErr != nil {
		op, err = "close", closeErr
	}
	if err != nil {
		_ = unix.Unlink(tmp)
		return "", &fs.PathError{Op: op, Path: tmp, Err: err}
	}
	return tmp, nil
}

// fill writes data to fd and names the call that went wrong.
func fill(fd int, data []byte, d Durability) (op string, err error) {
	// open's mode is cut by the umask, which may take even our own bits.
	if err := unix.Fchmod(fd, 0o600); err != nil {
		return "fchmod", err
	}
	for len(data) > 0 {
		n, err := unix.Write(fd, data)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return "write", err
		}
		if n == 0 {
			return "write", io.ErrShortWrite
		}
		data = data[n:]
	}
	if d == Durable {
		return "fsync", retry(func() error { return unix.Fsync(fd) })
	}
	return "", nil
}

// syncDir makes a rename in dir survive a power cut.
func syncDir(dir string) error {
	fd, err := open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := retry(func() error { return unix.Fsync(fd) }); err != nil {
		return &fs.PathError{Op: "fsync", Path: dir, Err: err}
	}
	return nil
}

// ReadFile reads a whole regular file of at most MaxRecord bytes. A symlink in
// the last place is refused with ELOOP, anything else that is not a regular
// file with ErrCorrupt; a FIFO does not block.
func ReadFile(path string) ([]byte, error) {
	fd, err := open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, &fs.PathError{Op: "fstat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, fmt.Errorf("read %s: %w: not a regular file", path, ErrCorrupt)
	}
	if st.Size > MaxRecord {
		return nil, fmt.Errorf("read %s: %w: %d bytes", path, ErrTooLarge, st.Size)
	}
	// Records are replaced, never appended to, so the size holds.
	data := make([]byte, st.Size)
	for done := 0; done < len(data); {
		n, err := unix.Read(fd, data[done:])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, &fs.PathError{Op: "read", Path: path, Err: err}
		}
		if n == 0 {
			return data[:done], nil
		}
		done += n
	}
	return data, nil
}

// ReadJSON reads a record into v. A missing file is fs.ErrNotExist, one that
// cannot be a record ErrCorrupt, one of a newer berth ErrVersion; all name
// path. After an error v holds nothing of use.
func ReadJSON(path string, v any) error {
	data, err := ReadFile(path)
	if err != nil {
		return err
	}
	if err := decode(data, v); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// decode turns the bytes of one record into v.
func decode(data []byte, v any) error {
	// The top level is an object or an array: a number cut short would still be
	// a number, and null would leave v as it was.
	first := strings.TrimLeft(string(data[:min(len(data), 64)]), " \t\r\n")
	switch {
	case len(data) == 0:
		return fmt.Errorf("%w: empty", ErrCorrupt)
	case first == "" || first[0] != '{' && first[0] != '[':
		return fmt.Errorf("%w: not a JSON object", ErrCorrupt)
	}
	err := json.Unmarshal(data, v)
	rec, ok := v.(versioned)
	if !ok {
		if err != nil {
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		return nil
	}
	got := rec.header().Version
	if err != nil {
		// A newer version may have changed the type of any field, so the
		// version is looked at again by itself.
		var probe Header
		if json.Unmarshal(data, &probe) != nil {
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		got = probe.Version
	}
	switch {
	case got > rec.RecordVersion():
		return fmt.Errorf("%w: version %d, this berth knows %d", ErrVersion, got, rec.RecordVersion())
	case err != nil:
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	case got < 1:
		return fmt.Errorf("%w: no version", ErrCorrupt)
	}
	return nil
}

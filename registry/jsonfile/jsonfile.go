// Package jsonfile owns how the JSON files that users and other tools write are
// read: every error says which file and which line.
//
// No error has a value of the file in it, as such files hold passwords. Not for
// berth's own records: those are package state's.
package jsonfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Read decodes the file at path into v. An empty file is as one that holds an
// empty object. A file that is not there is an fs.ErrNotExist.
func Read(path string, v any) error {
	data, err := Content(path)
	if err != nil {
		return err
	}
	return Decode(path, data, v)
}

// maxSize bounds a file that a user wrote, in bytes.
const maxSize = 64 << 20

// Content returns what is in a file of a user's, of any format. A shell's <(...)
// is read like a file; a FIFO that nobody writes to is empty and not waited for.
func Content(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err == nil && len(data) > maxSize {
		err = &os.PathError{Op: "read", Path: path, Err: fmt.Errorf("more than %d bytes", maxSize)}
	}
	return data, err
}

// Decode is Read for content that is at hand; name stands for the file in errors.
func Decode(name string, data []byte, v any) error {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if len(bytes.TrimSpace(data)) == 0 {
		return nil
	}
	if err := json.Unmarshal(data, v); err != nil {
		return explain(name, data, err)
	}
	return nil
}

// explain names the place of a decoding error.
func explain(name string, data []byte, err error) error {
	var (
		syntax *json.SyntaxError
		kind   *json.UnmarshalTypeError
	)
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("%s:%d: %s", name, line(data, syntax.Offset), syntax.Error())
	case errors.As(err, &kind):
		// The decoder's own text has the number itself in it.
		found, _, _ := strings.Cut(kind.Value, " ")
		return fmt.Errorf("%s:%d: %s is a JSON %s, not a %s", name, line(data, kind.Offset), field(kind), found, kind.Type.Kind())
	}
	return fmt.Errorf("%s: %w", name, err)
}

func field(e *json.UnmarshalTypeError) string {
	if e.Field == "" {
		return "the document"
	}
	return e.Field
}

// line counts from one; offset is behind the byte that was wrong.
func line(data []byte, offset int64) int {
	end := min(max(int(offset)-1, 0), len(data))
	return 1 + bytes.Count(data[:end], []byte("\n"))
}

package jsonfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestDecode(t *testing.T) {
	type document struct {
		Name  string            `json:"name"`
		Count int               `json:"count"`
		Map   map[string]string `json:"map"`
	}
	for _, tt := range []struct {
		content string
		want    document
		err     string
	}{
		{`{"name": "x", "other": [1]}`, document{Name: "x"}, ""},
		{"\ufeff{\"count\": 2}", document{Count: 2}, ""},
		{" \n\t", document{}, ""},
		{"", document{}, ""},
		{"{\n\n\"name\": x}", document{}, "f.json:3: invalid character 'x' looking for beginning of value"},
		{"{\"name\": \"x\",\n}", document{}, "f.json:2: invalid character '}'"},
		{"{\n\"name\":", document{}, "f.json:2: unexpected end of JSON input"},
		{"{}\n{}", document{}, "f.json:2: invalid character '{' after top-level value"},
		{"{\n\"name\": 20061}", document{}, "f.json:2: name is a JSON number, not a string"},
		{"{\"count\":\n\n2006199999999999999999}", document{}, "f.json:3: count is a JSON number, not a int"},
		{"[]", document{}, "f.json:1: the document is a JSON array, not a struct"},
		{"{\"map\": {\"hunter2\": 20061}}", document{}, "f.json:1: map is a JSON number, not a string"},
	} {
		var got document
		err := Decode("f.json", []byte(tt.content), &got)
		if tt.err == "" {
			if err != nil || got.Name != tt.want.Name || got.Count != tt.want.Count {
				t.Errorf("%q: got %+v, %v", tt.content, got, err)
			}
			continue
		}
		if err == nil || !strings.HasPrefix(err.Error(), tt.err) {
			t.Errorf("%q: got %v, want %s", tt.content, err, tt.err)
		}
		if err != nil && strings.Contains(err.Error(), "20061") {
			t.Errorf("%q: a value is in %v", tt.content, err)
		}
	}
}

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.json")
	var got map[string]int
	if err := Read(path, &got); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	if err := os.WriteFile(path, []byte(`{"a": 1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Read(path, &got); err != nil || got["a"] != 1 {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestContentOfPipes: a FIFO without a writer is empty, and one with a writer is
// read to the end, as a shell's <(...) is.
func TestContentOfPipes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Content(path); err != nil || len(got) != 0 {
		t.Errorf("nobody writes: %q, %v", got, err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	go func() {
		time.Sleep(20 * time.Millisecond)
		w.WriteString("late")
		w.Close()
	}()
	if got, err := Content(fmt.Sprintf("/dev/fd/%d", r.Fd())); err != nil || string(got) != "late" {
		t.Errorf("somebody writes late: %q, %v", got, err)
	}
}

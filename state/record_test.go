package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

type sample struct {
	Header
	Name  string            `json:"name"`
	Exit  *int              `json:"exit"`
	Label map[string]string `json:"label,omitempty"`
}

// newer is sample after its format moved on twice.
type newer struct {
	sample
}

func (*newer) RecordVersion() int { return 3 }

func TestJSONRoundTrip(t *testing.T) {
	for _, d := range []Durability{Fast, Durable} {
		path := filepath.Join(t.TempDir(), "r.json")
		in := sample{Name: "a&b<c>", Label: map[string]string{"k": "\x00 ü"}}
		must(t, WriteJSON(path, &in, d))
		must(t, WriteJSON(path, &in, d)) // replaces
		var out sample
		must(t, ReadJSON(path, &out))
		if out.Version != 1 || out.Name != in.Name || out.Label["k"] != in.Label["k"] || out.Exit != nil {
			t.Errorf("got %+v", out)
		}
		raw, err := os.ReadFile(path)
		must(t, err)
		if !bytes.Contains(raw, []byte("a&b<c>")) || raw[len(raw)-1] != '\n' {
			t.Errorf("not readable: %s", raw)
		}
		if got := entries(t, filepath.Dir(path)); len(got) != 1 {
			t.Errorf("left behind: %v", got)
		}
	}
}

func TestVersions(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "r.json")
	must(t, WriteJSON(path, &newer{}, Fast))
	var n newer
	must(t, ReadJSON(path, &n))
	if n.Version != 3 {
		t.Errorf("version %d, want 3", n.Version)
	}
	tests := []struct {
		name, text string
		want       error
	}{
		{"older", `{"version":1,"name":"x"}`, nil},
		{"current", `{"version":3}`, nil},
		{"future", `{"version":4}`, ErrVersion},
		{"future with other types", `{"version":4,"name":{"first":"x"}}`, ErrVersion},
		{"none", `{}`, ErrCorrupt},
		{"zero", `{"version":0}`, ErrCorrupt},
		{"negative", `{"version":-1}`, ErrCorrupt},
		{"not a number", `{"version":"4"}`, ErrCorrupt},
		{"wrong type", `{"version":3,"name":7}`, ErrCorrupt},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			must(t, os.WriteFile(path, []byte(tt.text), 0o600))
			err := ReadJSON(path, &newer{})
			if tt.want == nil && err != nil || !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err != nil && !strings.Contains(err.Error(), path) {
				t.Errorf("%v does not name the path", err)
			}
		})
	}
}

func TestWriteJSONRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "r.json")
	if err := WriteJSON(path, sample{}, Fast); err == nil || !strings.Contains(err.Error(), "by pointer") {
		t.Errorf("record by value: %v", err)
	}
	if err := WriteJSON(path, make(chan int), Fast); err == nil {
		t.Error("wrote a channel")
	}
	if err := WriteFile(path, make([]byte, MaxRecord+1), Fast); !errors.Is(err, ErrTooLarge) {
		t.Errorf("huge record: %v", err)
	}
	must(t, os.Mkdir(path, 0o700))
	if err := WriteJSON(path, &sample{}, Fast); err == nil {
		t.Error("replaced a directory")
	}
	if err := WriteJSON(dir+"/none/r.json", &sample{}, Fast); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing directory: %v", err)
	}
	if got := entries(t, dir); len(got) != 1 {
		t.Errorf("left behind: %v", got)
	}
}

func TestReadJSONCorrupt(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "r.json")
	code := 7
	must(t, WriteJSON(path, &sample{Name: strings.Repeat("n", 100), Exit: &code, Label: map[string]string{"a": "b"}}, Fast))
	good, err := os.ReadFile(path)
	must(t, err)
	whole := bytes.TrimSpace(good)
	if len(whole) < 64 {
		t.Fatal("sample too short to be cut at 64 places")
	}
	bad := map[string][]byte{
		"empty":            {},
		"one NUL":          {0},
		"NUL-filled":       make([]byte, len(good)),
		"NUL tail":         append(bytes.Clone(whole[:len(whole)/2]), make([]byte, 50)...),
		"trailing garbage": append(bytes.Clone(good), "{}"...),
		"trailing NUL":     append(bytes.Clone(good), 0),
		"written twice":    append(bytes.Clone(good), good...),
		"null":             []byte("null\n"),
		"number":           []byte("12345"),
		"string":           []byte(`"x"`),
		"white space":      []byte(strings.Repeat(" ", 100)),
		"array":            []byte(`[]`),
	}
	for i := range 64 {
		bad[fmt.Sprintf("cut %02d", i)] = whole[:i*len(whole)/64]
	}
	for name, data := range bad {
		t.Run(name, func(t *testing.T) {
			must(t, os.WriteFile(path, data, 0o600))
			err := ReadJSON(path, &sample{})
			if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestReadFileRefuses(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/file", []byte("{}"), 0o600))
	must(t, os.Symlink("file", dir+"/link"))
	must(t, unix.Mkfifo(dir+"/fifo", 0o600))
	must(t, os.WriteFile(dir+"/huge", nil, 0o600))
	must(t, os.Truncate(dir+"/huge", MaxRecord+1))
	for path, want := range map[string]error{
		dir + "/none": fs.ErrNotExist, dir + "/link": unix.ELOOP, dir + "/fifo": ErrCorrupt,
		dir: ErrCorrupt, "/dev/zero": ErrCorrupt, dir + "/huge": ErrTooLarge,
	} {
		done := make(chan error, 1)
		go func() {
			_, err := ReadFile(path)
			done <- err
		}()
		select {
		case err := <-done:
			if !errors.Is(err, want) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s: got %v, want %v", path, err, want)
			}
		case <-time.After(5 * time.Second):
			t.Errorf("%s: blocked", path)
		}
	}
}

// A full disk must keep the old record, leave nothing, and let removal work.
func TestWriteJSONDiskFull(t *testing.T) {
	needRoot(t, "to mount a tmpfs")
	dir := filepath.Join(t.TempDir(), "small")
	mountTmpfs(t, dir, "64k")
	path := dir + "/r.json"
	must(t, WriteJSON(path, &sample{Name: "old"}, Durable))
	for _, d := range []Durability{Fast, Durable} {
		big := &sample{Name: strings.Repeat("x", 128<<10)}
		if err := WriteJSON(path, big, d); !errors.Is(err, unix.ENOSPC) {
			t.Fatalf("got %v, want ENOSPC", err)
		}
		if got := entries(t, dir); len(got) != 1 {
			t.Errorf("left behind: %v", got)
		}
	}
	// To the last block: even a short write must fail cleanly.
	fill, err := os.Create(dir + "/fill")
	must(t, err)
	for err == nil {
		_, err = fill.Write(make([]byte, 4096))
	}
	must(t, fill.Close())
	if err := WriteJSON(path, &sample{Name: "new"}, Fast); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("got %v, want ENOSPC", err)
	}
	var got sample
	must(t, ReadJSON(path, &got))
	if got.Name != "old" {
		t.Errorf("record is now %q", got.Name)
	}
	must(t, RemoveTree(dir+"/fill"))
	if left := entries(t, dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

// playWrite replaces a record for ever.
func playWrite(path string) {
	say("ready")
	for i := 0; ; i++ {
		_ = WriteJSON(path, &sample{Name: strings.Repeat("w", i%8192)}, Fast)
	}
}

// A writer killed at any moment leaves a whole record, and no reader ever
// sees anything else.
func TestWriterKilled(t *testing.T) {
	d := newDirs(t)
	path := d.Containers() + "/r.json"
	must(t, WriteJSON(path, &sample{}, Fast))
	for i := range 20 {
		cmd, _, lines := play(t, "write="+path)
		waitLine(t, lines)
		deadline := time.Now().Add(time.Duration(i) * time.Millisecond)
		for time.Now().Before(deadline) {
			must(t, ReadJSON(path, &sample{}))
		}
		must(t, cmd.Process.Kill())
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) {
			t.Fatal(err)
		}
		must(t, ReadJSON(path, &sample{}))
	}
	_, err := Sweep(d)
	must(t, err)
	if got := entries(t, d.Containers()); len(got) != 1 {
		t.Errorf("left after sweep: %v", got)
	}
}

func FuzzReadJSON(f *testing.F) {
	for _, s := range []string{"", "{}", `{"version":1,"name":"x"}`, `{"version":2}`, "[]", "null", "\x00", `{"version":1}x`} {
		f.Add([]byte(s))
	}
	path := filepath.Join(f.TempDir(), "r.json")
	f.Fuzz(func(t *testing.T, data []byte) {
		must(t, os.WriteFile(path, data, 0o600))
		var got sample
		err := ReadJSON(path, &got)
		if err == nil {
			if got.Version != 1 || !json.Valid(data) {
				t.Errorf("accepted %q as %+v", data, got)
			}
			return
		}
		if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrVersion) {
			t.Errorf("unnamed error %v", err)
		}
	})
}

func BenchmarkWriteJSON(b *testing.B) {
	for name, d := range map[string]Durability{"Fast": Fast, "Durable": Durable} {
		b.Run(name, func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "r.json")
			rec := &sample{Name: "bench", Label: map[string]string{"a": "b"}}
			for b.Loop() {
				must(b, WriteJSON(path, rec, d))
			}
		})
	}
}

func BenchmarkReadJSON(b *testing.B) {
	path := filepath.Join(b.TempDir(), "r.json")
	must(b, WriteJSON(path, &sample{Name: "bench"}, Fast))
	for b.Loop() {
		must(b, ReadJSON(path, &sample{}))
	}
}

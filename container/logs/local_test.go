package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestLocalShape holds the bytes of a record: docker's form.
func TestLocalShape(t *testing.T) {
	at := time.Unix(0, 1)
	for _, c := range []struct {
		name  string
		attrs map[string]string
		e     entry
		want  string
	}{
		{"line", nil, entry{stream: "stdout", time: at, text: []byte("hi\n")},
			"\x00\x00\x00\x0e\x0a\x06stdout\x10\x01\x1a\x02hi\x00\x00\x00\x0e"},
		{"attributes", map[string]string{"k": "v"}, entry{stream: "stderr", time: at, text: []byte("x\n")},
			"\x00\x00\x00\x15\x0a\x06stderr\x10\x01\x1a\x01x\x32\x06\x0a\x01k\x12\x01v\x00\x00\x00\x15"},
		{"first part", nil, entry{stream: "stdout", time: at, text: []byte("p"), part: 1},
			"\x00\x00\x00\x1c\x0a\x06stdout\x10\x01\x1a\x01p\x20\x01\x2a\x0b\x12\x071stdout\x18\x01\x00\x00\x00\x1c"},
		{"last part", nil, entry{stream: "stdout", time: at, text: []byte("q\n"), part: 2},
			"\x00\x00\x00\x1e\x0a\x06stdout\x10\x01\x1a\x01q\x20\x01\x2a\x0d\x08\x01\x12\x071stdout\x18\x02\x00\x00\x00\x1e"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := newLocal(c.attrs).encode(nil, &c.e)
			if string(got) != c.want {
				t.Fatalf("got  %x\nwant %x", got, c.want)
			}
			n, r, err := newLocal(nil).next(got)
			if err != nil || n != len(got) || string(r.Line) != string(c.e.text) || r.Stream != c.e.stream || !r.Time.Equal(at) {
				t.Errorf("read back as %d, %+v, %v", n, r, err)
			}
			if len(c.attrs) != len(r.Attrs) || r.Attrs["k"] != c.attrs["k"] {
				t.Errorf("attributes %v", r.Attrs)
			}
		})
	}
}

// both runs a test for each driver with files.
func both(t *testing.T, test func(t *testing.T, newCodec func(map[string]string) codec)) {
	t.Run("json-file", func(t *testing.T) { test(t, newJSON) })
	t.Run("local", func(t *testing.T) { test(t, newLocal) })
}

// readAll reads a log and counts what was skipped.
func readAll(t *testing.T, path string, c codec, o ReadOptions) (lines []string, skipped []error) {
	t.Helper()
	o.Skipped = func(err error) { skipped = append(skipped, err) }
	err := readFiles(context.Background(), path, c, o, func(r Record) error {
		lines = append(lines, string(r.Line))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines, skipped
}

// TestCompressedTail rotates into compressed files and reads all of them, and
// their ends.
func TestCompressedTail(t *testing.T) {
	both(t, func(t *testing.T, newCodec func(map[string]string) codec) {
		path := filepath.Join(t.TempDir(), "log")
		w := openAs(path, fileOptions{maxSize: 3000, maxFiles: 20, compress: true}, newCodec, func(err error) { t.Error(err) })
		var all []string
		for i := range 300 {
			all = append(all, fmt.Sprintf("line %d\n", i))
			fmt.Fprint(w.Stream("stdout"), all[i])
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path + ".1.gz"); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path + ".1"); err == nil {
			t.Fatal("the file that was compressed is still there")
		}
		for _, n := range []int{-1, 0, 1, 2, 40, 41, 42, 43, 44, 45, 60, 75, 150, 299, 300, 5000} {
			want := all
			if n >= 0 {
				want = all[max(0, len(all)-n):]
			}
			got, skipped := readAll(t, path, newCodec(nil), ReadOptions{Tail: n})
			if strings.Join(got, "") != strings.Join(want, "") || skipped != nil {
				t.Errorf("tail %d: %d records, want %d; %v", n, len(got), len(want), skipped)
			}
		}
	})
}

// TestCompressedAging holds that the oldest goes, in whichever form it is.
func TestCompressedAging(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	w := openAs(path, fileOptions{maxSize: 500, maxFiles: 3, compress: true}, newLocal, nil)
	for i := range 500 {
		fmt.Fprintf(w.Stream("stdout"), "line %d\n", i)
	}
	// One that could not be compressed.
	if err := os.WriteFile(path+".2", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		fmt.Fprintf(w.Stream("stdout"), "line %d\n", 500+i)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got := strings.Join(names, " "); got != "log log.1.gz log.2.gz" {
		t.Errorf("files %s", got)
	}
}

// TestLocalDamage puts what is no record between records.
func TestLocalDamage(t *testing.T) {
	frame := func(s string) string {
		return string(newLocal(nil).encode(nil, &entry{stream: "stdout", time: time.Unix(1, 0), text: []byte(s + "\n")}))
	}
	a, b := frame("a"), frame("b")
	for _, c := range []struct {
		name, content, want string
		skipped             int
	}{
		{"empty", "", "", 0},
		{"garbage between", a + "garbage\x00\x00\x00\x10more" + b, "a b", 1},
		{"NULs", a + strings.Repeat("\x00", 5000) + b, "a b", 1},
		{"no end", a + b[:12], "a", 1},
		{"no beginning", a[5:] + b, "b", 1},
		{"torn and mended", a + b[:12] + strings.Repeat("\x00", 17000) + b, "a b", 1},
		{"torn and not mended", a + b[:12] + b + b, "a b b", 1},
		{"ends differ", a[:len(a)-1] + "\x7f" + b, "b", 1},
		{"no time", "\x00\x00\x00\x08\x0a\x06stdout\x00\x00\x00\x08" + b, "b", 1},
		{"huge", a + strings.Repeat("x", 3<<20) + b, "a b", 1},
		{"two places", a + "x" + a + "y" + b, "a a b", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			got, skipped := readAll(t, path, newLocal(nil), ReadOptions{Tail: -1})
			if s := strings.TrimSpace(strings.ReplaceAll(strings.Join(got, ""), "\n", " ")); s != c.want || len(skipped) != c.skipped {
				t.Errorf("got %q, skipped %v", s, skipped)
			}
			for _, err := range skipped {
				if !errors.Is(err, ErrDamaged) {
					t.Error(err)
				}
			}
			// The tail is found past the damage, too.
			if last, _ := readAll(t, path, newLocal(nil), ReadOptions{Tail: 1}); c.want != "" && len(last) != 1 {
				t.Errorf("tail: %q", last)
			}
		})
	}
}

// TestLocalContinues goes on behind a record that a crash cut off.
func TestLocalContinues(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	for _, text := range []string{"a\n", "b\n"} {
		w := openAs(path, fileOptions{}, newLocal, nil)
		fmt.Fprint(w.Stream("stdout"), text)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(f, "\x00\x00\x40\x00\x0a\x06std")
		f.Close()
	}
	got, skipped := readAll(t, path, newLocal(nil), ReadOptions{Tail: -1})
	if strings.Join(got, "") != "a\nb\n" || len(skipped) != 2 {
		t.Errorf("got %q, skipped %v", got, skipped)
	}
}

// TestDamagedArchive goes on with the next file.
func TestDamagedArchive(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(b []byte) []byte
	}{
		{"empty", func([]byte) []byte { return nil }},
		{"no archive", func([]byte) []byte { return []byte("what is this") }},
		{"cut off", func(b []byte) []byte { return b[:len(b)/2] }},
		{"changed", func(b []byte) []byte { b[len(b)-6] ^= 1; return b }},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			w := openAs(path, fileOptions{maxSize: 2000, maxFiles: 2, compress: true}, newJSON, nil)
			for i := range 60 {
				fmt.Fprintf(w.Stream("stdout"), "%d\n", i)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			raw, err := os.ReadFile(path + ".1.gz")
			if err == nil {
				err = os.WriteFile(path+".1.gz", c.damage(raw), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, tail := range []int{-1, 50} {
				got, skipped := readAll(t, path, newJSON(nil), ReadOptions{Tail: tail})
				if len(got) == 0 || got[len(got)-1] != "59\n" || len(skipped) == 0 {
					t.Errorf("tail %d: %d records, skipped %v", tail, len(got), skipped)
				}
			}
		})
	}
}

// TestFollowCompressed follows a writer that rotates all the time and
// compresses behind itself: every record once, in order.
func TestFollowCompressed(t *testing.T) {
	both(t, func(t *testing.T, newCodec func(map[string]string) codec) {
		path := filepath.Join(t.TempDir(), "log")
		w := openAs(path, fileOptions{maxSize: 100 << 10, maxFiles: 900, compress: true}, newCodec, func(err error) { t.Error(err) })
		const total = 60_000
		done := make(chan struct{})
		go func() {
			defer close(done)
			var b bytes.Buffer
			for i := range total {
				fmt.Fprintf(&b, "%d\n", i)
				if i%97 == 0 || i == total-1 {
					_, _ = w.Stream("stdout").Write(b.Bytes())
					b.Reset()
				}
			}
			w.Close()
		}()
		next := 0
		o := ReadOptions{Tail: -1, Follow: true, Done: done, Skipped: func(err error) { t.Error(err) }}
		err := readFiles(context.Background(), path, newCodec(nil), o, func(r Record) error {
			if got := strings.TrimSpace(string(r.Line)); got != strconv.Itoa(next) {
				return fmt.Errorf("got %s, want %d", got, next)
			}
			// A reader that falls behind meets its files compressed.
			if next++; next%9000 == 0 {
				time.Sleep(20 * time.Millisecond)
			}
			return nil
		})
		if err != nil || next != total {
			t.Fatalf("%d of %d records, %v", next, total, err)
		}
	})
}

// FuzzLocal holds that what was encoded is found again behind anything.
func FuzzLocal(f *testing.F) {
	f.Add([]byte(""), []byte("a\n"))
	f.Add([]byte("\x00\x00\x00\x0e\x0a\x06stdo"), []byte("text"))
	f.Fuzz(func(t *testing.T, before, text []byte) {
		if len(text) == 0 || len(text) > partialSize || bytes.Contains(before, []byte("std")) {
			return
		}
		frame := newLocal(nil).encode(nil, &entry{stream: "stdout", time: time.Unix(5, 0), text: text})
		b := append(append([]byte(nil), before...), frame...)
		c := newLocal(nil)
		found := false
		for len(b) > 0 {
			n, r, err := c.next(b)
			if n == 0 {
				break
			}
			b = b[n:]
			found = err == nil && string(r.Line) == string(text)
		}
		if !found {
			t.Errorf("%q is not found behind %q", text, before)
		}
	})
}

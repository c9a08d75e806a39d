package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// open begins a log in the form of json-file.
func open(path string, o fileOptions) *Writer { return openAs(path, o, newJSON, nil) }

// openAs begins a log in some form. Zero options are the defaults.
func openAs(path string, o fileOptions, newCodec func(map[string]string) codec, report func(error)) *Writer {
	if o.maxSize == 0 {
		o.maxSize = DefaultMaxSize
	}
	if o.maxFiles == 0 {
		o.maxFiles = DefaultMaxFiles
	}
	loss := &losses{path: path, report: report}
	return newWriter(newFileSink(path, o, newCodec(nil), loss), loss, 0)
}

// write makes a log from pieces for stdout.
func write(t testing.TB, path string, o fileOptions, pieces ...string) {
	t.Helper()
	w := open(path, o)
	for _, p := range pieces {
		if n, err := io.WriteString(w.Stream("stdout"), p); n != len(p) || err != nil {
			t.Fatalf("write: %d, %v", n, err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// lines reads a whole log and fails on damage.
func lines(t testing.TB, path string, o ReadOptions) []string {
	t.Helper()
	var got []string
	o.Skipped = func(err error) { t.Errorf("skipped: %v", err) }
	err := readFiles(context.Background(), path, newJSON(nil), o, func(r Record) error {
		got = append(got, string(r.Line))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestSplitting(t *testing.T) {
	k16 := strings.Repeat("x", 16<<10)
	for _, c := range []struct {
		name   string
		pieces []string
		want   []string
	}{
		{"lines", []string{"a\nb\n"}, []string{"a\n", "b\n"}},
		{"empty lines", []string{"\n\n"}, []string{"\n", "\n"}},
		{"across writes", []string{"a", "b", "c\nd", "\n"}, []string{"abc\n", "d\n"}},
		{"no last newline", []string{"a\nb"}, []string{"a\n", "b"}},
		{"16 KiB less one", []string{k16[1:] + "\n"}, []string{k16[1:] + "\n"}},
		{"16 KiB", []string{k16 + "\n"}, []string{k16, "\n"}},
		{"16 KiB without end", []string{k16}, []string{k16}},
		{"40 KiB", []string{k16 + k16 + k16[:8<<10] + "\n"}, []string{k16, k16, k16[:8<<10] + "\n"}},
		{"40 KiB in pieces", []string{k16[:9<<10], k16, k16[:15<<10] + "\nz\n"}, []string{k16, k16, k16[:8<<10] + "\n", "z\n"}},
		{"character at the limit", []string{k16[1:] + "é\n"}, []string{k16[1:], "é\n"}},
		{"torn for real", []string{k16[1:] + "\xc3", "x\n"}, []string{k16[1:], "\ufffdx\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			write(t, path, fileOptions{}, c.pieces...)
			got := lines(t, path, ReadOptions{Tail: -1})
			if strings.Join(got, "|") != strings.Join(c.want, "|") {
				t.Errorf("got %d records, want %d", len(got), len(c.want))
			}
		})
	}
}

func TestPartsShareTheirTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	w := open(path, fileOptions{})
	tick := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	w.now = func() time.Time { tick = tick.Add(time.Second); return tick }
	out := w.Stream("stdout")
	fmt.Fprint(out, "one\n")
	fmt.Fprint(out, strings.Repeat("x", 20<<10))
	fmt.Fprint(out, "end\nnext\n")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var got []int
	err := readFiles(context.Background(), path, newJSON(nil), ReadOptions{Tail: -1}, func(r Record) error {
		got = append(got, r.Time.Second())
		return nil
	})
	if err != nil || fmt.Sprint(got) != "[1 2 2 3]" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestLazyAndPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	w := open(path, fileOptions{})
	out, errs := w.Stream("stdout"), w.Stream("stderr")
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Fatalf("the file is there before the first record: %v", err)
	}
	fmt.Fprint(errs, "e\n")
	fmt.Fprint(out, "held")
	st, err := os.Stat(path)
	if err != nil || st.Mode() != 0o600 {
		t.Fatalf("mode %v, %v", st.Mode(), err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := out.Write([]byte("late\n")); n != 5 || err != nil {
		t.Errorf("write after close: %d, %v", n, err)
	}
	if got := lines(t, path, ReadOptions{Tail: -1}); strings.Join(got, "") != "e\nheld" {
		t.Errorf("got %q", got)
	}
}

func TestRotation(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	const size = 4000
	w := open(path, fileOptions{maxSize: size, maxFiles: 3})
	out := w.Stream("stdout")
	next := 0
	for next < 1000 {
		var b bytes.Buffer
		for range rand.IntN(60) {
			fmt.Fprintf(&b, "line %d\n", next)
			next++
		}
		out.Write(b.Bytes())
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 3 {
		t.Errorf("%d files, want 3", len(entries))
	}
	for _, e := range entries {
		info, _ := e.Info()
		if info.Size() > size+100 {
			t.Errorf("%s has %d bytes", e.Name(), info.Size())
		}
	}
	got := lines(t, path, ReadOptions{Tail: -1})
	if len(got) < 3*size/2/80 {
		t.Errorf("only %d records kept", len(got))
	}
	for i, l := range got {
		if want := fmt.Sprintf("line %d\n", next-len(got)+i); l != want {
			t.Fatalf("record %d is %q, want %q", i, l, want)
		}
	}
}

func TestContinues(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	write(t, path, fileOptions{}, "a\n")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(f, `{"log":"cut of`)
	f.Close()
	write(t, path, fileOptions{}, "b\n")
	var got []string
	damaged := 0
	err = readFiles(context.Background(), path, newJSON(nil), ReadOptions{Tail: -1, Skipped: func(error) { damaged++ }}, func(r Record) error {
		got = append(got, string(r.Line))
		return nil
	})
	if err != nil || fmt.Sprintf("%q %d", got, damaged) != `["a\n" "b\n"] 1` {
		t.Errorf("got %q, %d damaged, %v", got, damaged, err)
	}
}

// fullDisk mounts a small tmpfs that only the calling thread sees; thread and
// mount end with the test.
func fullDisk(t *testing.T, size string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root to mount a small tmpfs")
		}
		t.Skip("needs root to mount a small tmpfs")
	}
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

func TestFullDisk(t *testing.T) {
	dir := fullDisk(t, "64k")
	path := filepath.Join(dir, "log")
	reports := 0
	w := openAs(path, fileOptions{}, newJSON, func(err error) {
		reports++
		if !strings.Contains(err.Error(), "no space left") {
			t.Errorf("report: %v", err)
		}
	})
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 32<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	out := w.Stream("stdout")
	total := 0
	for range 100 {
		var b bytes.Buffer
		for range 10 {
			fmt.Fprintf(&b, "line %d %s\n", total, strings.Repeat("x", 50))
			total++
		}
		if n, err := out.Write(b.Bytes()); n != b.Len() || err != nil {
			t.Fatalf("write: %d, %v", n, err)
		}
	}
	if reports != 1 {
		t.Errorf("%d reports, want 1", reports)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(out, "space again\n")
	dropped := int(w.Dropped())
	if err := w.Close(); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%d records dropped", dropped)) {
		t.Errorf("close: %v", err)
	}
	// Whoever reads the log is told, also after the Writer's end.
	told := 0
	o := ReadOptions{Skipped: func(err error) {
		if told++; !errors.Is(err, ErrDropped) || !strings.Contains(err.Error(), fmt.Sprintf("%d records were dropped", dropped)) {
			t.Errorf("told %v", err)
		}
	}}
	err := Read(context.Background(), "json-file", Container{ID: "x", LogPath: path}, o, func(Record) error { return nil })
	if err != nil || told != 1 {
		t.Errorf("told %d times, %v", told, err)
	}
	got := lines(t, path, ReadOptions{Tail: -1})
	if len(got) != total-dropped+1 || got[len(got)-1] != "space again\n" {
		t.Errorf("%d records read, %d written, %d dropped, last %q", len(got), total, dropped, got[len(got)-1])
	}
	t.Logf("%d of %d dropped", dropped, total)
}

func BenchmarkWriter(b *testing.B) {
	line := strings.Repeat("a log line of the usual kind, ", 3)[:79] + "\n"
	chunk := []byte(strings.Repeat(line, 32<<10/len(line)))
	w := open(filepath.Join(b.TempDir(), "log"), fileOptions{})
	out := w.Stream("stdout")
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	for b.Loop() {
		out.Write(chunk)
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkEncode(b *testing.B) {
	line := []byte(strings.Repeat("a log line of the usual kind, ", 3)[:79] + "\n")
	suf := suffix("stdout", nil)
	stamp := []byte("2026-11-21T10:00:00.123456789Z")
	var buf []byte
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		buf = appendRecord(buf[:0], line, suf, stamp)
	}
}

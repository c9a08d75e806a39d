package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	var all []string
	for i := range 100 {
		all = append(all, fmt.Sprintf("line %d\n", i))
	}
	write(t, path, fileOptions{maxSize: 3000, maxFiles: 10}, all...)
	for _, n := range []int{-1, 0, 1, 2, 30, 37, 38, 39, 99, 100, 101, 5000} {
		want := all
		if n >= 0 {
			want = all[max(0, len(all)-n):]
		}
		got := lines(t, path, ReadOptions{Tail: n})
		if strings.Join(got, "") != strings.Join(want, "") {
			t.Errorf("tail %d: %d records, want %d", n, len(got), len(want))
		}
	}
}

// countingReader counts what is read.
type countingReader struct {
	io.ReaderAt
	n int
}

func (c *countingReader) ReadAt(p []byte, off int64) (int, error) {
	c.n += len(p)
	return c.ReaderAt.ReadAt(p, off)
}

func TestTailReadsLittle(t *testing.T) {
	big := bytes.Repeat([]byte(strings.Repeat("x", 79)+"\n"), 1<<18)
	c := &countingReader{ReaderAt: bytes.NewReader(big)}
	off, found, err := lastLines(c, int64(len(big)), 10)
	if err != nil || found != 10 || off != int64(len(big)-800) {
		t.Errorf("got %d, %d, %v", off, found, err)
	}
	if c.n > readSize {
		t.Errorf("read %d bytes", c.n)
	}
}

func TestSinceUntil(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	w := open(path, fileOptions{})
	base := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	n := 0
	w.now = func() time.Time { n++; return base.Add(time.Duration(n-1) * time.Second) }
	for i := range 10 {
		fmt.Fprintf(w.Stream("stdout"), "%d", i)
		n--
		fmt.Fprint(w.Stream("stdout"), "\n")
	}
	w.Close()
	at := func(s int) time.Time { return base.Add(time.Duration(s) * time.Second) }
	for _, c := range []struct {
		o    ReadOptions
		want string
	}{
		{ReadOptions{Tail: -1, Since: at(7)}, "789"},
		{ReadOptions{Tail: -1, Until: at(2)}, "012"},
		{ReadOptions{Tail: -1, Since: at(3), Until: at(4)}, "34"},
		{ReadOptions{Tail: 3, Since: at(8)}, "89"},
		{ReadOptions{Tail: -1, Follow: true, Until: at(1)}, "01"},
	} {
		got := strings.ReplaceAll(strings.Join(lines(t, path, c.o), ""), "\n", "")
		if got != c.want {
			t.Errorf("%+v: %s, want %s", c.o, got, c.want)
		}
	}
}

func TestDamage(t *testing.T) {
	good := func(s string) string {
		return `{"log":"` + s + `\n","stream":"stdout","time":"2026-11-21T10:00:00Z"}` + "\n"
	}
	for _, c := range []struct {
		name, content, want string
		skipped             int
	}{
		{"empty", "", "", 0},
		{"garbage between", good("a") + "garbage\n" + good("b"), "a\nb\n", 1},
		{"NULs", good("a") + strings.Repeat("\x00", 5000) + "\n" + good("b"), "a\nb\n", 1},
		{"no end", good("a") + good("b")[:20], "a\n", 1},
		{"huge line", good("a") + strings.Repeat("x", 3<<20) + "\n" + good("b"), "a\nb\n", 1},
		{"huge without end", good("a") + strings.Repeat("x", 3<<20), "a\n", 1},
		{"no time", `{"log":"a","stream":"stdout"}` + "\n" + good("b"), "b\n", 1},
		{"empty line", "\n" + good("b"), "b\n", 1},
		{"attributes", `{"log":"a\n","stream":"stdout","attrs":{"k":"v"},"time":"2026-11-21T10:00:00Z"}` + "\n", "a\n", 0},
		{"other order", `{"time":"2026-11-21T10:00:00Z","log":"a\u00e9\n"}` + "\n", "aé\n", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			var got string
			skipped := 0
			o := ReadOptions{Tail: -1, Skipped: func(err error) {
				skipped++
				if !errors.Is(err, ErrDamaged) {
					t.Error(err)
				}
			}}
			err := readFiles(context.Background(), path, newJSON(nil), o, func(r Record) error { got += string(r.Line); return nil })
			if err != nil || got != c.want || skipped != c.skipped {
				t.Errorf("got %q, %d skipped, %v", got, skipped, err)
			}
		})
	}
}

func TestNoLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if got := lines(t, path, ReadOptions{Tail: -1}); got != nil {
		t.Errorf("got %q", got)
	}
	done := make(chan struct{})
	close(done)
	if got := lines(t, path, ReadOptions{Tail: -1, Follow: true, Done: done}); got != nil {
		t.Errorf("got %q", got)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := readFiles(ctx, path, newJSON(nil), ReadOptions{Follow: true}, func(Record) error { return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestFollow reads while a writer rotates, starting before the file exists:
// every record once, in order, the last ones after Done.
func TestFollow(t *testing.T) {
	before := runtime.NumGoroutine()
	path := filepath.Join(t.TempDir(), "log")
	// Many files, so that a slow reader loses none to rotation.
	w := open(path, fileOptions{maxSize: 64 << 10, maxFiles: 900})
	const total = 100_000
	done := make(chan struct{})
	go func() {
		defer close(done)
		out := w.Stream("stdout")
		var b bytes.Buffer
		for i := range total {
			fmt.Fprintf(&b, "%d\n", i)
			if i%37 == 0 || i == total-1 {
				out.Write(b.Bytes())
				b.Reset()
			}
			if i%5000 == 0 {
				time.Sleep(5 * time.Millisecond)
			}
		}
		w.Close()
	}()
	next := 0
	o := ReadOptions{Tail: -1, Follow: true, Done: done, Skipped: func(err error) { t.Error(err) }}
	err := readFiles(context.Background(), path, newJSON(nil), o, func(r Record) error {
		if got := strings.TrimSpace(string(r.Line)); got != strconv.Itoa(next) {
			return fmt.Errorf("got %s, want %d", got, next)
		}
		next++
		return nil
	})
	if err != nil || next != total {
		t.Fatalf("%d of %d records, %v", next, total, err)
	}
	// The writer's goroutine closes done a moment before it ends.
	for range 100 {
		if runtime.NumGoroutine() <= before {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines, %d before", after, before)
	}
}

// TestFollowSmall rotates so often that a follower cannot keep up: what it
// gets is in order and without repetition, and it says that it lost some.
func TestFollowSmall(t *testing.T) {
	for _, files := range []int{1, 3} {
		path := filepath.Join(t.TempDir(), "log")
		w := open(path, fileOptions{maxSize: 2000, maxFiles: files})
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := range 20_000 {
				fmt.Fprintf(w.Stream("stdout"), "%d\n", i)
			}
			w.Close()
		}()
		last, n, lost := -1, 0, false
		o := ReadOptions{Tail: -1, Follow: true, Done: done, Skipped: func(err error) {
			lost = true
			if !errors.Is(err, ErrRotatedAway) {
				t.Error(err)
			}
		}}
		err := readFiles(context.Background(), path, newJSON(nil), o, func(r Record) error {
			i, err := strconv.Atoi(strings.TrimSpace(string(r.Line)))
			if err != nil || i <= last || (last >= 0 && i != last+1 && !lost) {
				return fmt.Errorf("%q after %d (lost: %v)", r.Line, last, lost)
			}
			last, n = i, n+1
			return nil
		})
		if err != nil || last != 19_999 {
			t.Errorf("%d files: last %d, %v", files, last, err)
		}
		t.Logf("%d files: %d of 20000 records", files, n)
	}
}

// TestFollowFast keeps up with a payload of 50 MB a second, whose files are
// rotated away in a fifth of a second: every record once, in order.
func TestFollowFast(t *testing.T) {
	both(t, func(t *testing.T, newCodec func(map[string]string) codec) {
		path := filepath.Join(t.TempDir(), "log")
		w := openAs(path, fileOptions{maxSize: 1 << 20, maxFiles: 10}, newCodec, nil)
		const size, rate, volume = 100, 50 << 20, 25 << 20
		done := make(chan struct{})
		go func() {
			defer close(done)
			begun := time.Now()
			var b bytes.Buffer
			for i := range volume / size {
				fmt.Fprintf(&b, "%0*d\n", size-1, i)
				if b.Len() < 32<<10 && i < volume/size-1 {
					continue
				}
				_, _ = w.Stream("stdout").Write(b.Bytes())
				b.Reset()
				due := time.Duration(i) * size * time.Second / rate
				time.Sleep(due - time.Since(begun))
			}
			w.Close()
		}()
		next := 0
		o := ReadOptions{Tail: -1, Follow: true, Done: done, Skipped: func(err error) { t.Error(err) }}
		err := readFiles(context.Background(), path, newCodec(nil), o, func(r Record) error {
			if i, err := strconv.Atoi(strings.TrimSpace(string(r.Line))); err != nil || i != next {
				return fmt.Errorf("got %q, want %d", r.Line, next)
			}
			next++
			return nil
		})
		if err != nil || next != volume/size {
			t.Errorf("%d of %d records, %v", next, volume/size, err)
		}
	})
}

func TestFollowStops(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	write(t, path, fileOptions{}, "a\nb\n")
	ctx, cancel := context.WithCancel(context.Background())
	n := 0
	err := readFiles(ctx, path, newJSON(nil), ReadOptions{Tail: 1, Follow: true}, func(Record) error {
		n++
		cancel()
		return nil
	})
	if n != 1 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d records, %v", n, err)
	}
	boom := errors.New("boom")
	err = readFiles(context.Background(), path, newJSON(nil), ReadOptions{Tail: -1}, func(Record) error { return boom })
	if err != boom {
		t.Errorf("got %v", err)
	}
}

func BenchmarkRead(b *testing.B) {
	path := filepath.Join(b.TempDir(), "log")
	line := strings.Repeat("a log line of the usual kind, ", 3)[:79] + "\n"
	const count = 50_000
	write(b, path, fileOptions{}, strings.Repeat(line, count))
	b.SetBytes(int64(count * len(line)))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		if err := readFiles(context.Background(), path, newJSON(nil), ReadOptions{Tail: -1}, func(Record) error { n++; return nil }); err != nil || n != count {
			b.Fatal(n, err)
		}
	}
}

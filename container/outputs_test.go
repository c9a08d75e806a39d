package container

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
)

// twoPipes are the payload's ends of two streams, and what copies them to one
// place.
func twoPipes(t *testing.T, to io.Writer) (out, errs *os.File, outputs []output) {
	t.Helper()
	for range 2 {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close(); w.Close() })
		outputs = append(outputs, output{from: r, to: to})
		if out == nil {
			out = w
		} else {
			errs = w
		}
	}
	return out, errs, outputs
}

// TestCopyInOrder has both streams become ready while the copier stands in its
// write of what was before.
func TestCopyInOrder(t *testing.T) {
	written, goOn := make(chan string), make(chan bool)
	out, errs, outputs := twoPipes(t, writerFunc(func(p []byte) (int, error) {
		written <- string(p)
		<-goOn
		return len(p), nil
	}))
	var copies sync.WaitGroup
	copyOutputs(&copies, outputs, true)
	next := func(want string) {
		t.Helper()
		if got := <-written; got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	if err := write(out, "begin"); err != nil {
		t.Fatal(err)
	}
	next("begin")
	for i := range 200 {
		a, b := out, errs
		if i%3 == 1 {
			a, b = errs, out
		}
		if err := errors.Join(write(a, "a"), write(b, "b")); err != nil {
			t.Fatal(err)
		}
		goOn <- true
		next("a")
		goOn <- true
		next("b")
	}
	out.Close()
	errs.Close()
	goOn <- true
	copies.Wait()
}

func TestCopyGoesOnWithoutAReader(t *testing.T) {
	var got bytes.Buffer
	out, errs, outputs := twoPipes(t, nil)
	outputs[0].to, outputs[1].to = brokenWriter{}, &got
	var copies sync.WaitGroup
	copyOutputs(&copies, outputs, true)
	if err := write(out, "lost"); err != nil {
		t.Fatal(err)
	}
	const size = 1 << 20
	if err := write(errs, strings.Repeat("x", size)); err != nil {
		t.Fatal(err)
	}
	out.Close()
	errs.Close()
	copies.Wait()
	if got.Len() != size {
		t.Errorf("%d bytes, want %d", got.Len(), size)
	}
}

func write(w io.Writer, s string) error {
	_, err := io.WriteString(w, s)
	return err
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

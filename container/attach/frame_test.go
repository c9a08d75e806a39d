package attach

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"
)

// TestFramesInPieces sends random frames through a reader that returns random
// pieces.
func TestFramesInPieces(t *testing.T) {
	for range 200 {
		var wire, want, got []byte
		for range rand.IntN(20) {
			p := make([]byte, rand.IntN(3*maxPayload/2))
			wire = appendFrames(wire, frameStdout, p)
			want = append(want, p...)
		}
		r := iotest.OneByteReader(bytes.NewReader(wire))
		if rand.IntN(2) == 0 {
			r = iotest.HalfReader(bytes.NewReader(wire))
		}
		if len(wire) > 1<<18 {
			r = bytes.NewReader(wire)
		}
		var buf []byte
		for {
			kind, p, grown, err := readFrame(r, buf)
			if err == io.EOF {
				break
			}
			if err != nil || kind != frameStdout {
				t.Fatal(kind, err)
			}
			buf, got = grown, append(got, p...)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, want %d", len(got), len(want))
		}
		if len(buf) > maxPayload {
			t.Fatalf("buffer of %d", len(buf))
		}
	}
}

func TestFramesSize(t *testing.T) {
	for _, n := range []int{0, 1, maxPayload - 1, maxPayload, maxPayload + 1, 3 * maxPayload} {
		if got := len(appendFrames(nil, frameStdin, make([]byte, n))); got != framesSize(n) {
			t.Errorf("%d: %d, framesSize says %d", n, got, framesSize(n))
		}
	}
}

func TestMessages(t *testing.T) {
	frame := func(b []byte) (byte, []byte) {
		kind, p, _, err := readFrame(bytes.NewReader(b), nil)
		if err != nil {
			t.Fatal(err)
		}
		return kind, p
	}
	for _, want := range []Status{{}, {ExitCode: 255}, {ExitCode: -1}, {137, 9, true}} {
		_, p := frame(exitFrame(want))
		if got, err := parseExit(p); got != want || err != nil {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	}
	size := Size{1, 2, 3, 65535}
	_, p := frame(resizeFrame(size))
	if got, err := parseResize(p); got != size || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	if flags, err := parseHello(frame(helloFrame(wantStdin | lossless))); flags != wantStdin|lossless || err != nil {
		t.Errorf("%x, %v", flags, err)
	}
	if tty, window, err := parseWelcome(frame(welcomeFrame(true))); !tty || window != stdinWindow || err != nil {
		t.Errorf("%v, %d, %v", tty, window, err)
	}
	newer := []byte{0, Version + 1, 0, 0, 9, 9}
	if _, err := parseHello(frameHello, newer); !errors.Is(err, ErrVersion) {
		t.Error(err)
	}
	if _, _, err := parseWelcome(frameWelcome, newer); !errors.Is(err, ErrVersion) {
		t.Error(err)
	}
	if _, _, err := parseWelcome(frameError, []byte("no")); err == nil || err.Error() != "no" {
		t.Error(err)
	}
	for _, short := range [][]byte{nil, {1}, make([]byte, 13)} {
		_, a := parseExit(short)
		_, b := parseResize(short)
		_, c := parseNumber(frameSignal, short)
		_, d := parseHello(frameHello, append([]byte{0, Version}, short...))
		for i, err := range []error{a, b, c, d} {
			if !errors.Is(err, ErrProtocol) {
				t.Errorf("%d bytes, parser %d: %v", len(short), i, err)
			}
		}
	}
}

// FuzzReadFrame holds that no input makes the decoder panic or take more
// memory than a frame has, and that what it accepts encodes to the same bytes.
func FuzzReadFrame(f *testing.F) {
	f.Add(helloFrame(7))
	f.Add(exitFrame(Status{137, 9, true}))
	f.Add(resizeFrame(Size{24, 80, 0, 0}))
	f.Add([]byte{1, 0, 0, 0, 255, 255, 255, 255})
	f.Add([]byte{1, 1, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, wire []byte) {
		r := bytes.NewReader(wire)
		kind, p, buf, err := readFrame(r, nil)
		if cap(buf) > 2*maxPayload {
			t.Fatalf("buffer of %d", cap(buf))
		}
		if err != nil {
			return
		}
		if again := append(appendHeader(nil, kind, len(p)), p...); !bytes.Equal(again, wire[:len(wire)-r.Len()]) {
			t.Fatalf("%x became %x", wire, again)
		}
		_, _ = parseExit(p)
		_, _ = parseResize(p)
		_, _ = parseNumber(kind, p)
		_, _ = parseHello(kind, p)
		_, _, _ = parseWelcome(kind, p)
	})
}

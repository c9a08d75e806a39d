package cli

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"
)

// drawing writes what a command shows at the moment.
type drawing func(ctx context.Context, out io.Writer) error

// live draws again and again until the context ends. On a terminal a picture
// takes the place of the one before, anywhere else it follows it.
func (s *session) live(ctx context.Context, interval time.Duration, draw drawing) error {
	ctx, stop := untilClosed(ctx, s.stdio.Out)
	defer stop()
	var resized chan os.Signal
	if isTerminal(s.stdio.Out) {
		resized = make(chan os.Signal, 1)
		signal.Notify(resized, unix.SIGWINCH)
		defer signal.Stop(resized)
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	var picture bytes.Buffer
	for fresh := true; ; {
		if fresh {
			picture.Reset()
			if err := draw(ctx, &picture); err != nil {
				return err
			}
		}
		if err := s.show(picture.Bytes(), resized != nil); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			if context.Cause(ctx) == errReaderGone {
				return nil
			}
			return ctx.Err()
		case <-ticker.C:
			fresh = true
		case <-resized:
			fresh = false
		}
	}
}

// show puts a picture out in one write, so that nobody sees half of it.
func (s *session) show(picture []byte, terminal bool) error {
	if terminal {
		height, width := 24, 80
		if ws, err := unix.IoctlGetWinsize(int(s.stdio.Out.Fd()), unix.TIOCGWINSZ); err == nil && ws.Row > 1 && ws.Col > 1 {
			height, width = int(ws.Row), int(ws.Col)
		}
		picture = frame(picture, height, width)
	}
	_, err := s.out.Write(picture)
	return err
}

// frame makes a picture one that covers the screen: from its corner on, each
// line cut to the width and cleared behind, and what is left below cleared too.
// A line that wraps, or one more than there is room for, would scroll, and the
// next picture would not cover this one. The last line of the screen stays free
// for the prompt that follows an interrupt.
func frame(picture []byte, height, width int) []byte {
	const home, clearLine, clearBelow = "\x1b[H", "\x1b[K", "\x1b[J"
	out := []byte(home)
	lines := bytes.Split(bytes.TrimSuffix(picture, []byte("\n")), []byte("\n"))
	for _, line := range lines[:min(len(lines), height-1)] {
		if runes := bytes.Runes(line); len(runes) > width {
			line = []byte(string(runes[:width]))
		}
		out = append(append(append(out, line...), clearLine...), '\n')
	}
	return append(out, clearBelow...)
}

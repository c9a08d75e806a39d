package container

import (
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"berth/container/attach"
)

// TestEarlyResize: the size that a client sends before there is a terminal is
// the terminal's, and later ones replace it.
func TestEarlyResize(t *testing.T) {
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	fd, err := unix.Dup(int(master.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	var told []attach.Size
	d := &detached{server: attach.NewServer(true), resized: func(s attach.Size) { told = append(told, s) }}
	sizes := []attach.Size{{Rows: 41, Cols: 101}, {Rows: 30, Cols: 90, X: 7, Y: 8}}
	check := func(want attach.Size) {
		t.Helper()
		ws, err := pty.GetsizeFull(tty)
		if err != nil || ws.Rows != want.Rows || ws.Cols != want.Cols || ws.X != want.X || ws.Y != want.Y {
			t.Errorf("size is %+v, %v, want %+v", ws, err, want)
		}
	}
	if err := d.Resize(sizes[0]); err != nil || len(told) > 0 {
		t.Fatal(err, told)
	}
	d.attachTerminal(fd)
	check(sizes[0])
	if err := d.Resize(sizes[1]); err != nil {
		t.Fatal(err)
	}
	check(sizes[1])
	tty.Close() // ends the copying
	d.drain()
	d.close()
	if len(told) != 2 || told[0] != sizes[0] || told[1] != sizes[1] {
		t.Errorf("told of %v", told)
	}
	if err := d.Resize(sizes[0]); err == nil {
		t.Error("a terminal that is closed has taken a size")
	}
}

package bundle

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"berth/container"
)

// openPty returns both ends of a new terminal.
func openPty(t *testing.T) (master int, slave *os.File) {
	t.Helper()
	master, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// collect reads a pipe to its end.
func collect(t *testing.T) (w *os.File, all func() string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan string, 1)
	go func() {
		data, _ := io.ReadAll(r)
		r.Close()
		done <- string(data)
	}()
	return w, func() string { w.Close(); return <-done }
}

func lflag(t *testing.T, fd int) uint32 {
	t.Helper()
	state, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag
}

// TestConsoleTerminal has a terminal on the caller's side too.
func TestConsoleTerminal(t *testing.T) {
	mine, callers := openPty(t)
	defer unix.Close(mine)
	theirs, payload := openPty(t)
	if err := unix.IoctlSetWinsize(mine, unix.TIOCSWINSZ, &unix.Winsize{Row: 33, Col: 44}); err != nil {
		t.Fatal(err)
	}
	before := lflag(t, mine)
	stdio := container.Stdio{In: callers, Out: callers, Err: callers}
	c, err := startConsole(theirs, stdio)
	if err != nil {
		t.Fatal(err)
	}
	if lflag(t, mine)&(unix.ICANON|unix.ECHO|unix.ISIG) != 0 {
		t.Error("the caller's terminal is not raw")
	}
	if size, err := unix.IoctlGetWinsize(int(payload.Fd()), unix.TIOCGWINSZ); err != nil || size.Row != 33 || size.Col != 44 {
		t.Errorf("size %+v, %v", size, err)
	}
	if err := unix.IoctlSetWinsize(mine, unix.TIOCSWINSZ, &unix.Winsize{Row: 5, Col: 6}); err != nil {
		t.Fatal(err)
	}
	c.resize(stdio)
	if size, err := unix.IoctlGetWinsize(int(payload.Fd()), unix.TIOCGWINSZ); err != nil || size.Row != 5 || size.Col != 6 {
		t.Errorf("size %+v, %v after a change", size, err)
	}
	if _, err := unix.Write(mine, []byte("keys\r")); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 100)
	if n, err := payload.Read(line); err != nil || string(line[:n]) != "keys\n" {
		t.Errorf("the payload read %q, %v", line[:n], err)
	}
	if _, err := payload.WriteString("output"); err != nil {
		t.Fatal(err)
	}
	c.finish()
	read := ""
	for !strings.HasSuffix(read, "output") {
		out := make([]byte, 100)
		n, err := unix.Read(mine, out)
		if err != nil {
			t.Fatalf("the caller read %q, then %v", read, err)
		}
		read += string(out[:n])
	}
	if after := lflag(t, mine); after != before {
		t.Errorf("the caller's terminal has modes %#x, had %#x", after, before)
	}
	if _, err := payload.WriteString("x"); err == nil {
		t.Error("the payload's terminal has not hung up")
	}
}

// TestConsoleDrains wants all output that was there when the payload ended,
// though somebody else keeps the terminal open.
func TestConsoleDrains(t *testing.T) {
	master, payload := openPty(t)
	w, output := collect(t)
	c, err := startConsole(master, container.Stdio{Out: w})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Repeat("0123456789abcde\n", 20000)
	if _, err := payload.WriteString(want); err != nil {
		t.Fatal(err)
	}
	c.finish()
	if got := strings.ReplaceAll(output(), "\r\n", "\n"); got != want {
		t.Errorf("got %d bytes, want %d", len(got), len(want))
	}
}

// TestConsoleInput types what comes from a pipe, and its end.
func TestConsoleInput(t *testing.T) {
	for _, test := range []struct {
		name, input string
		end         bool
	}{{"a line", "line\n", true}, {"nothing", "", false}, {"much", strings.Repeat("line\n", 30000), true}} {
		t.Run(test.name, func(t *testing.T) {
			master, payload := openPty(t)
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			out, output := collect(t)
			defer output()
			c, err := startConsole(master, container.Stdio{In: r, Out: out})
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				_, _ = io.WriteString(w, test.input)
				w.Close()
			}()
			var got bytes.Buffer
			ended := make(chan bool, 1)
			go func() {
				buf := make([]byte, 4096)
				for {
					n, err := unix.Read(int(payload.Fd()), buf)
					if err != nil || n == 0 {
						ended <- err == nil
						return
					}
					got.Write(buf[:n])
				}
			}()
			select {
			case ok := <-ended:
				if !test.end || !ok || got.String() != test.input {
					t.Errorf("the payload read %d bytes to an end, want %d", got.Len(), len(test.input))
				}
				c.finish()
			case <-time.After(500 * time.Millisecond):
				if test.end {
					t.Error("the payload has not met an end of input")
				}
				c.finish() // hangs up
				<-ended
			}
		})
	}
}

// TestConsoleDeaf has a payload that never reads, and wants finish to come back.
func TestConsoleDeaf(t *testing.T) {
	master, payload := openPty(t)
	raw, err := unix.IoctlGetTermios(int(payload.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	raw.Lflag &^= unix.ICANON | unix.ECHO
	if err := unix.IoctlSetTermios(int(payload.Fd()), unix.TCSETS, raw); err != nil {
		t.Fatal(err)
	}
	zero, err := os.Open("/dev/zero")
	if err != nil {
		t.Fatal(err)
	}
	defer zero.Close()
	c, err := startConsole(master, container.Stdio{In: zero})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	done := make(chan struct{})
	go func() { c.finish(); close(done) }()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatal("finish hangs")
	}
}

// TestConsoleHangUp closes the caller's output: the payload's terminal goes.
func TestConsoleHangUp(t *testing.T) {
	master, payload := openPty(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	c, err := startConsole(master, container.Stdio{Out: w})
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	failed := false
	for range 100 {
		if _, err := payload.WriteString("x\n"); err != nil {
			failed = true
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if !failed {
		t.Error("the payload can still write")
	}
	c.finish()
}

// TestConsoleReopened closes the payload's side and opens it again.
func TestConsoleReopened(t *testing.T) {
	master, payload := openPty(t)
	w, output := collect(t)
	name := payload.Name()
	c, err := startConsole(master, container.Stdio{Out: w})
	if err != nil {
		t.Fatal(err)
	}
	payload.Close()
	time.Sleep(50 * time.Millisecond)
	again, err := os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if _, err := again.WriteString("back"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	c.finish()
	if got := output(); got != "back" {
		t.Errorf("got %q", got)
	}
}

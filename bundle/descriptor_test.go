package bundle

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// receiver takes one message as containerd's and conmon's console sockets do.
type receiver struct {
	name string
	fd   int
	err  error
}

func receive(l net.Listener) receiver {
	conn, err := l.Accept()
	if err != nil {
		return receiver{err: err}
	}
	defer conn.Close()
	data, control := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
	n, m, flags, _, err := conn.(*net.UnixConn).ReadMsgUnix(data, control)
	if err != nil || n >= len(data) || m != len(control) || flags&unix.MSG_CTRUNC != 0 {
		return receiver{err: fmt.Errorf("%d bytes, %d of control: %w", n, m, err)}
	}
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil || len(messages) != 1 {
		return receiver{err: fmt.Errorf("%d control messages: %w", len(messages), err)}
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return receiver{err: fmt.Errorf("descriptors %v: %w", fds, err)}
	}
	if rest, _ := conn.Read(make([]byte, 1)); rest != 0 {
		return receiver{err: fmt.Errorf("more than one message")}
	}
	return receiver{string(data[:n]), fds[0], nil}
}

func TestSendDescriptor(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("x", 100), strings.Repeat("y", 100))
	if err := os.MkdirAll(long, 0o755); err != nil {
		t.Fatal(err)
	}
	dirs := map[string]string{"short": t.TempDir(), "long": long}
	for name, dir := range dirs {
		t.Run(name, func(t *testing.T) {
			t.Chdir(dir) // whose path need not fit into an address
			l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", "s.sock")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			got := make(chan receiver, 1)
			go func() { got <- receive(l) }()
			f, err := os.CreateTemp(t.TempDir(), "")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := sendDescriptor(filepath.Join(dir, "s.sock"), int(f.Fd()), consoleName); err != nil {
				t.Fatal(err)
			}
			r := <-got
			if r.err != nil || r.name != consoleName {
				t.Fatalf("received %+v", r)
			}
			defer unix.Close(r.fd)
			var sent, received unix.Stat_t
			if err := unix.Fstat(int(f.Fd()), &sent); err != nil {
				t.Fatal(err)
			}
			if err := unix.Fstat(r.fd, &received); err != nil || sent.Ino != received.Ino {
				t.Errorf("another file came: %v", err)
			}
		})
	}
}

func TestSendDescriptorFails(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "absent"), file, dir, "@abstract", "", filepath.Join(dir, strings.Repeat("x", 200))} {
		if err := sendDescriptor(path, 0, "x"); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: got %v, want an error that names it", path, err)
		}
	}
}

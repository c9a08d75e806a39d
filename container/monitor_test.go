package container

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// TestStartedByAnother: of two commands that start a container at once, the
// monitor of the slower one says so in place of "listening", and its command
// takes that for what it is.
func TestStartedByAnother(t *testing.T) {
	for _, c := range []struct {
		says string
		want error
	}{
		{`{"stage":"started"}`, errStarted},
		{`{"stage":"listening"}`, nil},
	} {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(pair[1])
		m := &launcher{socket: pair[0]}
		defer m.close()
		if _, err := unix.Write(pair[1], []byte(c.says)); err != nil {
			t.Fatal(err)
		}
		if err := m.expect("listening"); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.says, err, c.want)
		}
	}
}

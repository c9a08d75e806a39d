package bundle

import (
	"fmt"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// The names that runc sends with a pidfd: of a container's first process, and
// of one that joins it.
const (
	pidfdOfCreate = "standard"
	pidfdOfExec   = "setns"
)

// consoleName is what goes with a terminal's master. Receivers want at least
// one byte and less than 4096 (containerd's go-runc, conmon), and take it for
// a name to show, no more.
const consoleName = "/dev/ptmx"

// sendTimeout bounds, in seconds, what a peer can hold a command up:
// connecting to it, and sending.
const sendTimeout = 10

// sendDescriptor connects to a unix stream socket and sends it one message:
// the descriptor, as SCM_RIGHTS, with the name as its data. It closes nothing
// but the connection.
//
// With consoleName it is the protocol of --console-socket: the receiver gets
// the terminal's master. With pidfdOfCreate or pidfdOfExec it is that of
// --pidfd-socket.
func sendDescriptor(socketPath string, fd int, name string) error {
	conn, err := dialUnix(socketPath)
	if err != nil {
		return err
	}
	defer unix.Close(conn)
	return sendMessage(conn, socketPath, []byte(name), fd)
}

// maxSocketPath is what fits into a struct sockaddr_un (unix(7)), with its NUL.
const maxSocketPath = 107

// dialUnix connects to a unix stream socket. One whose path does not fit into
// an address is opened first and reached through its descriptor.
func dialUnix(path string) (int, error) {
	conn, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("make socket: %w", err)
	}
	// It holds for connecting too, while the peer's queue is full.
	if err := unix.SetsockoptTimeval(conn, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Sec: sendTimeout}); err != nil {
		unix.Close(conn)
		return -1, fmt.Errorf("set time limit of socket: %w", err)
	}
	if err := connectUnix(conn, path); err != nil {
		unix.Close(conn)
		return -1, fmt.Errorf("connect to %s: %w", path, err)
	}
	return conn, nil
}

func connectUnix(conn int, path string) error {
	address := filepath.Clean(path)
	if address[0] == '@' { // which would be an abstract name
		address = "./" + address
	}
	if len(address) > maxSocketPath {
		fd, err := unix.Open(address, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		address = "/proc/self/fd/" + strconv.Itoa(fd)
	}
	for {
		err := unix.Connect(conn, &unix.SockaddrUnix{Name: address})
		if err != unix.EINTR {
			return err
		}
	}
}

// sendMessage sends data, with a descriptor beside its first byte.
func sendMessage(conn int, path string, data []byte, fd int) error {
	rights := unix.UnixRights(fd)
	for len(data) > 0 {
		n, err := unix.SendmsgN(conn, data, rights, nil, unix.MSG_NOSIGNAL)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("send descriptor to %s: %w", path, err)
		}
		// Once only: a second copy would be a second descriptor.
		data, rights = data[n:], nil
	}
	return nil
}

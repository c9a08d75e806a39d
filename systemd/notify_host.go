package systemd

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// notifyHost speaks to the service manager.
type notifyHost struct {
	socket  int
	address *unix.SockaddrUnix
}

// hostTime bounds, in seconds, what sending to the service manager may take
// while its queue is full, and barrierTime what it may take to answer.
const (
	hostTime    = 5
	barrierTime = 5 * time.Second
)

// maxAbstract is what fits into an address (unix(7)).
const maxAbstract = 108

// newNotifyHost makes the socket to speak through. Each message has the
// address, so the manager need not be there yet, or may be restarted.
func newNotifyHost(name string) (*notifyHost, error) {
	switch {
	case !strings.HasPrefix(name, "/") && !strings.HasPrefix(name, "@"):
		return nil, fmt.Errorf("%s=%s: neither a path nor an abstract name", notifyVariable, name)
	case len(name) >= maxAbstract:
		return nil, fmt.Errorf("%s=%s: longer than an address can be", notifyVariable, name)
	}
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make socket to the service manager: %w", err)
	}
	if err := unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Sec: hostTime}); err != nil {
		unix.Close(socket)
		return nil, fmt.Errorf("set time limit of socket: %w", err)
	}
	return &notifyHost{socket: socket, address: &unix.SockaddrUnix{Name: name}}, nil
}

func (h *notifyHost) close() { unix.Close(h.socket) }

// send sends one message, with descriptors.
func (h *notifyHost) send(message string, fds []int) error {
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	for {
		err := unix.Sendmsg(h.socket, []byte(message), rights, h.address, unix.MSG_NOSIGNAL)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("notify %s: %w", h.address.Name, err)
		}
		return nil
	}
}

// barrier sends the end of a pipe that the service manager closes when it has
// taken all that was sent before (sd_notify_barrier(3)), and returns the other
// end, which is the caller's.
func (h *notifyHost) barrier() (int, error) {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return -1, fmt.Errorf("make pipe for a barrier: %w", err)
	}
	err := h.send("BARRIER=1", pipe[1:])
	unix.Close(pipe[1])
	if err != nil {
		unix.Close(pipe[0])
		return -1, err
	}
	return pipe[0], nil
}

// awaitBarrier waits until a barrier has been reached, and closes it. One that
// is not within the time is given up: the service manager is not systemd, or is
// stuck, and nothing depends on the answer but order.
func awaitBarrier(fd int, limit time.Duration) {
	defer unix.Close(fd)
	end := time.Now().Add(limit)
	for {
		wait := time.Until(end).Milliseconds()
		if wait <= 0 {
			return
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd)}}, int(wait)) // POLLHUP always counts
		if n > 0 || err != nil && err != unix.EINTR {
			return
		}
	}
}

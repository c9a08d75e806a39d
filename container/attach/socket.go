package attach

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// SocketName is the socket's name in the container's runtime folder.
const SocketName = "attach.sock"

// Listen makes the socket at path, mode 0600, in place of one that a dead
// supervisor left; ErrListening when a live one has it. The path may be longer
// than the 107 bytes that fit into a socket address. The caller removes the
// socket; closing the listener does not.
func Listen(ctx context.Context, path string) (net.Listener, error) {
	dir, short, err := shortPath(path)
	if err != nil {
		return nil, fmt.Errorf("listen %s: %w", path, err)
	}
	defer unix.Close(dir)
	lc := net.ListenConfig{Control: privateSocket}
	ln, err := lc.Listen(ctx, "unix", short)
	if errors.Is(err, unix.EADDRINUSE) {
		var d net.Dialer
		if conn, dialErr := d.DialContext(ctx, "unix", short); dialErr == nil {
			conn.Close()
			return nil, fmt.Errorf("listen %s: %w", path, ErrListening)
		}
		if err := unix.Unlinkat(dir, filepath.Base(path), 0); err != nil && err != unix.ENOENT {
			return nil, &fs.PathError{Op: "unlink", Path: path, Err: err}
		}
		ln, err = lc.Listen(ctx, "unix", short)
	}
	if err != nil {
		return nil, fmt.Errorf("listen %s: %w", path, cause(err))
	}
	// Its path leads through a descriptor that closes now and may then be
	// anything.
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	return ln, nil
}

// privateSocket sets the mode before bind(2), which gives it to the file, less
// the umask: there is no moment at which others may connect (unix_bind in
// net/unix/af_unix.c).
func privateSocket(_, _ string, c syscall.RawConn) error {
	var err error
	if ctlErr := c.Control(func(fd uintptr) { err = unix.Fchmod(int(fd), 0o600) }); ctlErr != nil {
		return ctlErr
	}
	return err
}

// dial connects to the socket at path, of any length.
func dial(ctx context.Context, path string) (net.Conn, error) {
	dir, short, err := shortPath(path)
	if err != nil {
		return nil, fmt.Errorf("connect %s: %w", path, err)
	}
	defer unix.Close(dir)
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", short)
	if err != nil {
		return nil, fmt.Errorf("connect %s: %w", path, cause(err))
	}
	return conn, nil
}

// shortPath opens the folder of path and names the file through it, because
// sun_path holds 108 bytes (unix(7)) and BERTH_RUNROOT may be deep.
func shortPath(path string) (dir int, short string, err error) {
	parent := filepath.Dir(path)
	for {
		dir, err = unix.Open(parent, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return -1, "", &fs.PathError{Op: "open", Path: parent, Err: err}
	}
	return dir, fmt.Sprintf("/proc/self/fd/%d/%s", dir, filepath.Base(path)), nil
}

// cause takes off net's own words, which name the short path.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

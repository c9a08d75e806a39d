package systemd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A payload talks to the service manager through a socket of berth's: systemd
// believes a message by its sender's cgroup, and a payload that has left the
// unit's for one of its own is nobody to it. The socket is
//
//	host       DIR/notify.sock
//	container  /run/notify/notify.sock, by a read-only bind mount of DIR,
//
// where runc has it too. What comes out of it is a stranger's: see
// filterNotify for what goes on.
const (
	notifyFolder = "/run/notify"
	notifyName   = "notify.sock"
)

// notifyVariable is the environment variable with the socket's path
// (sd_notify(3)).
const notifyVariable = "NOTIFY_SOCKET"

// AddNotify changes a container's configuration so that its payload finds the
// socket of [ListenNotify] for the same folder: it adds a mount and sets
// NOTIFY_SOCKET. The folder must exist by the time that the container is made;
// [MakeNotifyFolder] makes it.
func AddNotify(spec *specs.Spec, dir string) {
	spec.Mounts = append(spec.Mounts, specs.Mount{
		Destination: notifyFolder, Type: "bind", Source: dir,
		Options: []string{"bind", "nosuid", "noexec", "nodev", "ro"},
	})
	if spec.Process == nil {
		return
	}
	env := slices.DeleteFunc(slices.Clone(spec.Process.Env), func(v string) bool {
		return strings.HasPrefix(v, notifyVariable+"=")
	})
	spec.Process.Env = append(env, notifyVariable+"="+path.Join(notifyFolder, notifyName))
}

// MakeNotifyFolder makes the folder for the socket. Any user of the container
// may pass through it, whatever this process's umask.
func MakeNotifyFolder(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("make folder of notify socket: %w", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return fmt.Errorf("open folder of notify socket to all users: %w", err)
	}
	return nil
}

// NotifyOptions are what [ListenNotify] needs beside the folder.
type NotifyOptions struct {
	// Host is this process's own NOTIFY_SOCKET: a path, or "@" and an abstract
	// name.
	Host string
	// Store lets the payload keep descriptors in the service manager's store
	// (FDSTORE, FDSTOREREMOVE, FDNAME, FDPOLL). They survive the container, so
	// this is for payloads that are trusted with it.
	Store bool
	// Warn takes what is wrong but ends nothing; nil drops it.
	Warn func(format string, args ...any)
}

// Notify relays what a payload tells the service manager. Use either Serve, as
// long as the payload runs, or WaitReady; then Close.
type Notify struct {
	o      NotifyOptions
	dir    string
	socket int
	host   *notifyHost
	// wakeRead becomes readable when Close is called.
	wakeRead, wakeWrite int
	mainPID             int
	warned              map[string]bool
	work                sync.WaitGroup
	serving             bool
}

// ListenNotify makes the socket in a folder that MakeNotifyFolder has made. A
// socket that an earlier call left there is replaced.
func ListenNotify(dir string, o NotifyOptions) (*Notify, error) {
	if o.Warn == nil {
		o.Warn = func(string, ...any) {}
	}
	host, err := newNotifyHost(o.Host)
	if err != nil {
		return nil, err
	}
	n := &Notify{o: o, dir: dir, socket: -1, host: host, wakeRead: -1, wakeWrite: -1, warned: map[string]bool{}}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		n.closeFiles()
		return nil, fmt.Errorf("make pipe for notify socket: %w", err)
	}
	n.wakeRead, n.wakeWrite = pipe[0], pipe[1]
	if n.socket, err = bindNotify(dir); err != nil {
		n.closeFiles()
		return nil, fmt.Errorf("make notify socket %s: %w", filepath.Join(dir, notifyName), err)
	}
	return n, nil
}

// bindNotify makes the socket. Its folder is reached through a descriptor,
// because an address holds 107 bytes only.
func bindNotify(dir string) (int, error) {
	folder, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(folder)
	if err := unix.Unlinkat(folder, notifyName, 0); err != nil && err != unix.ENOENT {
		return -1, err
	}
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	address := &unix.SockaddrUnix{Name: "/proc/self/fd/" + strconv.Itoa(folder) + "/" + notifyName}
	if err := unix.Bind(socket, address); err != nil {
		unix.Close(socket)
		return -1, err
	}
	// Whoever the payload runs as, writing is what connecting takes.
	if err := unix.Fchmodat(folder, notifyName, 0o777, 0); err != nil {
		unix.Close(socket)
		return -1, err
	}
	return socket, nil
}

// Serve relays in the background until Close. mainPID is the process that the
// service manager shall take for the service's, told with READY=1: the
// supervisor in the foreground of a unit.
func (n *Notify) Serve(mainPID int) {
	n.mainPID, n.serving = mainPID, true
	n.work.Go(func() {
		if n.relay(-1, false) {
			n.settle()
		}
	})
}

// WaitReady relays until the payload is ready and the service manager has
// taken note, or until the process of the pidfd has ended; neither is an error.
// It is for a command that returns while the payload goes on, so mainPID is the
// payload's pid as this process sees it.
func (n *Notify) WaitReady(ctx context.Context, mainPID, pidfd int) error {
	n.mainPID = mainPID
	stop := context.AfterFunc(ctx, n.wake)
	sent := n.relay(pidfd, true)
	stop()
	if err := ctx.Err(); err != nil {
		return err
	}
	if sent {
		n.settle()
	}
	return nil
}

// wake ends a relay that waits.
func (n *Notify) wake() { _, _ = unix.Write(n.wakeWrite, []byte{0}) }

// closeTime bounds what Close waits for, all in all: a peer that hangs must not
// keep a container's end from being recorded.
const closeTime = 3 * time.Second

// Close relays what has arrived, waits a moment for the service manager to
// take it, and removes the socket.
func (n *Notify) Close() {
	if n.serving {
		n.wake()
		done := make(chan struct{})
		go func() { n.work.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(closeTime):
			// The descriptors stay with the goroutine that hangs.
			n.removeSocket()
			return
		}
	}
	n.removeSocket()
	n.closeFiles()
}

func (n *Notify) removeSocket() {
	// It goes with its folder at the latest.
	_ = os.Remove(filepath.Join(n.dir, notifyName))
}

func (n *Notify) closeFiles() {
	for _, fd := range []int{n.socket, n.wakeRead, n.wakeWrite} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	n.host.close()
}

// warn tells each kind of trouble once: the payload decides how often it comes.
func (n *Notify) warn(format string, args ...any) {
	if !n.warned[format] {
		n.warned[format] = true
		n.o.Warn(format, args...)
	}
}

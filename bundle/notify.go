package bundle

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/state"
	"berth/systemd"
)

// notifier is the socket that a container's payload tells the service manager
// through, when whoever called this command has one (NOTIFY_SOCKET). The nil
// notifier stands for none, and does nothing.
//
// What each command does:
//
//	create, run   host := planNotify(getenv, spec, dir), before the plan is compiled;
//	              rec.Notify = host; makeNotifyFolder(host, dir), once dir exists,
//	              before the plan runs
//	run           n, err := listenNotify(host, dir, warn), before the plan runs;
//	              n.serve(os.Getpid()) in the foreground, n.close() behind the
//	              payload's end and before dir is removed; detached: as start
//	start         n, err := listenNotify(getenv(notifyVariable) if rec.Notify is set,
//	              dir, warn), before the gate is opened; then, when it is open and
//	              no lock is held any more, n.wait(ctx, rec.Payload) and n.close()
type notifier struct{ *systemd.Notify }

const notifyVariable = "NOTIFY_SOCKET"

// notifyFolder is the folder of the socket, in the container's own.
func notifyFolder(dir string) string { return filepath.Join(dir, "notify") }

// planNotify gives the payload a notify socket when this process has one, and
// returns this process's. dir is the container's folder.
func planNotify(getenv func(string) string, spec *specs.Spec, dir string) (host string) {
	if host = getenv(notifyVariable); host != "" {
		systemd.AddNotify(spec, notifyFolder(dir))
	}
	return host
}

// makeNotifyFolder makes the source of planNotify's mount.
func makeNotifyFolder(host, dir string) error {
	if host == "" {
		return nil
	}
	return systemd.MakeNotifyFolder(notifyFolder(dir))
}

// listenNotify makes the socket; nil when host is empty.
func listenNotify(host, dir string, warn func(format string, args ...any)) (*notifier, error) {
	if host == "" {
		return nil, nil
	}
	n, err := systemd.ListenNotify(notifyFolder(dir), systemd.NotifyOptions{Host: host, Warn: warn})
	if err != nil {
		return nil, err
	}
	return &notifier{n}, nil
}

// serve relays in the background. The service manager is told that mainPID,
// the supervisor, is the service's main process.
func (n *notifier) serve(mainPID int) {
	if n != nil {
		n.Serve(mainPID)
	}
}

// wait relays until the payload is ready, or has ended. The service manager is
// told that the payload is the service's main process. It can take as long as
// the payload likes, so hold no lock.
func (n *notifier) wait(ctx context.Context, payload state.Process) error {
	if n == nil {
		return nil
	}
	fd, err := payload.Pidfd()
	if errors.Is(err, state.ErrProcessGone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return n.WaitReady(ctx, payload.PID, fd)
}

// close relays what is left and removes the socket.
func (n *notifier) close() {
	if n != nil {
		n.Close()
	}
}

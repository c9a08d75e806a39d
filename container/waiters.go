package container

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"berth/state"
)

// tellWaiters writes the end into the live record in place. A command that
// waits holds the file open and reads it once the supervisor is gone: the
// file's name may be gone by then too.
func (e *Engine) tellWaiters(id string, live *Live) error {
	data, err := json.Marshal(live)
	if err != nil {
		return fmt.Errorf("encode state of %s: %w", id, err)
	}
	fd, err := unix.Open(e.livePath(id), unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return &os.PathError{Op: "open", Path: e.livePath(id), Err: err}
	}
	defer unix.Close(fd)
	// Mostly the new text is the longer one. It is not when a disk without room
	// has kept the record of an earlier run, of which nothing may stay: blanks
	// cover it, in the same call, as a cut after it could come too late.
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &os.PathError{Op: "fstat", Path: e.livePath(id), Err: err}
	}
	if rest := st.Size - int64(len(data)) - 1; rest > 0 {
		data = append(data, bytes.Repeat([]byte(" "), int(rest))...)
	}
	if _, err := unix.Pwrite(fd, append(data, '\n'), 0); err != nil {
		return &os.PathError{Op: "write", Path: e.livePath(id), Err: err}
	}
	return nil
}

// readLive reads a live record that is open; nil when it is no record at this
// moment.
func readLive(f *os.File) *Live {
	var live Live
	if err := json.NewDecoder(io.NewSectionReader(f, 0, state.MaxRecord)).Decode(&live); err != nil {
		return nil
	}
	return &live
}

// lastWord reads the end of a run from a live record.
func lastWord(f *os.File) *Exit {
	if live := readLive(f); live != nil {
		return live.Exit
	}
	return nil
}

// waitSupervisor waits until a container's supervisor is gone: then every
// record is written.
func waitSupervisor(ctx context.Context, live *Live) error {
	fd, err := live.Supervisor.Pidfd()
	if errors.Is(err, state.ErrProcessGone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return waitPidfd(ctx, fd)
}

// pollStep bounds how long a wait goes on after its context has ended.
const pollStep = 100 * time.Millisecond

// waitPidfd waits for a process's end.
func waitPidfd(ctx context.Context, fd int) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		step := pollStep
		if deadline, ok := ctx.Deadline(); ok {
			step = min(step, time.Until(deadline))
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, max(1, int(step.Milliseconds())))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("poll pidfd: %w", err)
		}
		if n > 0 {
			return nil
		}
	}
}

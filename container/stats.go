package container

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"berth/cgroup"
)

// Stats are what a container has used since it was started, all zero for one
// that does not run.
type Stats struct {
	cgroup.Stats
	// Received and Sent are the bytes of all its network devices but the
	// loopback's; zero for a container in the host's network.
	Received, Sent uint64
}

// Stats reads the counters of a container that [Engine.Get] or [Engine.List]
// returned. A container that has ended meanwhile has used nothing.
func (e *Engine) Stats(ctx context.Context, v *View) (Stats, error) {
	var s Stats
	if v.Live == nil || v.Live.Payload.PID == 0 {
		return s, nil
	}
	m, err := groups(v.Live.Cgroups)
	if errors.Is(err, cgroup.ErrNoCgroup) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("read statistics of container %s: %w", v.ID, err)
	}
	if s.Stats, err = m.Stats(ctx); err != nil {
		return s, fmt.Errorf("read statistics of container %s: %w", v.ID, err)
	}
	if s.Memory.Limit, err = memoryLimit(s.Memory.Limit); err != nil {
		return s, err
	}
	err = s.readNetwork(v.Live.Payload.PID)
	if !v.Live.Payload.Alive() {
		// The pid may have been another process's by then.
		s.Received, s.Sent, err = 0, 0, nil
	}
	return s, err
}

// memoryLimit is the limit that holds: a group without one, or with more than
// there is, has the machine's memory.
func memoryLimit(limit uint64) (uint64, error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0, fmt.Errorf("read the memory's size: %w", err)
	}
	total := info.Totalram * uint64(info.Unit)
	if limit == 0 || limit > total {
		return total, nil
	}
	return limit, nil
}

// readNetwork adds up the devices of a process's network namespace.
func (s *Stats) readNetwork(pid int) error {
	proc := "/proc/" + strconv.Itoa(pid)
	theirs, err := os.Readlink(proc + "/ns/net")
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it has just ended
	}
	if err != nil {
		return err
	}
	if ours, err := os.Readlink("/proc/self/ns/net"); err != nil || ours == theirs {
		return err
	}
	f, err := os.Open(proc + "/net/dev")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EINVAL) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	s.Received, s.Sent, err = parseNetDev(f)
	if errors.Is(err, unix.EINVAL) { // what a process that has ended says
		return nil
	}
	return err
}

// parseNetDev adds up /proc/net/dev: a line per device, after two of headings,
// of which the first number is bytes received and the ninth bytes sent
// (proc_pid_net(5)).
func parseNetDev(r io.Reader) (received, sent uint64, err error) {
	scanner := bufio.NewScanner(r)
	for scanner.Scan() {
		name, rest, isDevice := strings.Cut(scanner.Text(), ":")
		fields := strings.Fields(rest)
		if !isDevice || strings.TrimSpace(name) == "lo" || len(fields) < 16 {
			continue
		}
		in, inErr := strconv.ParseUint(fields[0], 10, 64)
		out, outErr := strconv.ParseUint(fields[8], 10, 64)
		if err := errors.Join(inErr, outErr); err != nil {
			return received, sent, fmt.Errorf("read /proc/net/dev: %w", err)
		}
		received, sent = received+in, sent+out
	}
	return received, sent, scanner.Err()
}

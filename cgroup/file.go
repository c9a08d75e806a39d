package cgroup

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// maxFile bounds what is read from one kernel file: cgroup.procs of a group
// with millions of processes is the longest.
const maxFile = 64 << 20

// readFile reads a kernel file whole. It avoids os.ReadFile, which registers
// every file with the network poller; that doubles the cost of small reads.
func readFile(file string) (string, error) {
	fd, err := openFile(unix.AT_FDCWD, file, unix.O_RDONLY)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	var small [4096]byte
	buf := small[:0]
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := unix.Read(fd, buf[len(buf):cap(buf)])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return "", fmt.Errorf("read %s: %w", file, err)
		case n == 0:
			return string(buf), nil
		}
		if buf = buf[:len(buf)+n]; len(buf) > maxFile {
			return "", fmt.Errorf("read %s: more than %d bytes: %w", file, maxFile, unix.EFBIG)
		}
	}
}

// writeFile writes a value with one write(2): control files take no parts.
func writeFile(file, value string) error {
	return writeAt(unix.AT_FDCWD, file, value)
}

// writeAt is writeFile relative to a directory.
func writeAt(dir int, file, value string) error {
	fd, err := openFile(dir, file, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for {
		_, err := unix.Write(fd, []byte(value))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("write %s to %s: %w", strings.TrimSuffix(value, "\n"), file, err)
		}
		return nil
	}
}

// openFile opens a kernel file, close-on-exec.
func openFile(dir int, file string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(dir, file, flags|unix.O_CLOEXEC, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return -1, fmt.Errorf("open %s: %w", file, err)
		}
		return fd, nil
	}
}

// exists tells whether a file is there.
func exists(file string) bool { return unix.Access(file, unix.F_OK) == nil }

package container

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// FilesEnv tells a monitor how many descriptors, behind its own, its payload
// gets: those of [Engine.Files].
const FilesEnv = "_BERTH_FILES"

// lentFd is the first descriptor that a monitor is lent.
const lentFd = monitorFd + 1

// LentFiles lists what a monitor was lent, by the value of [FilesEnv]. Programs
// that the monitor starts do not get it.
func LentFiles(count string) []int {
	n, err := strconv.Atoi(count)
	if err != nil {
		return nil // nobody lent anything
	}
	var files []int
	for fd := lentFd; fd < lentFd+n; fd++ {
		unix.CloseOnExec(fd)
		files = append(files, fd)
	}
	return files
}

// lend returns what a monitor is started with for the payload's sake.
func (e *Engine) lend() (env []string, files []uintptr) {
	if len(e.Files) == 0 {
		return nil, nil
	}
	for _, fd := range e.Files {
		files = append(files, uintptr(fd))
	}
	return []string{FilesEnv + "=" + strconv.Itoa(len(files))}, files
}

// giveBack closes what a monitor was lent once its payload has it: else whoever
// reads the other end of a pipe would never see its end.
func (e *Engine) giveBack() {
	for _, fd := range e.Files {
		unix.Close(fd)
	}
	e.Files = nil
}

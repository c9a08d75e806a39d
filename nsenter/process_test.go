package nsenter

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// waitFor waits until something is so.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still waiting for: %s", what)
		}
	}
}

// inCall reports whether a process sleeps in a system call.
func inCall(pid int, call uintptr) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", pid))
	return err == nil && strings.HasPrefix(string(text), strconv.Itoa(int(call))+" ")
}

// statOf returns the state and the parent of a process, or "" when it is gone.
func statOf(pid int) (state string, parent int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0
	}
	// The name, in brackets, may hold anything.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	parent, _ = strconv.Atoi(fields[1])
	return fields[0], parent
}

// childrenOf lists the children of a process, zombies too.
func childrenOf(pid int) []int {
	var list []int
	names, _ := filepath.Glob("/proc/[0-9]*")
	for _, name := range names {
		child, _ := strconv.Atoi(filepath.Base(name))
		if _, parent := statOf(child); parent == pid && child != 0 {
			list = append(list, child)
		}
	}
	return list
}

// noChildren fails a test when this process still has children, and ends them.
func noChildren(t testing.TB) {
	t.Helper()
	for _, pid := range childrenOf(os.Getpid()) {
		name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		state, _ := statOf(pid)
		t.Errorf("child %d is left: %s, state %s", pid, strings.TrimSpace(string(name)), state)
		_ = unix.Kill(pid, unix.SIGKILL)
		_, _ = unix.Wait4(pid, nil, 0, nil)
	}
}

// openFiles lists the descriptors of a process with what they refer to.
func openFiles(t testing.TB, pid int) map[string]string {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		files[e.Name()], _ = os.Readlink(filepath.Join(dir, e.Name()))
	}
	return files
}

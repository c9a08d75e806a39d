package state

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"berth/tests/ledger"
)

// roleVar makes the test binary play a second process in a test.
const roleVar = "BERTH_STATE_TEST_ROLE"

func TestMain(m *testing.M) {
	switch role, arg, _ := strings.Cut(os.Getenv(roleVar), "="); role {
	case "":
		os.Exit(ledger.Main(m))
	case "hold":
		playHold(arg)
	case "claim":
		playClaim(arg)
	case "write":
		playWrite(arg)
	case "leaderless":
		playLeaderless()
	}
}

// play starts this test binary in a role. lines reads what it prints; it ends
// when stdin is closed or with the test.
func play(t *testing.T, role string) (cmd *exec.Cmd, stdin io.WriteCloser, lines *bufio.Scanner) {
	t.Helper()
	cmd = exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVar+"="+role)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	must(t, err)
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd, stdin, bufio.NewScanner(stdout)
}

// waitLine returns the next line that a played process prints.
func waitLine(t *testing.T, lines *bufio.Scanner) string {
	t.Helper()
	if !lines.Scan() {
		t.Fatalf("played process ended: %v", lines.Err())
	}
	return lines.Text()
}

// awaitEnd blocks a played process until its stdin is closed.
func awaitEnd() { _, _ = io.Copy(io.Discard, os.Stdin) }

func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// needRoot skips unless the test runs as root; CI must not skip.
func needRoot(t *testing.T, why string) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("needs root " + why)
	}
	t.Skip("needs root " + why)
}

// mountTmpfs mounts a tmpfs of the given size at dir until the test ends.
func mountTmpfs(t *testing.T, dir, size string) {
	t.Helper()
	must(t, os.MkdirAll(dir, 0o700))
	must(t, unix.Mount("berth-test", dir, "tmpfs", 0, "size="+size))
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
}

func newDirs(t testing.TB) Dirs {
	t.Helper()
	tmp := t.TempDir()
	d := Dirs{Root: filepath.Join(tmp, "root"), Run: filepath.Join(tmp, "run")}
	must(t, d.Ensure())
	return d
}

func newID(t testing.TB) string {
	t.Helper()
	id, err := NewID()
	must(t, err)
	return id
}

// deadProcess names a process that has ended and been waited for.
func deadProcess(t testing.TB) Process {
	t.Helper()
	cmd := exec.Command("/bin/sleep", "60")
	must(t, cmd.Start())
	p, err := ProcessOf(cmd.Process.Pid)
	must(t, err)
	must(t, cmd.Process.Kill())
	_ = cmd.Wait()
	return p
}

func self(t testing.TB) Process {
	t.Helper()
	p, err := Self()
	must(t, err)
	return p
}

func mode(t testing.TB, path string) os.FileMode {
	t.Helper()
	fi, err := os.Lstat(path)
	must(t, err)
	return fi.Mode().Perm()
}

func entries(t testing.TB, dir string) []string {
	t.Helper()
	names, err := readNames(dir)
	must(t, err)
	return names
}

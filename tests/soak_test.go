package tests

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"berth/tests/fixture"
	"berth/tests/ledger"
)

// count is how often a soak test repeats: in full under make test-soak, a
// fraction of it otherwise, because the short form runs with every change.
func count(full int) int {
	switch {
	case os.Getenv("BERTH_SOAK") != "":
		return full
	case testing.Short():
		return max(full/200, 3)
	}
	return max(full/50, 5)
}

// soak starts a ledger that includes one run: the image is then in the store.
func soak(t *testing.T) *ledger.Ledger {
	t.Helper()
	fixture.NeedRoot(t)
	root, run := fixture.Roots(t)
	berth := fixture.Berth(t)
	l := ledger.Take(t, root, run)
	if out, err := exec.Command(berth, "run", "--rm", "--network", "none", "box", "true").CombinedOutput(); err != nil {
		t.Fatalf("first run: %v\n%s", err, out)
	}
	l.Check(t, settle)
	return l
}

func boxRun(t *testing.T, args ...string) *exec.Cmd {
	return exec.Command(fixture.Berth(t), append([]string{"run", "--rm", "--network", "none", "box"}, args...)...)
}

func TestSoakSequential(t *testing.T) {
	l := soak(t)
	for i := range count(1000) {
		if out, err := boxRun(t, "true").CombinedOutput(); err != nil {
			t.Fatalf("run %d: %v\n%s", i, err, out)
		}
	}
	l.Check(t, settle)
}

func TestSoakParallel(t *testing.T) {
	l := soak(t)
	var wg sync.WaitGroup
	for i := range count(200) {
		run := boxRun(t, "true")
		wg.Go(func() {
			if out, err := run.CombinedOutput(); err != nil {
				t.Errorf("run %d: %v\n%s", i, err, out)
			}
		})
	}
	wg.Wait()
	l.Check(t, settle)
}

// TestSoakExitCodes: a late or lost SIGCHLD shows as a wrong code once in
// thousands of very short processes.
func TestSoakExitCodes(t *testing.T) {
	l := soak(t)
	var next atomic.Int64
	runs := int64(count(10000))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := next.Add(1); i <= runs && !t.Failed(); i = next.Add(1) {
				want := int(i % 256)
				if got := exitCode(boxRun(t, "sh", "-c", "exit "+strconv.Itoa(want)).Run()); got != want {
					t.Errorf("run %d exited with %d, want %d", i, got, want)
				}
			}
		})
	}
	wg.Wait()
	l.Check(t, settle)
}

func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}

// TestSoakOutput reads a mebibyte, one byte less and one more, slower than it is
// written: the tail must not be lost when the writer has ended.
func TestSoakOutput(t *testing.T) {
	leaveToHost(t)
	l := soak(t)
	for _, size := range []int{1<<20 - 1, 1 << 20, 1<<20 + 1} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			run := boxRun(t, "sh", "-c", fmt.Sprintf("head -c %d /dev/zero; exit 3", size))
			out, err := run.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := run.Start(); err != nil {
				t.Fatal(err)
			}
			n, err := io.Copy(&slowWriter{}, out)
			if err != nil || n != int64(size) {
				t.Errorf("read %d bytes, %v; want %d", n, err, size)
			}
			if code := exitCode(run.Wait()); code != 3 {
				t.Errorf("exit code %d, want 3", code)
			}
		})
	}
	l.Check(t, settle)
}

// slowWriter takes every piece, but not at once.
type slowWriter struct{ bytes.Buffer }

func (w *slowWriter) Write(p []byte) (int, error) {
	time.Sleep(5 * time.Millisecond)
	return w.Buffer.Write(p)
}

// ReadFrom hides the buffer's own, which would read without waiting.
func (w *slowWriter) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{w}, r)
}

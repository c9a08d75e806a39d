package tests

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// slowly reads a command's output, slower than it is made, and returns its
// length.
func slowly(t *testing.T, cmd *exec.Cmd) (int64, result) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(&slowWriter{}, out)
	if err != nil {
		t.Error(err)
	}
	return n, result{errs: errs.String(), code: exitCode(cmd.Wait())}
}

// TestSoakWholeOutput: the tail is not lost on any way that output takes.
func TestSoakWholeOutput(t *testing.T) {
	leaveToHost(t)
	s := newStage(t)
	sizes := []int{1<<20 - 1, 1 << 20, 1<<20 + 1}
	if os.Getenv("BERTH_SOAK") != "" {
		sizes = append(sizes, 1<<24-1, 1<<24+1)
	}
	for _, size := range sizes {
		// Lines, as a log has them, and no newline at the end.
		script := fmt.Sprintf("yes 0123456789abcdef | head -c %d; exit 3", size)
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			s.must("create", "--name", "attached", "box", "sh", "-c", script)
			if n, r := slowly(t, s.command("start", "-a", "attached")); n != int64(size) || r.code != 3 {
				t.Errorf("start -a: %d bytes, exit code %d %s", n, r.code, r.errs)
			}
			if n, r := slowly(t, s.command("logs", "attached")); n != int64(size) || r.code != 0 {
				t.Errorf("logs after start -a: %d bytes, exit code %d %s", n, r.code, r.errs)
			}
			s.must("rm", "attached")
			s.must("run", "-d", "--name", "detached", "box", "sh", "-c", script)
			if n, r := slowly(t, s.command("logs", "-f", "detached")); n != int64(size) || r.code != 0 {
				t.Errorf("logs -f: %d bytes, exit code %d %s", n, r.code, r.errs)
			}
			if code := s.must("wait", "detached"); code != "3" {
				t.Errorf("wait says %s", code)
			}
			s.must("rm", "detached")
			// The payload waits for a line, so that nothing is printed before
			// somebody is attached.
			s.must("run", "-d", "-i", "--name", "awaits", "box", "sh", "-c", "read line; "+script)
			attach := s.command("attach", "awaits")
			attach.Stdin = strings.NewReader("go\n")
			if n, r := slowly(t, attach); n != int64(size) || r.code != 3 {
				t.Errorf("attach: %d bytes, exit code %d %s", n, r.code, r.errs)
			}
			s.must("rm", "awaits")
			s.must("run", "-d", "--rm", "--name", "host", "box", "sleep", "1000")
			if n, r := slowly(t, s.command("exec", "host", "sh", "-c", script)); n != int64(size) || r.code != 3 {
				t.Errorf("exec: %d bytes, exit code %d %s", n, r.code, r.errs)
			}
			s.must("rm", "-f", "host")
		})
	}
	s.clean()
}

// TestSoakStdin: input that ends at once, that is not read, that never ends,
// and output that nobody reads.
func TestSoakStdin(t *testing.T) {
	leaveToHost(t)
	s := newStage(t)
	s.must("run", "-d", "--rm", "--name", "host", "box", "sleep", "1000")
	endless := func() io.ReadCloser { return io.NopCloser(yes{}) }
	for _, x := range []struct {
		name, script, want string
		input              func() io.ReadCloser
		code               int
	}{
		{"empty", "cat; exit 3", "", func() io.ReadCloser { f, _ := os.Open("/dev/null"); return f }, 3},
		{"a line", "cat; exit 3", "x\n", func() io.ReadCloser { return io.NopCloser(strings.NewReader("x\n")) }, 3},
		{"not read", "exit 4", "", func() io.ReadCloser { return io.NopCloser(strings.NewReader(strings.Repeat("x", 1<<20))) }, 4},
		{"endless", "head -n 1; exit 5", "y\n", endless, 5},
		{"endless and not read", "exit 6", "", endless, 6},
	} {
		t.Run(x.name, func(t *testing.T) {
			for _, how := range []string{"run --rm -i box", "exec -i host"} {
				for range count(200) {
					cmd := s.command(words(how, "sh -c", []string{x.script})...)
					if r := fed(t, cmd, x.input()); r.code != x.code || r.out != x.want {
						t.Fatalf("%s: exit code %d, output %q %s", how, r.code, r.out, r.errs)
					}
				}
			}
		})
	}
	t.Run("nobody reads", func(t *testing.T) {
		for _, how := range []string{"run --rm box", "exec host"} {
			cmd := s.command(words(how, "yes")...)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			if _, err := io.ReadFull(out, make([]byte, 2)); err != nil {
				t.Error(err)
			}
			out.Close()
			if err := cmd.Wait(); err == nil || time.Since(begun) > deadline()/2 {
				t.Errorf("%s: %v after %s", how, err, time.Since(begun))
			}
		}
	})
	s.must("rm", "-f", "host")
	s.clean()
}

// yes is input without end.
type yes struct{}

func (yes) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = "y\n"[i%2]
	}
	return len(p) &^ 1, nil
}

// fed runs a command with input through a pipe of which it has the only end:
// who feeds it notices when nobody reads any more.
func fed(t *testing.T, cmd *exec.Cmd, input io.ReadCloser) result {
	t.Helper()
	defer input.Close()
	if f, ok := input.(*os.File); ok {
		cmd.Stdin = f
		return finish(t, cmd)
	}
	w, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = io.Copy(w, input)
		w.Close()
	}()
	return finish(t, cmd)
}

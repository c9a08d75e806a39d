package tests

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"berth/tests/fixture"
)

// TestDebianRoundTrip: a whole distribution that is imported, exported, imported
// and exported again stays what it was, by GNU tar's judgement.
func TestDebianRoundTrip(t *testing.T) {
	leaveToHost(t)
	tree, tar := t.TempDir(), fixture.NeedTool(t, "tar")
	debian := fixture.Debian(t, "bookworm")
	s := newStage(t)
	unpack := exec.Command(tar, "-xpf", debian, "-C", tree, "--xattrs", "--xattrs-include=*", "--same-owner", "--numeric-owner")
	if out, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	archives := make([]string, 2)
	from := debian
	for i, name := range []string{"first", "second"} {
		archives[i] = filepath.Join(t.TempDir(), "tar")
		s.must("import", from, name)
		s.must("create", "--name", name, name, "true")
		s.must("export", "-o", archives[i], name)
		from = archives[i]
	}
	compare := exec.Command(tar, "--compare", "-f", archives[0], "-C", tree, "--xattrs", "--xattrs-include=*", "--numeric-owner")
	if out, err := compare.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("the export differs from the original: %v\n%.2000s", err, out)
	}
	same := exec.Command("cmp", archives[0], archives[1])
	if out, err := same.CombinedOutput(); err != nil {
		t.Errorf("an export of the import of an export differs: %v\n%s", err, out)
	}
	if got := s.must("run", "--rm", "second", "dpkg", "--verify"); got != "" {
		// What the fixture leaves out to be small is missing.
		for line := range strings.Lines(got) {
			if !strings.HasPrefix(line, "missing") {
				t.Errorf("dpkg --verify: %s", line)
			}
		}
	}
	s.must("rm", "first", "second")
	s.clean()
}

// TestCopyWhileFoldersAreSwapped: somebody in the container exchanges a folder
// with a link that leads out of it, all the time. Copies may fail, but none
// reads or writes outside.
func TestCopyWhileFoldersAreSwapped(t *testing.T) {
	leaveToHost(t)
	s := newStage(t)
	outside := t.TempDir()
	canary := filepath.Join(outside, "f")
	if err := os.WriteFile(canary, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	id := s.must("run", "-d", "--name", "swap", "box", "sh", "-c",
		"mkdir -p /d/in && echo inside >/d/in/f && ln -s "+outside+" /d/link && touch /ready && sleep 1000")
	s.until("the folders", func() bool { return s.do("exec", id, "test", "-e", "/ready").code == 0 })
	root := "/proc/" + s.must("inspect", "-f", "{{.State.Pid}}", id) + "/root/d"
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan bool), make(chan error)
	go func() {
		var err error
		for err == nil {
			select {
			case <-stop:
				stopped <- errors.Join(err, unix.Close(dir))
				return
			default:
				err = unix.Renameat2(dir, "in", dir, "link", unix.RENAME_EXCHANGE)
			}
		}
		<-stop
		stopped <- err
	}()
	good, mine := 0, filepath.Join(t.TempDir(), "mine")
	if err := os.WriteFile(mine, []byte("copied"), 0o600); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(3 * time.Second); time.Now().Before(deadline); {
		out := filepath.Join(t.TempDir(), "out")
		for _, args := range [][]string{{"swap:/d/in/f", out}, {"swap:/d", out}, {mine, "swap:/d/in/f"}, {mine, "swap:/d/in/"}, {"-L", "swap:/d/in/.", out}} {
			if s.do(append([]string{"cp"}, args...)...).code == 0 {
				good++
			}
			_ = filepath.WalkDir(out, func(p string, d os.DirEntry, err error) error {
				if err == nil && d.Type().IsRegular() {
					if b, _ := os.ReadFile(p); bytes.Contains(b, []byte("secret")) {
						t.Errorf("cp %q has read what is outside", args)
					}
				}
				return nil
			})
			if err := os.RemoveAll(out); err != nil {
				t.Fatal(err)
			}
		}
	}
	close(stop)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(canary); string(b) != "secret" {
		t.Errorf("what is outside has become %q, %v", b, err)
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
		t.Errorf("outside: %v, %v", entries, err)
	}
	if good == 0 {
		t.Error("no copy succeeded: the test has tried nothing")
	}
	s.must("rm", "-f", id)
	s.clean()
}

// TestCommitInterrupted: a container that is paused for a commit goes on when
// the commit is interrupted, and nothing is left of it.
func TestCommitInterrupted(t *testing.T) {
	leaveToHost(t)
	s := newStage(t)
	id := s.must("run", "-d", "box", "sh", "-c", "truncate -s 20G /big && touch /ready && sleep 1000")
	s.until("the file", func() bool { return s.do("exec", id, "test", "-e", "/ready").code == 0 })
	for _, sig := range []os.Signal{unix.SIGINT, unix.SIGTERM} {
		commit := exec.Command(s.path, "commit", id, "never")
		if err := commit.Start(); err != nil {
			t.Fatal(err)
		}
		s.until("the pause", func() bool { return s.must("ps", "-q", "--filter", "status=paused") != "" })
		if err := commit.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if err := commit.Wait(); err == nil {
			t.Errorf("commit went on after %v", sig)
		}
		if got := s.must("ps", "-q", "--filter", "status=paused"); got != "" {
			t.Errorf("paused after %v: %s", sig, got)
		}
	}
	if r := s.do("image", "inspect", "never"); r.code != 1 {
		t.Errorf("an image: %+v", r)
	}
	s.must("rm", "-f", id)
	s.clean()
}

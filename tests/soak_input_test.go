package tests

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"berth/tests/fixture"
	"berth/tests/ledger"
)

// badInput is a command that must fail in one clear way and leave nothing.
type badInput struct {
	name string
	args []string
	code int
	want string // in the one line that begins with "Error: "
}

// check runs the command.
func (x badInput) check(s *stage) {
	s.t.Run(x.name, func(t *testing.T) {
		r := s.do(x.args...)
		if r.code != x.code {
			t.Errorf("exit code %d, want %d", r.code, x.code)
		}
		first, _, _ := strings.Cut(r.errs, "\n")
		if strings.Count(r.errs, "Error: ") != 1 || !strings.HasPrefix(first, "Error: ") || !strings.Contains(first, x.want) {
			t.Errorf("want one line with %q:\n%s", x.want, r.errs)
		}
		if strings.Contains(r.errs, "goroutine ") {
			t.Errorf("a panic:\n%s", r.errs)
		}
		if r.out != "" {
			t.Errorf("it prints %q", r.out)
		}
		if left := s.must("ps", "-aq"); left != "" {
			t.Errorf("containers are left: %s", left)
		}
		if diff := s.ledger.Wait(settle); diff != "" {
			t.Errorf("left behind:\n%s", diff)
		}
	})
}

// importEmpty imports an image without a program or a command.
func importEmpty(s *stage, name string) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range []struct{ name, text string }{{"etc/passwd", "root:x:0:0::/:/bin/sh\n"}, {"bin/text", "no program\n"}, {"bin/plain", "x"}} {
		mode := int64(0o755)
		if f.name == "bin/plain" {
			mode = 0o644
		}
		_ = w.WriteHeader(&tar.Header{Name: f.name, Mode: mode, Size: int64(len(f.text)), Typeflag: tar.TypeReg})
		_, _ = w.Write([]byte(f.text))
	}
	_ = w.Close()
	cmd := s.command("import", "-", name)
	cmd.Stdin = &b
	if r := finish(s.t, cmd); r.code != 0 {
		s.t.Fatalf("import: %s", r.errs)
	}
}

// TestSoakBadInput: one line that says what is wrong, the documented code, and
// nothing left behind.
func TestSoakBadInput(t *testing.T) {
	leaveToHost(t)
	s := newStage(t)
	importEmpty(s, "empty")
	dir := t.TempDir()
	for _, x := range []badInput{
		{"unknown image", words("run --rm --pull never nosuch true"), 125, "No such image"},
		{"malformed image", words("run --rm UPPER:: true"), 125, "invalid reference format"},
		{"bad flag", words("run --nosuch box true"), 125, "unknown flag: --nosuch"},
		{"bad value", words("run --memory lots box true"), 125, "memory"},
		{"bad name", words("run --name a/b box true"), 125, "a/b"},
		{"missing program", words("run --rm box nosuch"), 127, "executable file not found in $PATH"},
		{"missing path", words("run --rm box /no/such"), 127, "no such file or directory"},
		{"no program at all", words("run --rm empty"), 125, "no command specified"},
		{"not executable", words("run --rm empty /bin/plain"), 126, "permission denied"},
		{"not a program", words("run --rm empty /bin/text"), 126, "exec"},
		{"a folder", words("run --rm box /tmp"), 126, "permission denied"},
		{"missing source", words("run --rm --mount type=bind,source=/no/such,target=/x box true"), 125, "/no/such"},
		{"source below a file", words("run --rm --mount type=bind,source=/etc/passwd/x,target=/x box true"), 125, "/etc/passwd/x"},
		{"file on a folder", words("run --rm -v /etc/passwd:/etc box true"), 125, "/etc"},
		{"folder on a file", words("run --rm -v", dir+":/etc/passwd", "box true"), 125, "/etc/passwd"},
		{"target is the root", words("run --rm -v", dir+":/", "box true"), 125, "/"},
		{"memory below the minimum", words("run --rm --memory 100k box true"), 125, "Minimum memory limit"},
		{"unknown user", words("run --rm --user nosuch box true"), 125, "nosuch"},
		{"user out of range", words("run --rm --user 4294967296 box true"), 125, "4294967296"},
		{"negative user", words("run --rm --user -1 box true"), 125, "-1"},
		{"unknown group", []string{"run", "--rm", "--group-add", "nosuch", "box", "true"}, 125, "nosuch"},
		{"empty group", []string{"run", "--rm", "--group-add", "", "box", "true"}, 125, "group"},
		{"unknown capability", words("run --rm --cap-add FLY box true"), 125, "FLY"},
		{"foreign sysctl", words("run --rm --sysctl kernel.panic=1 box true"), 125, "kernel.panic"},
		{"missing device", words("run --rm --device /dev/nosuch box true"), 125, "/dev/nosuch"},
		{"relative working directory", words("run --rm -w tmp box true"), 125, "tmp"},
		{"working directory is a file", words("run --rm -w /etc/passwd box true"), 125, "/etc/passwd"},
		{"id file is there", words("run --rm --cidfile", filepath.Join(dir, "."), "box true"), 125, dir},
		{"missing environment file", words("run --rm --env-file /no/such box true"), 125, "/no/such"},
		{"missing profile", words("run --rm --security-opt seccomp=/no/such box true"), 125, "/no/such"},
		{"missing rootfs", words("run --rm --rootfs /no/such true"), 125, "/no/such"},
		{"unwritable pid file", words("run --rm --pidfile /no/such/file box true"), 125, "/no/such/file"},
		{"exec nowhere", words("exec nosuch true"), 1, "No such container: nosuch"},
		{"stop nothing", words("stop nosuch"), 1, "No such container: nosuch"},
		{"logs of nothing", words("logs nosuch"), 1, "No such container: nosuch"},
		{"start nothing", words("start nosuch"), 1, "No such container: nosuch"},
		{"wait for nothing", words("wait nosuch"), 1, "No such container: nosuch"},
		{"remove nothing", words("rm nosuch"), 1, "No such container: nosuch"},
		{"unknown command", words("nosuch"), 1, "nosuch"},
		{"no arguments", words("run"), 1, "requires at least 1 argument"},
	} {
		x.check(s)
	}
}

// TestSoakCorruptState: a record that cannot be read is one broken row, and the
// others do not suffer from it.
func TestSoakCorruptState(t *testing.T) {
	leaveToHost(t)
	s := newStage(t)
	for kind, data := range map[string][]byte{
		"empty": nil, "NUL": make([]byte, 400), "cut": []byte(`{"version":1,"id":"`), "future": []byte(`{"version":99}`), "other": []byte(`[1,2]`), "deep": bytes.Repeat([]byte("["), 1<<20),
	} {
		if testing.Short() && kind != "NUL" && kind != "future" {
			continue
		}
		for _, file := range []string{"config.json", "exit.json"} {
			t.Run(kind+" "+file, func(t *testing.T) {
				id := s.must("create", "--name", "broken", "box", "true")
				s.must("start", "-a", "broken")
				s.must("create", "--name", "fine", "box", "true")
				if err := os.WriteFile(filepath.Join(s.root, "container", id, file), data, 0o600); err != nil {
					t.Fatal(err)
				}
				if rows := s.must("ps", "-a", "--format", "{{.ID}} {{.State}}"); strings.Count(rows, "\n") != 1 || !strings.Contains(rows, id[:12]) {
					t.Errorf("ps shows\n%s", rows)
				}
				for _, args := range []string{"start " + id, "logs " + id, "inspect " + id, "rm " + id, "stop " + id, "wait " + id, "kill " + id} {
					if r := s.do(words(args)...); strings.Contains(r.errs, "panic") || r.code > 1 && r.code != 125 {
						t.Errorf("%s: %d %s", args, r.code, r.errs)
					}
				}
				s.must("run", "--rm", "box", "true")
				s.must("rm", "-f", id, "fine")
				if left := s.must("ps", "-aq"); left != "" {
					t.Errorf("left: %s", left)
				}
				s.must("run", "--rm", "--name", "broken", "box", "true")
				if diff := s.ledger.Wait(settle); diff != "" {
					t.Errorf("left behind:\n%s", diff)
				}
			})
		}
	}
}

// smallDisk mounts a tmpfs of so many KiB for the test's time.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	// Other packages' ledgers count mounts, too; ours stands outside of the test's.
	ledger.Take(t)
	dir, err := os.MkdirTemp("/run", "b")
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("mode=700,size=%dk", size)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
		os.Remove(dir)
	})
	return dir
}

// fillUp writes until a disk is full, and returns what frees it.
func fillUp(t *testing.T, dir string) (free func()) {
	t.Helper()
	name := filepath.Join(dir, "container", "ballast")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	for chunk := make([]byte, 4096); err == nil; {
		_, err = f.Write(chunk)
	}
	f.Close()
	return func() {
		if err := os.Remove(name); err != nil {
			t.Error(err)
		}
	}
}

// TestSoakFullDisk: what needs room fails in one line and leaves nothing; what
// gives room back works with none left.
func TestSoakFullDisk(t *testing.T) {
	fixture.NeedRoot(t)
	for _, which := range []string{"root", "run"} {
		t.Run(which, func(t *testing.T) {
			s := &stage{t: t, path: fixture.Berth(t)}
			s.root, s.run = fixture.Roots(t)
			var disk string
			if which == "root" {
				disk = smallDisk(t, 32<<10)
				s.root = disk
				t.Setenv("BERTH_ROOT", disk)
			} else {
				disk = smallDisk(t, 256)
				s.run = disk
				t.Setenv("BERTH_RUNROOT", disk)
			}
			s.ledger = ledger.Take(t, s.root, s.run)
			s.must("run", "--rm", "box", "true")
			s.must("run", "-d", "--name", "before", "box", "sleep", "1000")
			free := fillUp(t, disk)
			s.must("ps", "-a")
			for _, args := range []string{"run --rm box true", "run -d --name new box sleep 1000", "create --name other box true"} {
				r := s.do(words(args)...)
				if r.code == 0 {
					t.Logf("%s works", args)
				} else if r.code != 125 && r.code != 1 || strings.Count(r.errs, "Error: ") != 1 || !strings.Contains(r.errs, "no space left") {
					t.Errorf("%s: exit code %d, %s", args, r.code, r.errs)
				}
			}
			if list := s.must("ps", "--format", "{{.Names}}"); !strings.Contains(list, "before") {
				t.Errorf("ps shows %q", list)
			}
			s.must("stop", "-t", "0", "before")
			s.must("rm", "before")
			s.do("rm", "-f", "new", "other")
			if left := s.must("ps", "-aq"); left != "" {
				t.Errorf("left: %s", left)
			}
			free()
			s.must("run", "--rm", "--name", "new", "box", "true")
			s.clean()
		})
	}
	t.Run("too small for the image", func(t *testing.T) {
		s := &stage{t: t, path: fixture.Berth(t)}
		_, s.run = fixture.Roots(t)
		s.root = smallDisk(t, 1024)
		t.Setenv("BERTH_ROOT", s.root)
		s.ledger = ledger.Take(t, s.root, s.run)
		r := s.do("run", "--rm", "box", "true")
		if r.code != 125 || strings.Count(r.errs, "Error: ") != 1 || !strings.Contains(r.errs, "no space left") {
			t.Errorf("exit code %d, %s", r.code, r.errs)
		}
		s.clean()
	})
}

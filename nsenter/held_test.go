package nsenter

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// heldPlan makes a plan whose child waits at a FIFO and then becomes program.
func heldPlan(t *testing.T, dir, program string) *Plan {
	t.Helper()
	gate := filepath.Join(dir, "gate")
	if err := unix.Mkfifo(gate, 0o600); err != nil {
		t.Fatal(err)
	}
	p := &Plan{}
	fifo := p.NewSlot("gate")
	p.Add(Call(Host, unix.SYS_OPENAT, Int(unix.AT_FDCWD), Str(gate), Int(unix.O_RDWR|unix.O_CLOEXEC), Int(0)).To(fifo))
	p.Add(Control(Host, OpSpawn, "start the child", Int(0)))
	p.Add(Call(Child, unix.SYS_UMASK, Int(0)))
	p.Add(Call(Child, unix.SYS_READ, Fd(fifo), Bytes(make([]byte, 1), ""), Int(1)))
	p.Hold()
	p.Add(Call(Child, unix.SYS_EXECVE, Str(program), Strs([]string{program, "0.05"}), Null()).Tolerate(unix.ENOENT))
	return p
}

func openGate(t *testing.T, dir string) {
	t.Helper()
	fd, err := unix.Open(filepath.Join(dir, "gate"), unix.O_WRONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte("0")); err != nil {
		t.Fatal(err)
	}
}

func TestHold(t *testing.T) {
	for _, x := range []struct {
		name, program string
		want          error
	}{
		{"program runs", "/bin/sleep", nil},
		{"no program", "/nonexistent", unix.ENOENT},
		{"no permission", "/etc/passwd", unix.EACCES},
	} {
		t.Run(x.name, func(t *testing.T) {
			dir := t.TempDir()
			memory := filepath.Join(dir, "plan")
			h, err := heldPlan(t, dir, x.program).Start(t.Context(), Options{Empty: t.TempDir(), Memory: memory})
			if err != nil {
				t.Fatal(err)
			}
			pid := h.Pid()
			h.Close()
			if held, err := Held(memory); err != nil || !held {
				t.Fatalf("held: %t, %v", held, err)
			}
			openGate(t, dir)
			if err := AwaitHeld(t.Context(), memory); !errors.Is(err, x.want) {
				t.Errorf("outcome %v, want %v", err, x.want)
			}
			if held, err := Held(memory); err != nil || held {
				t.Errorf("held afterwards: %t, %v", held, err)
			}
			if _, err := reap(pid); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestHoldDies: a child that is killed while it waits is an error, not a
// program that runs.
func TestHoldDies(t *testing.T) {
	dir := t.TempDir()
	memory := filepath.Join(dir, "plan")
	h, err := heldPlan(t, dir, "/bin/sleep").Start(t.Context(), Options{Empty: t.TempDir(), Memory: memory})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := unix.Kill(h.Pid(), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Wait(); err != nil {
		t.Fatal(err)
	}
	h.Close()
	if err := AwaitHeld(t.Context(), memory); !errors.Is(err, ErrChildDied) {
		t.Errorf("outcome %v", err)
	}
}

// TestHoldFailsBefore: what fails before the gate is the plan's error.
func TestHoldFailsBefore(t *testing.T) {
	dir := t.TempDir()
	p := heldPlan(t, dir, "/bin/sleep")
	for i := range p.Steps {
		if p.Steps[i].Call == unix.SYS_UMASK && p.Steps[i].Who == Child {
			p.Steps[i] = Call(Child, unix.SYS_CHDIR, Str("/nonexistent"))
		}
	}
	h, err := p.Start(t.Context(), Options{Empty: t.TempDir(), Memory: filepath.Join(dir, "plan")})
	defer h.Close()
	if !errors.Is(err, unix.ENOENT) {
		t.Errorf("start: %v", err)
	}
}

func TestHeldWithoutFile(t *testing.T) {
	if held, err := Held(filepath.Join(t.TempDir(), "plan")); held || err != nil {
		t.Errorf("%t, %v", held, err)
	}
	name := filepath.Join(t.TempDir(), "plan")
	for _, junk := range []string{"", "junk", string(make([]byte, 4096)), "brth\x01\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"} {
		if err := os.WriteFile(name, []byte(junk), 0o600); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := AwaitHeld(t.Context(), name); err == nil {
			t.Errorf("%q: no error after %v", junk, time.Since(start))
		}
	}
}

// TestHoldInOneProcess has the process that started the plan wait for the
// program too, with the run still open.
func TestHoldInOneProcess(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	memory := filepath.Join(dir, "plan")
	h, err := heldPlan(t, dir, "/bin/sleep").Start(t.Context(), Options{Empty: t.TempDir(), Memory: memory})
	defer h.Close()
	if err != nil {
		t.Fatal(err)
	}
	if held, err := Held(memory); err != nil || !held {
		t.Fatalf("held: %t, %v", held, err)
	}
	openGate(t, dir)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := AwaitHeld(ctx, memory); err != nil {
		t.Error(err)
	}
	if status, err := h.Wait(); err != nil || status.ExitStatus() != 0 {
		t.Errorf("ended with %v, %v", status, err)
	}
}

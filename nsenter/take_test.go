package nsenter

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// takePlan lets a child open a file, close-on-exec, and stop behind that until
// use has had the descriptor.
func takePlan(path string, use func(pid, fd int) error) *Plan {
	p := &Plan{}
	p.Add(spawn(0))
	p.Add(forkSteps()...)
	open := Call(Child, unix.SYS_OPENAT, Int(unix.AT_FDCWD), Str(path), Int(unix.O_RDONLY|unix.O_CLOEXEC), Int(0))
	open.Await = true
	step := len(p.Steps)
	p.Add(open, shell("exit 3"), Do("take the file", func(h *Run) error { return h.TakeFd(step, use) }))
	return p
}

func TestTakeFd(t *testing.T) {
	needRoot(t)
	path := t.TempDir() + "/file"
	if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	var got string
	var seen int
	h, err := takePlan(path, func(pid, fd int) error {
		seen = pid
		text := make([]byte, 7)
		_, err := unix.Pread(fd, text, 0)
		got = string(text)
		return err
	}).Start(t.Context(), Options{Empty: t.TempDir()})
	defer h.Close()
	if err != nil {
		t.Fatal(err)
	}
	if got != "content" || seen != h.Pid() {
		t.Errorf("took %q of process %d, want the file's content of %d", got, seen, h.Pid())
	}
	if status, err := h.Wait(); err != nil || status.ExitStatus() != 3 {
		t.Errorf("payload ended with %v, %v, want exit status 3", status, err)
	}
}

func TestTakeFdFails(t *testing.T) {
	needRoot(t)
	refused := errors.New("refused")
	tests := []struct {
		name, path string
		use        func(pid, fd int) error
		want       string
	}{
		{"user refuses", "/dev/null", func(int, int) error { return refused }, "take the file: refused"},
		{"no descriptor", "/no/such/file", func(int, int) error { return refused }, "ENOENT"},
		{"child is killed", "/dev/null", func(pid, _ int) error { return unix.Kill(pid, unix.SIGKILL) }, ErrChildDied.Error()},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h, err := takePlan(test.path, test.use).Start(t.Context(), Options{Empty: t.TempDir()})
			defer h.Close()
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// TestTakeFdNeedsNoCall installs a filter that kills on every call but those
// of the program that follows, and on recvmsg, which the executor uses between
// batches, in any case.
func TestTakeFdNeedsNoCall(t *testing.T) {
	needRoot(t)
	const allow, kill, listen = 0x7fff0000, 0x80000000, 1 << 3
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_RECVMSG, Jt: 4},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_SCHED_YIELD, Jt: 3},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_PPOLL, Jt: 2},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_SENDTO, Jt: 1},
		{Code: unix.BPF_RET, K: allow},
		{Code: unix.BPF_RET, K: kill},
	}
	code := unsafe.Slice((*byte)(unsafe.Pointer(&filter[0])), 8*len(filter))
	prog := &Data{Bytes: make([]byte, 16), Pointers: []Pointer{{Offset: 8, To: &Data{Bytes: code}}}}
	binary.NativeEndian.PutUint16(prog.Bytes, uint16(len(filter)))
	p := &Plan{}
	install := Call(Child, unix.SYS_SECCOMP, Int(unix.SECCOMP_SET_MODE_FILTER), Int(listen), Ptr(prog))
	install.Await = true
	p.Add(spawn(0), install, shell("exit 5"))
	var target string
	p.Add(Do("take the listener", func(h *Run) error {
		return h.TakeFd(1, func(_, fd int) error {
			var err error
			target, err = os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
			return err
		})
	}))
	h, err := p.Start(t.Context(), Options{Empty: t.TempDir()})
	defer h.Close()
	if err != nil {
		t.Fatal(err)
	}
	if target != "anon_inode:seccomp notify" {
		t.Errorf("the descriptor taken is %q", target)
	}
	if status, err := h.Wait(); err != nil || status.ExitStatus() != 5 {
		t.Errorf("payload ended with %v, %v, want exit status 5", status, err)
	}
}

// TestTakeFdTwice gives every run descriptors and processes to leak.
func TestTakeFdTwice(t *testing.T) {
	needRoot(t)
	count := func() int {
		dir, err := os.Open("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		defer dir.Close()
		names, err := dir.Readdirnames(-1)
		if err != nil && err != io.EOF {
			t.Fatal(err)
		}
		return len(names)
	}
	before := 0
	for i := range 5 {
		h, err := takePlan("/dev/null", func(int, int) error { return nil }).Start(t.Context(), Options{Empty: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Wait(); err != nil {
			t.Fatal(err)
		}
		h.Close()
		if i == 1 {
			before = count()
		}
	}
	if after := count(); after > before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

package nsenter

import (
	"testing"

	"golang.org/x/sys/unix"
)

// BenchmarkRun starts a trivial plan and waits for its payload's end.
func BenchmarkRun(b *testing.B) {
	needRoot(b)
	namespaces := uintptr(unix.CLONE_NEWPID | unix.CLONE_NEWNS)
	exec := Call(Child, unix.SYS_EXECVE, Str("/bin/true"), Strs([]string{"true"}), Strs(nil))
	tests := []struct {
		name  string
		empty string
		steps []Step
	}{
		{"exit", emptyFolder(b), []Step{spawn(0), Control(Child, OpExit, "exit", Int(0))}},
		{"exec", emptyFolder(b), []Step{spawn(0), exec}},
		{"exec sealed by copy", "/no/such", []Step{spawn(0), exec}},
		{"namespaces", emptyFolder(b), []Step{spawn(namespaces), exec}},
		{"fork", emptyFolder(b), append(append([]Step{spawn(0)}, forkSteps()...), exec)},
		{"init", emptyFolder(b), []Step{spawn(namespaces), Control(Child, OpInit, "init"), exec}},
		{"sync", emptyFolder(b), []Step{spawn(0), Call(Child, unix.SYS_GETPID), Control(Host, OpSync, "wait"), exec}},
	}
	for _, test := range tests {
		b.Run(test.name, func(b *testing.B) {
			for b.Loop() {
				p := &Plan{Steps: test.steps}
				h, err := p.Start(b.Context(), Options{Empty: test.empty})
				if err == nil {
					_, err = h.Wait()
				}
				h.Close()
				if err != nil && err != ErrNoExec {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkEncode lays out a plan of a container's size.
func BenchmarkEncode(b *testing.B) {
	steps := make([]Step, 150)
	for i := range steps {
		steps[i] = Call(Child, unix.SYS_OPENAT, Fd(1), Str("/some/path/or/other"), Int(0), Int(0)).To(2).Tolerate(unix.ENOENT)
	}
	nothing := func(Slot) (int64, bool, bool) { return 0, false, false }
	b.ReportAllocs()
	for b.Loop() {
		bytes, err := encode(steps, 0, nothing)
		if err != nil {
			b.Fatal(err)
		}
		if err := check(bytes); err != nil {
			b.Fatal(err)
		}
	}
}

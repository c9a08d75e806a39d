package nsenter

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestInert runs the binary with the executor's variable in its environment,
// and with descriptors that are almost, but not quite, the executor's: it must
// be the program that it always is.
func TestInert(t *testing.T) {
	pair := func(kind int) []*os.File {
		fds, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		files := []*os.File{os.NewFile(uintptr(fds[0]), "socket"), os.NewFile(uintptr(fds[1]), "socket")}
		t.Cleanup(func() {
			files[0].Close()
			files[1].Close()
		})
		return files
	}
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	tests := []struct {
		name  string
		files []*os.File
	}{
		{"no descriptors", nil},
		{"a file", []*os.File{null, null}},
		{"a stream socket", pair(unix.SOCK_STREAM)},
		{"a datagram socket", pair(unix.SOCK_DGRAM)},
		{"a socket but no memory", pair(unix.SOCK_SEQPACKET)[:1]},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cmd := helperCommand(t, "hello")
			cmd.Env = append(cmd.Env, executorEnv)
			cmd.ExtraFiles = test.files
			if out, err := cmd.Output(); err != nil || string(out) != "hello" {
				t.Fatalf("got %q, %v", out, err)
			}
		})
	}
	t.Run("without the variable", func(t *testing.T) {
		cmd := helperCommand(t, "hello")
		cmd.ExtraFiles = pair(unix.SOCK_SEQPACKET)
		if out, err := cmd.Output(); err != nil || string(out) != "hello" {
			t.Fatalf("got %q, %v", out, err)
		}
	})
}

// TestPayloadEnvironment starts a payload from a host side that has the
// variable itself: the payload has what the plan gives it and no more.
func TestPayloadEnvironment(t *testing.T) {
	name, value, _ := strings.Cut(executorEnv, "=")
	t.Setenv(name, value)
	p := &Plan{}
	p.Add(spawn(0), Call(Child, unix.SYS_EXECVE, Str("/usr/bin/env"), Strs([]string{"env"}), Strs([]string{"A=b", "C="})))
	text, _, _ := output(t, p)
	if got := strings.Fields(text); !slices.Equal(got, []string{"A=b", "C="}) {
		t.Fatalf("got %q", got)
	}
}

// TestChildIsNotDumpable looks at a child that waits for its plan: nobody but
// root may look into it or trace it, whatever its ids become (CVE-2016-9962).
func TestChildIsNotDumpable(t *testing.T) {
	needRoot(t)
	p := &Plan{}
	var pid int
	p.Add(spawn(0),
		Call(Child, unix.SYS_SETRESGID, Int(65534), Int(65534), Int(65534)),
		Call(Child, unix.SYS_SETRESUID, Int(65534), Int(65534), Int(65534)),
		Control(Host, OpSync, "wait"),
		Do("look", func(h *Run) error {
			pid = h.Pid()
			waitFor(t, "the child to wait", func() bool { return inCall(pid, unix.SYS_RECVMSG) })
			lookInto(t, pid)
			return nil
		}), shell("exit 0"))
	if _, status, _ := output(t, p); status.ExitStatus() != 0 {
		t.Fatalf("status %v", status)
	}
}

// lookInto tries what a process of the same ids may do to one that is dumpable.
func lookInto(t *testing.T, pid int) {
	fields, err := statusFields(pid)
	if err != nil || !strings.HasPrefix(fields["Uid"], "65534") {
		t.Fatalf("the child is %v, %v", fields["Uid"], err)
	}
	for _, name := range []string{"fd", "exe", "mem", "environ", "maps"} {
		var st unix.Stat_t
		if err := unix.Lstat(fmt.Sprintf("/proc/%d/%s", pid, name), &st); err != nil {
			t.Fatal(err)
		}
		if st.Uid != 0 || st.Gid != 0 {
			t.Errorf("%s belongs to %d:%d", name, st.Uid, st.Gid)
		}
	}
	nobody := func(name string, args ...string) ([]byte, error) {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		return cmd.CombinedOutput()
	}
	for _, name := range []string{"exe", "cwd", "root", "fd/0", "ns/mnt"} {
		path := fmt.Sprintf("/proc/%d/%s", pid, name)
		if out, err := nobody("/bin/readlink", path); err == nil {
			t.Errorf("uid 65534 reads %s: %s", path, out)
		}
	}
	for _, name := range []string{"mem", "environ", "maps", "auxv", "syscall"} {
		path := fmt.Sprintf("/proc/%d/%s", pid, name)
		if out, err := nobody("/usr/bin/head", "-c1", path); err == nil && len(out) > 0 {
			t.Errorf("uid 65534 reads %s: %q", path, out)
		}
	}
	if strace, err := exec.LookPath("strace"); err == nil {
		if out, err := nobody("/usr/bin/timeout", "1", strace, "-p", fmt.Sprint(pid)); err == nil ||
			!strings.Contains(string(out), "Operation not permitted") {
			t.Errorf("uid 65534 traces it: %s, %v", out, err)
		}
	}
}

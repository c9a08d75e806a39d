package ledger_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"berth/tests/fixture"
	"berth/tests/ledger"
)

// leak makes one thing that outlives it, says what the ledger must print, and
// takes it back.
type leak struct {
	name string
	make func(t *testing.T, dir string) (want string, undo func())
}

func leaks() []leak {
	return []leak{
		{"mount", leakMount},
		{"mount in another namespace", leakForeignMount},
		{"cgroup", leakCgroup},
		{"namespace of an orphan without the mark", leakOrphanNamespace},
		{"namespace of a thread", leakThreadNamespace},
		{"namespace kept by a bind mount", leakBoundNamespace},
		{"process", leakProcess},
		{"zombie", leakZombie},
		{"orphan with the mark", leakOrphan},
		{"veth", leakVeth},
		{"address", leakAddress},
		{"nft table", leakTable},
		{"file of the test", leakFile},
		{"socket of the test", leakSocket},
		{"name claim", leakPath("run/name/web")},
		{"lease", leakPath("run/address/bridge/10.0.0.2")},
		{"container folder", leakPath("root/container/abc/config.json")},
		{"staged blob", leakPath("root/image/blobs/sha256/.tmp-1-2")},
		{"staged layer", leakPath("root/layer/.tmp-1-2/etc/passwd")},
		{"unknown folder", leakPath("root/surprise")},
	}
}

func TestLeaksAreFound(t *testing.T) {
	fixture.NeedRoot(t)
	for _, leak := range leaks() {
		t.Run(leak.name, func(t *testing.T) {
			dir := t.TempDir()
			root, run := filepath.Join(dir, "root"), filepath.Join(dir, "run")
			l := ledger.Take(t, root, run)
			want, undo := leak.make(t, dir)
			diff := l.Wait(50 * time.Millisecond)
			undo()
			if !strings.Contains(diff, want) {
				t.Errorf("want a line with %q, have:\n%s", want, diff)
			}
			l.Check(t, 5*time.Second)
		})
	}
}

func TestGrowthIsAllowed(t *testing.T) {
	fixture.NeedRoot(t)
	dir := t.TempDir()
	l := ledger.Take(t, dir)
	for _, path := range []string{
		"image/blobs/sha256/abc", "image/index.json", "layer/abc/etc/.hidden", "cache/seccomp/abc",
		"build/abc.json", "boot", "image/.box.lock",
	} {
		write(t, filepath.Join(dir, path))
	}
	for _, path := range []string{"container", "name", "address", "oci", "volume", "network"} {
		if err := os.MkdirAll(filepath.Join(dir, path), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	l.Check(t, 0)
}

func TestWatchedProcess(t *testing.T) {
	fixture.NeedRoot(t)
	l := ledger.Take(t)
	// dash keeps what exec opens above 2.
	shell := exec.Command("sh", "-c", "read x; exec 7</etc/passwd; echo opened; read x; exec 7<&-; echo closed; read x")
	in, out := pipes(t, shell)
	line := make([]byte, 16)
	l.Watch(shell.Process.Pid)
	for _, step := range []struct {
		said, want string
	}{{"opened", "+ /etc/passwd"}, {"closed", ""}} {
		fmt.Fprintln(in)
		n, err := out.Read(line)
		if err != nil || strings.TrimSpace(string(line[:n])) != step.said {
			t.Fatalf("shell said %q, %v", line[:n], err)
		}
		diff := l.Wait(0)
		if got := strings.Contains(diff, "+ /etc/passwd"); got != (step.want != "") {
			t.Errorf("after %s: have\n%s", step.said, diff)
		}
	}
	in.Close()
	if err := shell.Wait(); err == nil {
		t.Error("read of a closed pipe succeeded")
	}
}

func TestUnrelatedProcessesAreLeftOut(t *testing.T) {
	fixture.NeedRoot(t)
	out, err := exec.Command("setsid", "sh", "-c", "sleep 100 >/dev/null 2>&1 & echo $!").Output()
	if err != nil {
		t.Fatal(err)
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(out)))
	l := ledger.Take(t)
	kill(t, pid)
	l.Check(t, time.Second)
}

func leakMount(t *testing.T, dir string) (string, func()) {
	target := filepath.Join(dir, "mnt")
	must(t, os.Mkdir(target, 0o700))
	must(t, unix.Mount("leak", target, "tmpfs", 0, ""))
	return "+ tmpfs of / on " + target, func() { must(t, unix.Unmount(target, unix.MNT_DETACH)) }
}

// leakForeignMount mounts in the mount namespace of a process that a second
// ledger, opened after it, finds in place.
func leakForeignMount(t *testing.T, dir string) (string, func()) {
	holder := exec.Command("unshare", "-m", "sleep", "100")
	must(t, holder.Start())
	pid := strconv.Itoa(holder.Process.Pid)
	waitFor(t, func() bool { return spaceOf(pid, "mnt") != spaceOf("self", "mnt") && commandOf(pid) == "sleep" })
	inner, err := ledger.Open()
	must(t, err)
	must(t, exec.Command("nsenter", "-t", pid, "-m", "mount", "-t", "tmpfs", "leak", "/media").Run())
	diff := inner.Wait(50 * time.Millisecond)
	inner.Close()
	if want := "tmpfs on /media"; !strings.Contains(diff, want) {
		t.Errorf("want a line with %q, have:\n%s", want, diff)
	}
	return "mnt:[", func() {
		must(t, holder.Process.Kill())
		_ = holder.Wait()
	}
}

func leakCgroup(t *testing.T, _ string) (string, func()) {
	base := "/sys/fs/cgroup"
	if _, err := os.Stat(base + "/unified"); err == nil {
		base += "/unified"
	}
	path := filepath.Join(base, "berth-ledger-test")
	must(t, os.Mkdir(path, 0o755))
	return "+ " + path, func() { must(t, os.Remove(path)) }
}

func leakOrphanNamespace(t *testing.T, _ string) (string, func()) {
	return leakOrphanOf(t, "net:[", "env -i /usr/bin/unshare -n /bin/sleep 100", "unshare")
}

func leakOrphan(t *testing.T, _ string) (string, func()) {
	return leakOrphanOf(t, " sleep, state ", "sleep 100", "")
}

// leakOrphanOf starts a process whose parent ends at once and waits until its
// name is no longer the one that it has before its last exec.
func leakOrphanOf(t *testing.T, want, command, before string) (string, func()) {
	out, err := exec.Command("sh", "-c", command+" >/dev/null 2>&1 & echo $!").Output()
	must(t, err)
	pid := strings.TrimSpace(string(out))
	waitFor(t, func() bool { name := commandOf(pid); return name == "sleep" && name != before })
	n, _ := strconv.Atoi(pid)
	return want, func() { kill(t, n) }
}

func leakThreadNamespace(t *testing.T, _ string) (string, func()) {
	original, err := os.Open("/proc/self/ns/uts")
	must(t, err)
	stop, ready, done := make(chan bool), make(chan error), make(chan error)
	go func() {
		runtime.LockOSThread()
		ready <- unix.Unshare(unix.CLONE_NEWUTS)
		<-stop
		// Taken back by hand: the runtime parks a locked first thread for ever.
		done <- unix.Setns(int(original.Fd()), unix.CLONE_NEWUTS)
	}()
	must(t, <-ready)
	return "of the test is in it", func() {
		close(stop)
		must(t, <-done)
		must(t, original.Close())
	}
}

func leakBoundNamespace(t *testing.T, dir string) (string, func()) {
	target := filepath.Join(dir, "netns")
	write(t, target)
	must(t, exec.Command("unshare", "--net="+target, "true").Run())
	return "nsfs of net:[", func() { must(t, unix.Unmount(target, unix.MNT_DETACH)) }
}

func leakProcess(t *testing.T, _ string) (string, func()) {
	sleep := exec.Command("sleep", "100")
	must(t, sleep.Start())
	waitFor(t, func() bool { return commandOf(strconv.Itoa(sleep.Process.Pid)) == "sleep" })
	return "+ " + strconv.Itoa(sleep.Process.Pid) + " sleep", func() {
		must(t, sleep.Process.Kill())
		_ = sleep.Wait()
	}
}

func leakZombie(t *testing.T, _ string) (string, func()) {
	dead := exec.Command("true")
	must(t, dead.Start())
	pid := strconv.Itoa(dead.Process.Pid)
	waitFor(t, func() bool {
		stat, _ := os.ReadFile("/proc/" + pid + "/stat")
		return strings.Contains(string(stat), ") Z ")
	})
	return "state Z", func() { must(t, dead.Wait()) }
}

func leakVeth(t *testing.T, _ string) (string, func()) {
	ip := fixture.NeedTool(t, "ip")
	must(t, exec.Command(ip, "link", "add", "berthlt0", "type", "veth", "peer", "name", "berthlt1").Run())
	return "+ berthlt1", func() { must(t, exec.Command(ip, "link", "del", "berthlt0").Run()) }
}

func leakAddress(t *testing.T, _ string) (string, func()) {
	ip := fixture.NeedTool(t, "ip")
	must(t, exec.Command(ip, "addr", "add", "127.9.9.9/32", "dev", "lo").Run())
	return "+ lo 127.9.9.9/32", func() { must(t, exec.Command(ip, "addr", "del", "127.9.9.9/32", "dev", "lo").Run()) }
}

func leakTable(t *testing.T, _ string) (string, func()) {
	nft := fixture.NeedTool(t, "nft")
	must(t, exec.Command(nft, "add", "table", "inet", "berth_ledger_test").Run())
	return "+ table inet berth_ledger_test", func() {
		must(t, exec.Command(nft, "delete", "table", "inet", "berth_ledger_test").Run())
	}
}

func leakFile(t *testing.T, _ string) (string, func()) {
	f, err := os.Open("/etc/hostname")
	must(t, err)
	return "+ /etc/hostname", func() { must(t, f.Close()) }
}

func leakSocket(t *testing.T, _ string) (string, func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	return "+ socket:[", func() { must(t, l.Close()) }
}

func leakPath(rel string) func(*testing.T, string) (string, func()) {
	return func(t *testing.T, dir string) (string, func()) {
		path := filepath.Join(dir, rel)
		write(t, path)
		want := path
		// A staged layer is reported whole, by its folder.
		if before, _, found := strings.Cut(path, "/etc/"); found {
			want = before
		}
		return want, func() { must(t, os.RemoveAll(filepath.Join(dir, strings.Split(rel, "/")[0]))) }
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(t, os.WriteFile(path, nil, 0o600))
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited 10 s")
		}
	}
}

func spaceOf(pid, kind string) string {
	link, _ := os.Readlink("/proc/" + pid + "/ns/" + kind)
	return link
}

func commandOf(pid string) string {
	name, _ := os.ReadFile("/proc/" + pid + "/comm")
	return strings.TrimSpace(string(name))
}

// kill ends a process that is not our child and waits until it is gone or a
// zombie of whoever adopted it.
func kill(t *testing.T, pid int) {
	t.Helper()
	must(t, syscall.Kill(pid, syscall.SIGKILL))
	waitFor(t, func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || strings.Contains(string(stat), ") Z ")
	})
}

func pipes(t *testing.T, cmd *exec.Cmd) (in, out *os.File) {
	t.Helper()
	inRead, in, err := os.Pipe()
	must(t, err)
	out, outWrite, err := os.Pipe()
	must(t, err)
	cmd.Stdin, cmd.Stdout = inRead, outWrite
	must(t, cmd.Start())
	must(t, inRead.Close())
	must(t, outWrite.Close())
	t.Cleanup(func() { in.Close(); out.Close() })
	return in, out
}

package nsenter

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// attackHelper is a payload with every capability that wants to write to the
// program that started it, CVE-2019-5736 and its relatives. It prints how it
// got through, one way a line, or "none".
func attackHelper(targets []string) {
	got := 0
	for _, target := range targets {
		for _, a := range attacks(target) {
			if err := a.try(); err == nil {
				fmt.Printf("%s: %s\n", target, a.name)
				got++
			}
		}
	}
	if got == 0 {
		fmt.Println("none")
	}
}

// attack is one way to write to a program; its error says that it was in vain.
type attack struct {
	name string
	try  func() error
}

func attacks(target string) []attack {
	path := func() (int, error) { return unix.Open(target, unix.O_PATH|unix.O_CLOEXEC, 0) }
	var list []attack
	for name, flags := range map[string]int{"write": unix.O_WRONLY, "read and write": unix.O_RDWR,
		"truncate": unix.O_WRONLY | unix.O_TRUNC, "append": unix.O_WRONLY | unix.O_APPEND} {
		list = append(list, attack{"open to " + name, func() error { return openAnd(target, flags) }})
		list = append(list, attack{"reopen to " + name, func() error {
			fd, err := path()
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return openAnd(fmt.Sprintf("/proc/self/fd/%d", fd), flags)
		}})
	}
	list = append(list,
		attack{"truncate(2)", func() error { return unix.Truncate(target, 0) }},
		attack{"shared writable mapping", func() error { return mapWritable(target) }},
		attack{"remount, then open", func() error {
			err := unix.Mount("", target, "", unix.MS_REMOUNT|unix.MS_BIND, "")
			return errors.Join(err, openAnd(target, unix.O_WRONLY))
		}},
		attack{"fchmod, then open", func() error {
			return errors.Join(unix.Chmod(target, 0o777), openAnd(target, unix.O_WRONLY))
		}},
	)
	for name, flags := range map[string]uint{"": unix.AT_EMPTY_PATH, " recursively": unix.AT_EMPTY_PATH | unix.AT_RECURSIVE} {
		list = append(list, attack{"mount_setattr" + name + ", then open", func() error {
			fd, err := path()
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			attr := &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}
			_ = unix.MountSetattr(fd, "", flags, attr)
			return openAnd(target, unix.O_WRONLY)
		}})
	}
	list = append(list, attack{"open_tree clone, made writable", func() error { return cloneAndOpen(target) }},
		attack{"bind mount, made writable", func() error { return bindAndOpen(target) }})
	return list
}

// openAnd opens a file and writes a byte, if it comes to that, where it does
// the least harm: behind the end.
func openAnd(path string, flags int) error {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if _, err := unix.Seek(fd, 0, io.SeekEnd); err != nil {
		return err
	}
	_, err = unix.Write(fd, []byte{0})
	return err
}

func mapWritable(path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	m, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	defer unix.Munmap(m)
	return unix.Mprotect(m, unix.PROT_READ|unix.PROT_WRITE)
}

func cloneAndOpen(path string) error {
	tree, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(tree)
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}); err != nil {
		return err
	}
	return openAnd(fmt.Sprintf("/proc/self/fd/%d", tree), unix.O_WRONLY)
}

func bindAndOpen(path string) error {
	f, err := os.CreateTemp("/tmp", "target")
	if err != nil {
		return err
	}
	f.Close()
	place := f.Name()
	defer os.Remove(place)
	if err := unix.Mount(path, place, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	defer unix.Unmount(place, unix.MNT_DETACH)
	_ = unix.Mount("", place, "", unix.MS_REMOUNT|unix.MS_BIND, "")
	return openAnd(place, unix.O_WRONLY)
}

// containerSteps are namespaces as a container has them, with a /proc and a
// /tmp of their own.
func containerSteps() []Step {
	mount := func(source, target, kind string, flags int) Step {
		return Call(Child, unix.SYS_MOUNT, Str(source), Str(target), Str(kind), Int(flags), Null()).On(target)
	}
	return []Step{
		spawn(unix.CLONE_NEWPID | unix.CLONE_NEWNS),
		mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE),
		mount("proc", "/proc", "proc", 0),
		mount("tmp", "/tmp", "tmpfs", 0),
	}
}

// helperStep is an execve step of a helper, by any path of the test binary.
func helperStep(path, name string, args ...string) Step {
	return Call(Child, unix.SYS_EXECVE, Str(path), Strs(append([]string{"helper"}, args...)),
		Strs([]string{helperEnv + "=" + name})).On(path)
}

// victimBinary copies the test binary, as what is attacked must be a file that
// may be lost, and returns where it is and its hash.
func victimBinary(t *testing.T) (string, string) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(path, b, 0o755); err != nil {
		t.Fatal(err)
	}
	return path, hashOf(t, path)
}

func hashOf(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))
}

// hostHelper is the host side of an attack: it is the victim, and runs the
// attacker. Its arguments are the empty folder, which decides how it seals,
// how the attacker gets hold of the program, where the attacker's own program
// is, and the kind of file system that the sealed binary must be on.
func hostHelper(args []string) {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(must(seal(args[0])), &fs); err != nil || fmt.Sprintf("%x", fs.Type) != args[3] {
		panic(fmt.Sprintf("sealed on a file system of type %x, %v", fs.Type, err))
	}
	p := &Plan{}
	p.Add(containerSteps()...)
	// A mount does not hide the attacker's own copy: it is opened before.
	fd := p.NewSlot("attacker")
	p.Add(Call(Host, unix.SYS_OPENAT, Int(unix.AT_FDCWD), Str(args[2]), Int(unix.O_RDONLY|unix.O_CLOEXEC), Int(0)).To(fd))
	switch args[1] {
	case "self": // the payload is the program itself, as "#!/proc/self/exe" makes it
		p.Add(helperStep("/proc/self/exe", "attack", "/proc/self/exe"))
	case "init": // PID 1 is the program
		argv, env := Strs([]string{"helper", "/proc/1/exe"}), Strs([]string{helperEnv + "=attack"})
		p.Add(Control(Child, OpInit, "init"), Call(Child, unix.SYS_EXECVEAT, Fd(fd), Str(""), argv, env, Int(unix.AT_EMPTY_PATH)))
	}
	h, err := p.Start(context.Background(), Options{Stdout: os.Stdout, Stderr: os.Stderr, Empty: args[0]})
	defer h.Close()
	if err != nil {
		panic(err)
	}
	if status := must(h.Wait()); status.ExitStatus() != 0 {
		panic(fmt.Sprint("the attacker ended with ", status.ExitStatus()))
	}
}

// TestSealed attacks the program by every route, sealed in either way, and
// compares its file before and after.
func TestSealed(t *testing.T) {
	needRoot(t)
	for _, kind := range []string{"overlay", "copy"} {
		for _, route := range []string{"self", "init"} {
			t.Run(kind+" "+route, func(t *testing.T) {
				victim, before := victimBinary(t)
				attacker, _ := victimBinary(t)
				empty, magic := t.TempDir(), unix.OVERLAYFS_SUPER_MAGIC
				if kind == "copy" {
					empty, magic = filepath.Join(empty, "missing"), unix.TMPFS_MAGIC // no overlay without it
				}
				cmd := exec.CommandContext(t.Context(), victim, empty, route, attacker, fmt.Sprintf("%x", magic))
				cmd.Env = append(os.Environ(), helperEnv+"=host")
				cmd.Stderr = os.Stderr
				out, err := cmd.Output()
				if err != nil || string(out) != "none\n" {
					t.Errorf("%v, the attacker got through by: %s", err, out)
				}
				if hashOf(t, victim) != before {
					t.Error("the binary has changed")
				}
			})
		}
	}
}

// TestAttackWorks runs the attacker against a program that is not sealed: one
// that could never get through would prove nothing.
func TestAttackWorks(t *testing.T) {
	needRoot(t)
	victim, before := victimBinary(t)
	cmd := helperCommand(t, "attack", victim)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	out, err := cmd.Output()
	if err != nil || !strings.Contains(string(out), "open to write") || !strings.Contains(string(out), "reopen to write") {
		t.Fatalf("%v: %s", err, out)
	}
	if hashOf(t, victim) == before {
		t.Fatal("the binary is as it was")
	}
}

// emptyFolder returns a folder that is not below the test binary's own, where
// the overlay would refuse it.
func emptyFolder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "empty")
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { os.Remove(dir) })
	return dir
}

// TestSealKinds looks at what the two ways of sealing give.
func TestSealKinds(t *testing.T) {
	needRoot(t)
	fd, err := sealByOverlay(emptyFolder(t))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil || fs.Type != unix.OVERLAYFS_SUPER_MAGIC || fs.Flags&unix.ST_RDONLY == 0 {
		t.Errorf("file system %x, flags %x, %v", fs.Type, fs.Flags, err)
	}
	if _, err := sealByOverlay(filepath.Join(t.TempDir(), "missing")); !errors.Is(err, unix.ENOENT) {
		t.Errorf("without its second layer: %v", err)
	}
	memory, err := sealByCopy()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(memory)
	if _, err := unix.Pwrite(memory, []byte("x"), 0); !errors.Is(err, unix.EPERM) {
		t.Errorf("write to the copy: %v", err)
	}
	if err := unix.Ftruncate(memory, 0); !errors.Is(err, unix.EPERM) {
		t.Errorf("truncate the copy: %v", err)
	}
	if hashOf(t, fmt.Sprintf("/proc/self/fd/%d", memory)) != hashOf(t, "/proc/self/exe") {
		t.Error("the copy differs")
	}
}

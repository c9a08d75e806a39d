package rootfs

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// fillOriginal makes a tree with everything that a copy must keep.
func fillOriginal(t testing.TB, dir string) {
	t.Helper()
	write(t, dir, "file", "empty", "sub/deep/er", "caps")
	old := time.Unix(1e9, 5000)
	err := errors.Join(
		os.WriteFile(dir+"/big", []byte(strings.Repeat("0123456789abcdef", 20000)), 0o600),
		os.Truncate(dir+"/empty", 0),
		os.Link(dir+"/file", dir+"/sub/hard"),
		os.Symlink("/etc/passwd", dir+"/link"),
		os.Symlink("../../../../../../outside", dir+"/sub/up"),
		unix.Mkfifo(dir+"/fifo", 0o600),
		unix.Mknod(dir+"/null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))),
		os.Lchown(dir+"/link", 8, 9),
		os.Chown(dir+"/sub", 3, 4),
		os.Chown(dir+"/caps", 1, 2),
		os.Chmod(dir+"/sub", 0o2750|os.ModeSetgid),
		os.Chmod(dir+"/caps", 0o755|os.ModeSetuid),
		unix.Setxattr(dir+"/caps", "security.capability", []byte("\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 0),
		unix.Setxattr(dir+"/file", "trusted.mark", []byte("yes"), 0),
		os.Chtimes(dir+"/file", old, old),
		os.Chtimes(dir+"/sub", old, old),
		os.Chmod(dir, 0o1751|os.ModeSticky),
	)
	if err != nil {
		t.Fatal(err)
	}
}

// TestCopyUp: the tmpfs has what its mount point had, exactly, and the mount
// point stays as it is.
func TestCopyUp(t *testing.T) {
	root := boxRoot(t)
	fillOriginal(t, root+"/srv")
	link(t, root, "way", "/srv")
	before := treeHash(t, root+"/srv")
	const script = `
test "$(cat /srv/file)" = file || exit 1
test "$(stat -c %a /srv)" = 1751 && test "$(stat -c %s /srv/big)" = 320000 && test "$(stat -c %a /srv/big)" = 600 || exit 2
test "$(stat -c %h:%i /srv/file)" = "$(stat -c %h:%i /srv/sub/hard)" && test "$(stat -c %h /srv/file)" = 2 || exit 3
test "$(readlink /srv/link)" = /etc/passwd && test "$(stat -c %u:%g /srv/link)" = 8:9 || exit 4
test -p /srv/fifo && test -c /srv/null && test "$(stat -c %t:%T /srv/null)" = 1:3 || exit 5
test "$(stat -c %u:%g:%a /srv/sub)" = 3:4:2750 && test "$(stat -c %u:%g:%a /srv/caps)" = 1:2:4755 || exit 6
test "$(stat -c %Y /srv/file)" = 1000000000 && test "$(stat -c %Y /srv/sub)" = 1000000000 || exit 7
echo new >/srv/file && rm /srv/empty && cat /srv/sub/deep/er
`
	for _, dest := range []string{"/srv", "/way"} {
		b := &box{root: root, mounts: append(defaults(), tmpfs(dest, "tmpcopyup"))}
		if out, err := b.run(t, script); err != nil {
			t.Errorf("%s: %v\n%s", dest, err, out)
		}
	}
	if after := treeHash(t, root+"/srv"); after != before {
		t.Errorf("the mount point changed:\n%s\nwas\n%s", after, before)
	}
}

// TestCopyUpLimits: the options of the tmpfs hold, and a missing folder is
// an empty one.
func TestCopyUpLimits(t *testing.T) {
	root := boxRoot(t)
	fillOriginal(t, root+"/srv")
	for _, x := range []struct {
		name, script string
		m            specs.Mount
		fails        error
	}{
		{"too small", "", tmpfs("/srv", "tmpcopyup", "size=64k"), unix.ENOSPC},
		{"read-only", "cat /srv/file && ! touch /srv/x", tmpfs("/srv", "tmpcopyup", "ro"), nil},
		{"mode as asked", `test "$(stat -c %a:%u /srv)" = 700:5 && cat /srv/file`, tmpfs("/srv", "tmpcopyup", "mode=700", "uid=5"), nil},
		{"missing", `test -d /new && test -z "$(ls /new)"`, tmpfs("/new", "tmpcopyup"), nil},
	} {
		out, err := (&box{root: root, mounts: append(defaults(), x.m)}).run(t, x.script)
		if !errors.Is(err, x.fails) {
			t.Errorf("%s: got %v, want %v\n%s", x.name, err, x.fails, out)
		}
	}
}

// TestCopyAttributes: what a container's shell does not show.
func TestCopyAttributes(t *testing.T) {
	needRoot(t)
	from, to := t.TempDir(), t.TempDir()
	mountTmpfs(t, to)
	if err := os.Remove(to + "/in"); err != nil {
		t.Fatal(err)
	}
	fillOriginal(t, from)
	in, err := openDir(unix.AT_FDCWD, from)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(in)
	c := copier{links: map[uint64]string{}}
	if c.root, err = openDir(unix.AT_FDCWD, to); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(c.root)
	if err := c.folder(in, ""); err != nil {
		t.Fatal(err)
	}
	for file, name := range map[string]string{"/caps": "security.capability", "/file": "trusted.mark"} {
		want, got := make([]byte, 64), make([]byte, 64)
		n, err1 := unix.Getxattr(from+file, name, want)
		m, err2 := unix.Getxattr(to+file, name, got)
		if err1 != nil || err2 != nil || string(want[:n]) != string(got[:m]) {
			t.Errorf("%s of %s is %x, want %x (%v, %v)", name, file, got[:m], want[:n], err1, err2)
		}
	}
	big, err := os.ReadFile(to + "/big")
	if err != nil || string(big) != strings.Repeat("0123456789abcdef", 20000) {
		t.Errorf("big has %d bytes, %v", len(big), err)
	}
}

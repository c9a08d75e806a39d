package archive

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"berth/tests/fixture"
)

// manifest describes every path below root: all that an archive should keep.
func manifest(t testing.TB, root string) []string {
	t.Helper()
	var rows []string
	first := map[uint64]string{}
	err := filepath.WalkDir(root, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		n, err := openNode(unix.AT_FDCWD, p)
		if err != nil {
			return err
		}
		defer n.close()
		name, st, content := strings.TrimPrefix(p, root), n.st, ""
		switch n.kind() {
		case unix.S_IFSOCK:
			return nil
		case unix.S_IFDIR:
			st.Size = 0
		case unix.S_IFLNK:
			content, _ = os.Readlink(p)
		case unix.S_IFREG:
			f, err := os.Open(p)
			if err != nil {
				return err
			}
			defer f.Close()
			sum := sha256.New()
			if _, err := io.Copy(sum, f); err != nil {
				return err
			}
			content = fmt.Sprintf("%x", sum.Sum(nil))
		}
		names, err := n.xattrs()
		for _, x := range names {
			value, _, _ := n.xattr(x)
			content += fmt.Sprintf(" %s=%q", x, value)
		}
		if first[st.Ino] == "" {
			first[st.Ino] = name
		}
		rows = append(rows, fmt.Sprintf("%q %o %d:%d size=%d mtime=%d.%09d rdev=%x same=%q %s",
			name, st.Mode, st.Uid, st.Gid, st.Size, st.Mtim.Sec, st.Mtim.Nsec, st.Rdev, first[st.Ino], content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// sameTrees compares two manifests row by row.
func sameTrees(t *testing.T, got, want []string) {
	t.Helper()
	for _, r := range want {
		if !slices.Contains(got, r) {
			t.Errorf("lost   %s", r)
		}
	}
	for _, r := range got {
		if !slices.Contains(want, r) {
			t.Errorf("gained %s", r)
		}
	}
}

// richTree has one of everything.
func richTree(t testing.TB) string {
	t.Helper()
	fixture.NeedRoot(t)
	root := t.TempDir()
	long := strings.Repeat("long/", 40) + strings.Repeat("n", 200)
	plant(t, root, "etc/passwd=root", "bin/su=setuid", "bin/ping=caps", "empty/", "weird \n\xff name=w", long+"=deep",
		"abs -> /etc/passwd", "up -> ../../../..", "dangling -> nowhere", "longlink -> "+strings.Repeat("t", 300), "öäü=utf-8", ".wh.kept=x")
	at := func(name string) string { return root + "/" + name }
	zeros := bytes.Repeat([]byte{0}, 300<<10)
	steps := []error{
		os.Link(at("bin/su"), at("bin/su2")), os.Link(at("bin/su"), at("aa")), os.Link(at("abs"), at("abs2")),
		unix.Mknod(at("null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))), unix.Mknod(at("disk"), unix.S_IFBLK|0o660, int(unix.Mkdev(259, 70000))),
		unix.Mknod(at("fifo"), unix.S_IFIFO|0o600, 0), unix.Mknod(at("sock"), unix.S_IFSOCK|0o600, 0),
		os.Link(at("null"), at("null2")),
		os.Chown(at("bin/su"), 1000, 1000), unix.Chmod(at("bin/su"), 0o4755), unix.Chmod(at("empty"), 0o1777),
		os.Lchown(at("dangling"), 4_000_000_000, 3_000_000_000), os.Chown(at("etc"), 5, 70000), unix.Chmod(at("etc"), 0o2750),
		unix.Setxattr(at("bin/ping"), capabilityXattr, []byte("\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 0),
		unix.Setxattr(at("etc"), "user.note", []byte("a=b\n\x00c"), 0), unix.Lsetxattr(at("abs"), "trusted.note", []byte("on a link"), 0),
		os.WriteFile(at("zeros"), zeros, 0o600), os.WriteFile(at("hole"), append(zeros, 'e'), 0o600), os.Truncate(at("hole"), 1<<20),
	}
	for _, when := range []struct {
		name string
		t    time.Time
	}{{"etc/passwd", time.Unix(1_600_000_000, 123456789)}, {"zeros", time.Unix(0, 1)}, {"hole", time.Unix(-5, 0)}, {"etc", time.Unix(5_000_000_000, 999)}} {
		steps = append(steps, os.Chtimes(at(when.name), when.t, when.t))
	}
	if err := errors.Join(steps...); err != nil {
		t.Fatal(err)
	}
	return root
}

func pack(t testing.TB, root string, opts PackOptions) []byte {
	t.Helper()
	var b bytes.Buffer
	size, err := Pack(t.Context(), &b, folder(t, root), opts)
	if err != nil {
		t.Fatal(err)
	}
	if size > int64(b.Len()) || size == 0 {
		t.Errorf("size %d of an archive of %d", size, b.Len())
	}
	return b.Bytes()
}

func TestRoundTrip(t *testing.T) {
	root := richTree(t)
	var notices []string
	b := pack(t, root, PackOptions{Notice: func(s string) { notices = append(notices, s) }})
	if !slices.Equal(notices, []string{"sock: socket ignored"}) {
		t.Errorf("notices: %q", notices)
	}
	want := manifest(t, root)
	t.Run("as a copy", func(t *testing.T) {
		to := t.TempDir()
		if err := Extract(t.Context(), bytes.NewReader(b), Target{Root: folder(t, to), Links: true, Owners: kept{}}); err != nil {
			t.Fatal(err)
		}
		sameTrees(t, manifest(t, to)[1:], want[1:]) // the target's own root stays as it is
	})
	t.Run("as a layer", func(t *testing.T) {
		to := t.TempDir()
		// A name that means a deletion in a layer is no file there.
		if _, err := Unpack(t.Context(), bytes.NewReader(b), folder(t, to), Limits{}); err != nil {
			t.Fatal(err)
		}
		deletion := func(r string) bool { return strings.Contains(r, ".wh.kept") || strings.HasPrefix(r, `"/kept"`) }
		sameTrees(t, slices.DeleteFunc(manifest(t, to), deletion), slices.DeleteFunc(slices.Clone(want), deletion))
	})
	t.Run("the same again", func(t *testing.T) {
		if !bytes.Equal(b, pack(t, root, PackOptions{})) {
			t.Error("two archives of one tree differ")
		}
	})
}

// kept keeps owners.
type kept struct{}

func (kept) Of(uid, gid int) (int, int, error) { return uid, gid, nil }
func (kept) Keep() bool                        { return true }

func TestHolesStayHoles(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/f", []byte("begin"), 0o600); err != nil {
		t.Fatal(err)
	}
	const size = 64 << 20
	if err := os.Truncate(dir+"/f", size); err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(t.TempDir() + "/tar")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	holes := NewHoles(out)
	if _, err := Pack(t.Context(), holes, folder(t, dir), PackOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := holes.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	if err := Extract(t.Context(), out, Target{Root: folder(t, to)}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{out.Name(), to + "/f"} {
		var st unix.Stat_t
		if err := unix.Stat(name, &st); err != nil || st.Size < size || st.Blocks > 2000 {
			t.Errorf("%s: %d bytes in %d blocks, %v", name, st.Size, st.Blocks, err)
		}
	}
	if b, err := os.ReadFile(to + "/f"); err != nil || len(b) != size || !bytes.HasPrefix(b, []byte("begin")) || bytes.Trim(b[5:], "\x00") != nil && len(bytes.Trim(b[5:], "\x00")) > 0 {
		t.Errorf("content of %d bytes, %v", len(b), err)
	}
}

// TestHugeHeader: the size of a file that octal digits cannot hold.
func TestHugeHeader(t *testing.T) {
	dir := t.TempDir()
	const size = 10 << 30
	if err := errors.Join(os.WriteFile(dir+"/huge", nil, 0o600), os.Truncate(dir+"/huge", size)); err != nil {
		t.Fatal(err)
	}
	root := folder(t, dir)
	r, w := io.Pipe()
	go func() {
		_, err := Pack(t.Context(), w, root, PackOptions{})
		w.CloseWithError(err)
	}()
	defer r.Close()
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if err != nil {
			t.Fatal(err)
		}
		if h.Name == "huge" {
			if h.Size != size {
				t.Errorf("size %d", h.Size)
			}
			return
		}
	}
}

// TestPackSomethingElse: a tree need not be a directory.
func TestPackSomethingElse(t *testing.T) {
	root := richTree(t)
	for name, want := range map[string]byte{"etc/passwd": tar.TypeReg, "abs": tar.TypeSymlink, "null": tar.TypeChar, "disk": tar.TypeBlock, "fifo": tar.TypeFifo, "etc": tar.TypeDir} {
		var b bytes.Buffer
		if _, err := (Tree{Root: folder(t, root), Confined: true}).Pack(t.Context(), &b, name, "other", nil); err != nil {
			t.Fatal(err)
		}
		h, err := tar.NewReader(&b).Next()
		if err != nil || h.Typeflag != want || strings.TrimSuffix(h.Name, "/") != "other" {
			t.Errorf("%s: %+v, %v", name, h, err)
		}
	}
}

func TestShrinkingFile(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, "f=123456")
	n, err := openNode(unix.AT_FDCWD, dir+"/f")
	if err != nil {
		t.Fatal(err)
	}
	defer n.close()
	n.st.Size = 100 // what it had when it was looked at
	var b bytes.Buffer
	var notices []string
	p := newPacker(&b, PackOptions{Notice: func(s string) { notices = append(notices, s) }})
	if err := errors.Join(p.add(t.Context(), n, "f", "f"), p.end(true)); err != nil {
		t.Fatal(err)
	}
	tr := tar.NewReader(&b)
	if _, err := tr.Next(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(tr)
	if err != nil || string(got) != "123456"+strings.Repeat("\x00", 94) || len(notices) != 1 {
		t.Errorf("%q, %v, notices %q", got, err, notices)
	}
}

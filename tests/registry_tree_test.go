package tests

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"berth/image"
	"berth/state"
	"berth/tests/fixture"
	"berth/tests/registries"
)

// TestUnpackedTrees: what berth unpacks is what umoci and podman unpack of the same
// image, entry by entry.
func TestUnpackedTrees(t *testing.T) {
	leaveToHost(t)
	layouts := fixture.Images(t, "corners", "nginx")
	for _, name := range []string{"corners", "nginx"} {
		t.Run(name, func(t *testing.T) {
			// A tmpfs may know no attributes of users, which corners has.
			if name != "corners" {
				inMemory(t)
			}
			layout := filepath.Join(layouts, name) + ":latest"
			r := registries.Start(t, registries.Plain)
			s, ref := newStage(t), r.Host+"/"+name+":1"
			newSkopeo(t).push("oci:"+layout, ref)
			s.must("pull", "-q", ref)
			have, bundle := s.tree(ref), filepath.Join(t.TempDir(), "bundle")
			peer{t, []string{fixture.NeedTool(t, "umoci")}}.must("unpack", "--image", layout, bundle)
			compareTrees(t, "umoci", have, readTree(t, filepath.Join(bundle, "rootfs")))
			if name == "corners" {
				podman := newPodman(t)
				podman.must("pull", "-q", "--tls-verify=false", ref)
				at := strings.TrimSpace(podman.must("image", "mount", ref))
				compareTrees(t, "podman", have, readTree(t, at))
				podman.must("image", "unmount", ref)
			}
			s.must("rmi", ref)
			s.clean()
		})
	}
}

// tree reads all layers of an image as a container would see them.
func (s *stage) tree(ref string) map[string]string {
	s.t.Helper()
	img, err := image.Open(state.Dirs{Root: s.root, Run: s.run}).Resolve(ref)
	if err != nil {
		s.t.Fatal(err)
	}
	at := s.t.TempDir()
	// The uppermost layer comes first, and an overlay of one layer needs another.
	lower := append(slices.Clone(img.Layers), s.t.TempDir())
	if err := unix.Mount("overlay", at, "overlay", unix.MS_RDONLY, "lowerdir="+strings.Join(lower, ":")); err != nil {
		s.t.Fatal(err)
	}
	defer func() {
		if err := unix.Unmount(at, 0); err != nil {
			s.t.Error(err)
		}
	}()
	return readTree(s.t, at)
}

// readTree describes every entry below a folder.
func readTree(t *testing.T, root string) map[string]string {
	t.Helper()
	tree, links := map[string]string{}, map[inode][]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		name := strings.TrimPrefix(path, root+"/")
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return &os.PathError{Op: "lstat", Path: path, Err: err}
		}
		if st.Mode&unix.S_IFMT == unix.S_IFREG {
			links[inode{st.Dev, st.Ino}] = append(links[inode{st.Dev, st.Ino}], name)
		}
		tree[name], err = describe(path, st)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	// Not the number that the kernel gives: an overlay's counts names that an upper
	// layer hides, too.
	for _, names := range links {
		for _, name := range names[1:] {
			tree[name] += ", the same file as " + names[0]
		}
	}
	return tree
}

// inode is what names of one file have in common.
type inode struct{ device, number uint64 }

// describe says everything of one entry that an image keeps, but for its names.
func describe(path string, st unix.Stat_t) (string, error) {
	said := []string{fmt.Sprintf("mode %o owner %d:%d time %d.%09d", st.Mode, st.Uid, st.Gid, st.Mtim.Sec, st.Mtim.Nsec)}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		said = append(said, fmt.Sprintf("%d bytes %x", st.Size, sha256.Sum256(text)))
	case unix.S_IFLNK:
		to, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		said = append(said, "to "+to)
	case unix.S_IFCHR, unix.S_IFBLK:
		said = append(said, fmt.Sprintf("device %d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev)))
	}
	attrs, err := xattrs(path)
	return strings.Join(append(said, attrs...), ", "), err
}

// xattrs lists the extended attributes of an entry, but for overlay's own.
func xattrs(path string) ([]string, error) {
	names := make([]byte, 1<<16)
	n, err := unix.Llistxattr(path, names)
	if err != nil {
		return nil, &os.PathError{Op: "listxattr", Path: path, Err: err}
	}
	var all []string
	for name := range strings.SplitSeq(strings.TrimRight(string(names[:n]), "\x00"), "\x00") {
		if name == "" || strings.HasPrefix(name, "trusted.overlay.") || name == "security.selinux" {
			continue
		}
		value := make([]byte, 1<<16)
		n, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			return nil, &os.PathError{Op: "getxattr " + name, Path: path, Err: err}
		}
		all = append(all, fmt.Sprintf("%s=%x", name, value[:n]))
	}
	slices.Sort(all)
	return all, nil
}

// compareTrees names the entries that differ.
func compareTrees(t *testing.T, other string, have, want map[string]string) {
	t.Helper()
	if len(want) < 100 {
		t.Errorf("%s unpacked only %d entries", other, len(want))
	}
	names := maps.Clone(have)
	maps.Copy(names, want)
	different := 0
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if have[name] == want[name] {
			continue
		}
		if different++; different <= 20 {
			t.Errorf("%q\nberth:  %s\n%s: %s", name, have[name], other, want[name])
		}
	}
	if different > 20 {
		t.Errorf("%d entries differ", different)
	}
}

package rootfs

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// TestHostileRoot puts a symbolic link in the place of everything that a start
// mounts on or makes. Whether the start is refused or lands inside the root:
// nothing outside may change, and nothing of the host may be seen.
func TestHostileRoot(t *testing.T) {
	base := boxRoot(t)
	source := t.TempDir()
	write(t, source, "mark")
	for _, place := range []string{"dev", "dev/pts", "dev/ptmx", "dev/null", "dev/console", "dev/shm", "dev/mqueue", "proc", "sys", "data", "parent", "etc", "work"} {
		kinds := []string{"absolute", "magic", "dots", "dangling", "self", "loop"}
		if testing.Short() {
			kinds = kinds[:2]
		}
		for _, kind := range kinds {
			t.Run(strings.ReplaceAll(place, "/", " ")+" "+kind, func(t *testing.T) {
				victim, intact := canary(t)
				root := copyRoot(t, base)
				link(t, root, place, map[string]string{
					"absolute": victim + "/dir", "dots": strings.Repeat("../", 20) + victim + "/dir", "dangling": victim + "/new/place",
					"magic": "/proc/self/root" + victim, "self": ".", "loop": "/" + place,
				}[kind])
				b := &box{
					root: root, terminal: true, workDir: "/work/dir", masked: []string{"/proc/irq", "/sys/firmware"}, readonly: []string{"/proc/fs"},
					mounts: append(defaults(), bind(source, "/data"), bind(source, "/parent/sub"), bind(source+"/mark", "/etc/hosts"), tmpfs("/dev/extra")),
				}
				out, err := b.run(t, "cat "+victim+"/file; cat /proc/self/mountinfo; true")
				t.Logf("%v", err)
				if strings.Contains(out, secret) {
					t.Errorf("the host's files are seen:\n%s", out)
				}
				if diff := intact(); diff != "" {
					t.Error(diff)
				}
				if (place == "proc" || place == "sys") && err == nil {
					t.Errorf("%s is a link and was mounted upon:\n%s", place, out)
				}
			})
		}
	}
}

// TestHostileRootItself: "/" as a link is the caller's folder, followed as
// such, and never replaced by what is in it.
func TestHostileRootItself(t *testing.T) {
	root := boxRoot(t)
	way := filepath.Join(t.TempDir(), "way")
	if err := os.Symlink(root, way); err != nil {
		t.Fatal(err)
	}
	if out, err := (&box{root: way, mounts: defaults()}).run(t, "test -x /bin/sh && test ! -e "+root); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestReadOnlyBindIsNotMadeIn leads a mount point into a bind mount that is to
// be read-only, by its path and by a link of the image: the host's folder stays
// as it is.
func TestReadOnlyBindIsNotMadeIn(t *testing.T) {
	root := boxRoot(t)
	link(t, root, "way", "/data")
	for _, option := range []string{"ro", "rro"} {
		for _, dest := range []string{"/data/made", "/way/made"} {
			source := t.TempDir()
			b := &box{root: root, mounts: append(defaults(), bind(source, "/data", "rbind", option), tmpfs(dest))}
			if out, err := b.run(t, "true"); !errors.Is(err, unix.EROFS) {
				t.Errorf("%s, %s: %v, want %v\n%s", option, dest, err, unix.EROFS, out)
			}
			if _, err := os.Lstat(source + "/made"); err == nil {
				t.Errorf("%s, %s: a folder was made in the source", option, dest)
			}
		}
	}
}

// copyRoot links a tree anew, which is quicker than copying it.
func copyRoot(t testing.TB, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "root")
	err := filepath.WalkDir(from, func(p string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(from, p)
		dest := filepath.Join(to, rel)
		switch {
		case d.IsDir():
			return os.MkdirAll(dest, 0o755)
		case d.Type()&os.ModeSymlink != 0:
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			return os.Symlink(target, dest)
		}
		return os.Link(p, dest)
	})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// swapTime is how long the race goes on.
func swapTime() time.Duration {
	if os.Getenv("BERTH_SOAK") != "" {
		return 10 * time.Minute
	}
	return 3 * time.Second
}

// TestSwapSoak exchanges a folder of the root with a link to the host as
// often as it can, while mounts are made below it (CVE-2021-30465).
func TestSwapSoak(t *testing.T) {
	root := boxRoot(t)
	victim, intact := canary(t)
	source := t.TempDir()
	write(t, source, "mark")
	for _, dir := range []string{"swap/inner", "spare"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	link(t, root, "swap-link", victim)
	ctx, cancel := context.WithTimeout(t.Context(), swapTime())
	defer cancel()
	var attacker sync.WaitGroup
	swaps := 0
	attacker.Go(func() {
		for ctx.Err() == nil {
			_ = unix.Renameat2(unix.AT_FDCWD, root+"/swap", unix.AT_FDCWD, root+"/swap-link", unix.RENAME_EXCHANGE)
			swaps++
		}
	})
	runs, landed, refused := 0, 0, 0
	for ; ctx.Err() == nil; runs++ {
		b := &box{
			root: root, workDir: "/swap/work", masked: []string{"/swap/inner"},
			mounts: append(defaults(), bind(source, "/swap/inner/data"), tmpfs("/swap/tmp"), bind(source+"/mark", "/swap/file")),
		}
		out, err := b.run(t, "cat "+victim+"/file; true")
		switch {
		case err == nil:
			landed++
		case !expectedRefusal(err):
			t.Fatalf("run %d: %v", runs, err)
		default:
			refused++
		}
		if strings.Contains(out, secret) {
			t.Fatalf("run %d: the host's files are seen:\n%s", runs, out)
		}
	}
	attacker.Wait()
	if diff := intact(); diff != "" {
		t.Fatal(diff)
	}
	if swaps < 1000 || runs < 5 {
		t.Errorf("%d swaps and %d runs are no race", swaps, runs)
	}
	t.Logf("%d runs against %d swaps: %d landed in the root, %d were refused", runs, swaps, landed, refused)
}

// expectedRefusal: the walk found something that was gone a moment later. A
// link to a place that the root lacks is made in the root, so this is rare.
func expectedRefusal(err error) bool {
	return slices.ContainsFunc([]error{unix.ENOENT, unix.ENOTDIR, unix.ELOOP, unix.EEXIST, unix.EXDEV, unix.EAGAIN, unix.EINVAL}, func(e error) bool { return errors.Is(err, e) })
}

// TestResolverLeaksNothing: every way through the resolver closes what it
// opened.
func TestResolverLeaksNothing(t *testing.T) {
	root := boxRoot(t)
	source := t.TempDir()
	link(t, root, "loop", "loop")
	link(t, root, "way", "/a/../b")
	open := func() int {
		names, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	once := func(dests ...string) {
		p := &nsenter.Plan{}
		a := New(p)
		a.Folder(root, "", "root.path")
		for _, m := range append([]specs.Mount{tmpfs("/t"), {Type: "proc", Destination: "/proc"}}, bind(source, "/b/c")) {
			if err := a.Add(m, "mounts"); err != nil {
				t.Fatal(err)
			}
		}
		for _, dest := range dests {
			a.WorkDir(dest, "process.cwd")
		}
		h, _ := p.Start(t.Context(), nsenter.Options{})
		h.Close()
	}
	all := []string{"/way/c/d", "/t/x/../y", "/bin/sh/x", "/loop/x", "/proc/1", "/new/one", "/var/run/x"}
	once(all...)
	before := open()
	for range 20 {
		for _, dest := range all {
			once(dest)
		}
	}
	if after := open(); after > before {
		t.Errorf("%d descriptors are open, %d were", after, before)
	}
}

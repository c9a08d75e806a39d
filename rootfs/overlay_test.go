package rootfs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// TestOverlay makes roots of many layers, the way that this kernel has and
// the one of kernels before 6.8.
func TestOverlay(t *testing.T) {
	needRoot(t)
	for _, modern := range overlayWays(t) {
		for _, x := range []struct {
			name   string
			layers int
			dir    string
		}{
			{"one", 1, "plain"},
			{"sixty", 60, "plain"},
			{"the most of docker", 127, "plain"},
			{"names with separators", 3, `a:b,c\d e=f`},
			{"long names", 60, strings.Repeat("long", 45)},
		} {
			t.Run(fmt.Sprintf("%s, modern %v", x.name, modern), func(t *testing.T) {
				testOverlay(t, filepath.Join(t.TempDir(), x.dir), x.layers, modern)
			})
		}
	}
}

// overlayWays are those that this kernel has: the option lowerdir+ came with
// 6.8, the other way is in all of them.
func overlayWays(t *testing.T) []bool {
	t.Helper()
	if hostKernel(t) < kernelLowerdirPlus {
		return []bool{false}
	}
	return []bool{true, false}
}

// hostKernel is this machine's kernel, as 1000*major+minor.
func hostKernel(t *testing.T) int {
	t.Helper()
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		t.Fatal(err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &major, &minor); err != nil {
		t.Fatal(err)
	}
	return 1000*major + minor
}

// kernelTmpfsMaps is the version since which a tmpfs can be mounted with its
// ids mapped.
const kernelTmpfsMaps = 6003

// needKernel skips what the kernel itself cannot do.
func needKernel(t *testing.T, version int, what string) {
	t.Helper()
	if hostKernel(t) < version {
		t.Skipf("by design: %s needs Linux %d.%d", what, version/1000, version%1000)
	}
}

// kernelOf is a version that has lowerdir+, or not.
func kernelOf(modern bool) int {
	if modern {
		return kernelLowerdirPlus
	}
	return kernelLowerdirPlus - 1
}

func testOverlay(t *testing.T, dir string, count int, modern bool) {
	var layers []string
	for i := range count {
		// Each layer has a file of its own and one that the layer above hides.
		l := filepath.Join(dir, fmt.Sprintf("layer%d", i))
		write(t, l, fmt.Sprintf("only%d", i), "all")
		if err := os.WriteFile(l+"/all", fmt.Appendf(nil, "layer %d", i), 0o644); err != nil {
			t.Fatal(err)
		}
		layers = append(layers, l)
	}
	upper, work := filepath.Join(dir, "upper"), filepath.Join(dir, "work")
	for _, d := range []string{upper, work} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p := &nsenter.Plan{}
	a := New(p)
	if err := a.Overlay(layers, upper, work, true, kernelOf(modern)); err != nil {
		t.Fatal(err)
	}
	p.Add(nsenter.Do("look", func(h *nsenter.Run) error { return checkOverlay(h.Fd(a.Root), count) }))
	h, err := p.Start(t.Context(), nsenter.Options{})
	h.Close()
	if err != nil {
		t.Fatal(err)
	}
	if table, err := os.ReadFile("/proc/self/mountinfo"); err != nil || strings.Contains(string(table), "TestOverlay") {
		t.Errorf("%v: the overlay is in the mount table:\n%s", err, table)
	}
	if text, err := os.ReadFile(upper + "/new"); err != nil || string(text) != "new" {
		t.Errorf("the upper layer has %q, %v", text, err)
	}
}

// checkOverlay looks through a detached root and writes into it.
func checkOverlay(root, layers int) error {
	at := func(name string) string { return fmt.Sprintf("/proc/self/fd/%d/%s", root, name) }
	if text, err := os.ReadFile(at("all")); err != nil || string(text) != "layer 0" {
		return fmt.Errorf("the top layer's file is %q: %w", text, err)
	}
	for i := range layers {
		if _, err := os.Stat(at(fmt.Sprintf("only%d", i))); err != nil {
			return err
		}
	}
	return os.WriteFile(at("new"), []byte("new"), 0o644)
}

// TestOverlayMount: an overlay among the mounts, as podman makes for volumes,
// whatever the length of its folders' names.
func TestOverlayMount(t *testing.T) {
	root := boxRoot(t)
	for _, name := range []string{"short", strings.Repeat("long", 60) + "/" + strings.Repeat("name", 20)} {
		dir := filepath.Join(t.TempDir(), name)
		write(t, dir, "low/mark", "work/x", "up/x")
		if err := os.Remove(dir + "/work/x"); err != nil {
			t.Fatal(err)
		}
		m := specs.Mount{Destination: "/data", Type: "overlay", Source: "overlay", Options: []string{"lowerdir=" + dir + "/low", "upperdir=" + dir + "/up", "workdir=" + dir + "/work", "nosuid", "private"}}
		out, err := (&box{root: root, mounts: append(defaults(), m)}).run(t, `cat /data/mark && echo new >/data/new && grep " /data .*nosuid" /proc/self/mountinfo`)
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		if text, err := os.ReadFile(dir + "/up/new"); err != nil || string(text) != "new\n" {
			t.Errorf("the upper folder has %q, %v", text, err)
		}
		// On a read-only mount, too.
		m.Options = append(m.Options, "ro")
		if out, err := (&box{root: root, mounts: append(defaults(), m)}).run(t, `cat /data/mark && ! touch /data/other`); err != nil {
			t.Errorf("read-only: %v\n%s", err, out)
		}
	}
}

func TestOverlayErrors(t *testing.T) {
	needRoot(t)
	if err := New(&nsenter.Plan{}).Overlay(nil, "/u", "/w", false, 6018); err == nil {
		t.Error("no layers, and no error")
	}
	for _, modern := range overlayWays(t) {
		dir := t.TempDir()
		write(t, dir, "upper/x", "work/x")
		p := &nsenter.Plan{}
		if err := New(p).Overlay([]string{dir + "/missing"}, dir+"/upper", dir+"/work", false, kernelOf(modern)); err != nil {
			t.Fatal(err)
		}
		h, err := p.Start(t.Context(), nsenter.Options{})
		h.Close()
		if err == nil || !strings.Contains(err.Error(), unix.ENOENT.Error()) {
			t.Errorf("modern %v: got %v, want a missing layer", modern, err)
		}
	}
}

// TestOpenOfTheImage: the host reads regular files of the root only, and
// nothing outside (CVE-2026-47262).
func TestOpenOfTheImage(t *testing.T) {
	needRoot(t)
	root := t.TempDir()
	write(t, root, "etc/passwd", "etc/file/below")
	victim, _ := canary(t)
	link(t, root, "etc/out", victim+"/file")
	link(t, root, "etc/up", "../../../../../.."+victim+"/file")
	link(t, root, "etc/magic", "/proc/self/exe")
	link(t, root, "etc/in", "/etc/passwd")
	if err := unix.Mkfifo(root+"/etc/fifo", 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mknod(root+"/etc/device", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5))); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(root+"/etc/passwd", 0); err != nil {
		t.Fatal(err)
	}
	write(t, root, "etc/huge", "etc/largest")
	for name, size := range map[string]int64{"huge": maxRead + 1, "largest": maxRead} {
		if err := os.Truncate(root+"/etc/"+name, size); err != nil {
			t.Fatal(err)
		}
	}
	p := &nsenter.Plan{}
	a := New(p)
	a.Folder(root, "", "root.path")
	p.Add(nsenter.Do("open", func(h *nsenter.Run) error {
		for name, opens := range map[string]bool{
			"etc/passwd": true, "etc/in": true, "etc/largest": true, "etc/out": false, "etc/up": false, "etc/magic": false,
			"etc/fifo": false, "etc/device": false, "etc/huge": false, "etc/file": false, "etc/none": false,
		} {
			f, err := a.Open(h, name)
			if (err == nil) != opens {
				t.Errorf("%s: %v, want success %v", name, err, opens)
			}
			if err == nil {
				f.Close()
			}
		}
		return nil
	}))
	h, err := p.Start(t.Context(), nsenter.Options{})
	h.Close()
	if err != nil {
		t.Fatal(err)
	}
}

// TestScratchThread: the process's own namespace stays what it was, also when
// the goroutine starts on the main thread, which never ends.
func TestScratchThread(t *testing.T) {
	needRoot(t)
	before, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		t.Fatal(err)
	}
	for range 200 {
		done := make(chan error)
		go onScratchThread(func() { done <- unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS) })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if after, _ := os.Readlink("/proc/self/ns/mnt"); after != before {
			t.Fatalf("the main thread is in %s, was in %s", after, before)
		}
	}
}

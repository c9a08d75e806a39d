package tests

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"berth/tests/fixture"
)

// inMemory puts the test's temporary folders, and so all stores, on a tmpfs that has
// room. Thousands of files that come and go are slow on some disks, and what the
// disk does is not what these tests are about.
func inMemory(t *testing.T) {
	t.Helper()
	const room = 3 << 30
	var fs unix.Statfs_t
	if unix.Statfs("/dev/shm", &fs) != nil || fs.Type != unix.TMPFS_MAGIC || int64(fs.Bavail)*fs.Bsize < room {
		return
	}
	dir, err := os.MkdirTemp("/dev/shm", "bt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("TMPDIR", dir)
}

// peer is another tool that handles images.
type peer struct {
	t    *testing.T
	argv []string
}

// newSkopeo takes registries as they are: plain, or with a certificate of the test's.
func newSkopeo(t *testing.T) peer {
	t.Helper()
	return peer{t, []string{fixture.NeedTool(t, "skopeo"), "--command-timeout", "60s"}}
}

// newPodman has a store of its own, which goes with the test.
func newPodman(t *testing.T) peer {
	t.Helper()
	// podman refuses a runroot of more than 50 characters.
	run, err := os.MkdirTemp("/run", "bp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(run); err != nil {
			t.Error(err)
		}
	})
	return peer{t, []string{fixture.NeedTool(t, "podman"), "--root", filepath.Join(t.TempDir(), "root"), "--runroot", run,
		"--tmpdir", filepath.Join(run, "tmp"), "--storage-driver", "overlay", "--cgroup-manager", "cgroupfs", "--events-backend", "none"}}
}

// in is the same peer for a subtest.
func (p peer) in(t *testing.T) peer { return peer{t, p.argv} }

// must runs the tool and returns all that it printed on stdout.
func (p peer) must(args ...string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	r := finish(p.t, exec.CommandContext(ctx, p.argv[0], append(p.argv[1:], args...)...))
	if r.code != 0 {
		p.t.Fatalf("%s %s: exit code %d\n%s%s", filepath.Base(p.argv[0]), strings.Join(args, " "), r.code, r.out, r.errs)
	}
	return r.out
}

// push copies an image from a layout to a registry. Flags come before the two.
func (p peer) push(from, to string, flags ...string) {
	p.t.Helper()
	p.must(words("copy --quiet --dest-tls-verify=false", flags, from, "docker://"+to)...)
}

// digest is that of the manifest or index that a registry, or a layout, has.
func (p peer) digest(image string) string {
	p.t.Helper()
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(p.manifest(image))))
}

// manifest is its text.
func (p peer) manifest(image string) string {
	p.t.Helper()
	args := []string{"inspect", "--raw", image}
	if strings.HasPrefix(image, "docker://") {
		args = append(args, "--tls-verify=false")
	}
	return p.must(args...)
}

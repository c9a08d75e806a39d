package tests

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"berth/tests/fixture"
	"berth/tests/ledger"
)

// imageCommands are those that change the store, with what undoes them.
func (p *pullStage) imageCommands(tree string) [][2]string {
	return [][2]string{
		{"pull -q " + p.image, "rmi " + p.image},
		{"import " + tree + " imported", "rmi imported"},
		{"load -q -i " + filepath.Join(filepath.Dir(tree), "saved.tar"), "rmi saved"},
		{"commit model committed", "rmi committed"},
		{"tag box other", "rmi other"},
		{"rmi victim", "tag box victim"},
	}
}

// newStorePlace is a pullStage with box and a container of it in the store, and
// files to import and to load.
func newStorePlace(t *testing.T) (p *pullStage, tree string) {
	t.Helper()
	p = newPullStage(t)
	tree = filepath.Join(t.TempDir(), "tree.tar")
	if err := os.WriteFile(tree, treeTar(t, 9, 2, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	p.prepare(tree)
	return p, tree
}

func (p *pullStage) prepare(tree string) {
	p.t.Helper()
	p.must("import", tree, "saved")
	p.must("save", "-o", filepath.Join(filepath.Dir(tree), "saved.tar"), "saved")
	p.must("rmi", "saved")
	p.must("create", "--name", "model", "box", "sh", "-c", "echo new >/file")
	p.must("start", "-a", "model")
	p.must("tag", "box", "victim")
}

// oneError fails unless a command that did not work said why in one line.
func (p *pullStage) oneError(when string, r result) {
	p.t.Helper()
	if strings.Count(r.errs, "Error: ") != 1 || strings.Contains(r.errs, "goroutine ") {
		p.t.Errorf("%s: %d %s", when, r.code, r.errs)
	}
}

// works fails unless the store is whole and other images run.
func (p *pullStage) works(when string) {
	p.t.Helper()
	if r := p.do("system", "check"); r.code != 0 {
		p.t.Errorf("%s: system check: %d\n%s%s", when, r.code, r.out, r.errs)
	}
	if r := p.do("run", "--rm", "box", "true"); r.code != 0 {
		p.t.Errorf("%s: run: %d %s", when, r.code, r.errs)
	}
	if r := p.do("images"); r.code != 0 || r.errs != "" {
		p.t.Errorf("%s: images: %d %s", when, r.code, r.errs)
	}
}

// TestSoakFullStore: with no room left, what needs room says so in one line and
// leaves nothing, and what gives room back works.
func TestSoakFullStore(t *testing.T) {
	fixture.NeedRoot(t)
	s := &stage{t: t, path: fixture.Berth(t)}
	_, s.run = fixture.Roots(t)
	s.root = smallDisk(t, 48<<10)
	t.Setenv("BERTH_ROOT", s.root)
	p := &pullStage{t: t, stage: s, countingRegistry: newCountingRegistry(t)}
	p.image = p.host + "/team/app:1"
	p.sample("team/app", "1", 1)
	tree := filepath.Join(t.TempDir(), "tree.tar")
	if err := os.WriteFile(tree, treeTar(t, 9, 2, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	p.ledger = ledger.Take(t, s.root, s.run)
	p.prepare(tree)
	p.must("pull", "-q", p.image)
	p.must("tag", p.image, p.host+"/team/pushed:1")
	before := p.must("images", "--no-trunc", "--format", "{{.Repository}} {{.ID}}")
	free := fillUp(t, s.root)
	for _, c := range p.imageCommands(tree) {
		// A name needs so little that room can be made for it.
		if strings.HasPrefix(c[0], "rmi") || strings.HasPrefix(c[0], "tag") || strings.HasPrefix(c[0], "pull") {
			continue
		}
		r := p.do(strings.Fields(c[0])...)
		p.oneError(c[0], r)
		if r.code != 1 || !strings.Contains(r.errs, "no space left on device") {
			t.Errorf("%s: %d %s", c[0], r.code, r.errs)
		}
	}
	if now := p.must("images", "--no-trunc", "--format", "{{.Repository}} {{.ID}}"); now != before {
		t.Errorf("images are\n%s\nand were\n%s", now, before)
	}
	p.must("push", "-q", p.host+"/team/pushed:1")
	p.must("rmi", "victim")
	p.must("rmi", p.image, p.host+"/team/pushed:1")
	// What that gave back is taken again.
	free()
	free = fillUp(t, s.root)
	r := p.do("pull", "-q", p.image)
	p.oneError("pull", r)
	if r.code != 1 || !strings.Contains(r.errs, "no space left on device") {
		t.Errorf("pull: %d %s", r.code, r.errs)
	}
	free()
	p.works("with room again")
	p.must("pull", "-q", p.image)
	p.healthy("with room again")
	p.must("rm", "model")
	p.clean()
}

// TestSoakReadOnlyStore: what is there can be looked at, and what would change it
// says why it cannot.
func TestSoakReadOnlyStore(t *testing.T) {
	leaveToHost(t)
	p, tree := newStorePlace(t)
	if err := unix.Mount(p.root, p.root, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Unmount(p.root, 0); err != nil {
			t.Error(err)
		}
		p.works("writable again")
		p.must("rm", "model")
		p.clean()
	}()
	if err := unix.Mount("", p.root, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"images", "image inspect box", "history box", "system df", "ps -a", "save -o " + filepath.Join(t.TempDir(), "box.tar") + " box"} {
		p.must(strings.Fields(args)...)
	}
	for _, c := range p.imageCommands(tree) {
		r := p.do(strings.Fields(c[0])...)
		p.oneError(c[0], r)
		if r.code != 1 || !strings.Contains(r.errs, "read-only file system") {
			t.Errorf("%s: %d %s", c[0], r.code, r.errs)
		}
	}
}

// TestSoakStoreFaults: a system call fails in the midst of a command: it works all
// the same, or says so in one line, and the store is whole.
func TestSoakStoreFaults(t *testing.T) {
	leaveToHost(t)
	strace := fixture.NeedTool(t, "strace")
	p, tree := newStorePlace(t)
	faults := []string{
		"renameat:error=ENOSPC", "fsync:error=EIO", "syncfs:error=EIO", "pwrite64:error=ENOSPC", "mkdirat:error=ENOSPC",
		"openat:error=EMFILE", "ftruncate:error=EIO", "fchmodat:error=EIO", "symlinkat:error=ENOSPC", "linkat:error=EIO", "unlinkat:error=EIO", "flock:error=EIO",
	}
	random := rand.New(rand.NewPCG(6, 1))
	failed := 0
	for i := range max(count(400), 18) {
		c := p.imageCommands(tree)[i%6]
		fault := fmt.Sprintf("%s:when=%d", faults[(i/6*5+i)%len(faults)], 1+random.IntN(1<<(1+i%5)))
		when := c[0] + " with " + fault
		cmd := p.command()
		cmd.Path = strace
		// As if it went on to fail: a disk does not heal.
		cmd.Args = append([]string{strace, "-f", "-qq", "-o", "/dev/null", "-e", "inject=" + fault + "+", p.path}, strings.Fields(c[0])...)
		if r := finish(t, cmd); r.code != 0 {
			failed++
			p.oneError(when, r)
		}
		p.works(when)
		p.do(strings.Fields(c[0])...)
		p.must(strings.Fields(c[1])...)
		if diff := p.ledger.Wait(settle); diff != "" && !strings.Contains(diff, "container") {
			t.Fatalf("%s, leaves:\n%s", when, diff)
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	t.Logf("%d commands failed", failed)
	p.must("rmi", "victim")
	p.must("rm", "model")
	p.clean()
}

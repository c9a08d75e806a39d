package tests

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"berth/tests/fixture"
	"berth/tests/ledger"
)

// pullStage is a store without an image in it, and a registry with one.
type pullStage struct {
	*stage
	*countingRegistry
	t     *testing.T
	image string
	blobs map[string]bool // of the image, by digest
}

func newPullStage(t *testing.T) *pullStage {
	t.Helper()
	fixture.NeedRoot(t)
	s := &stage{t: t, path: fixture.Berth(t)}
	s.root, s.run = fixture.Roots(t)
	p := &pullStage{t: t, stage: s, countingRegistry: newCountingRegistry(t)}
	p.image = p.host + "/team/app:1"
	p.blobs = p.sample("team/app", "1", 1)
	// The first pull makes what stays: folders, and this process' connections.
	p.must("pull", "-q", p.image)
	p.must("rmi", p.image)
	p.ledger = ledger.Take(t, s.root, s.run)
	p.reset()
	return p
}

// stored are the blobs that are in their place, each verified.
func (p *pullStage) stored(when string) map[string]bool {
	p.t.Helper()
	dir := filepath.Join(p.root, "image/blobs/sha256")
	names, err := os.ReadDir(dir)
	if err != nil {
		p.t.Fatal(err)
	}
	all := map[string]bool{}
	for _, n := range names {
		if strings.HasPrefix(n.Name(), ".") {
			continue
		}
		digest := digestOf([]byte(readFile(p.t, filepath.Join(dir, n.Name()))))
		if digest != "sha256:"+n.Name() {
			p.t.Errorf("%s: blob %s has the content of %s", when, n.Name(), digest)
		}
		all[digest] = true
	}
	return all
}

// without are the image's blobs but for some.
func (p *pullStage) without(some map[string]bool) map[string]bool {
	rest := maps.Clone(p.blobs)
	maps.DeleteFunc(rest, func(digest string, _ bool) bool { return some[digest] })
	return rest
}

// healthy fails unless the store is whole and its image can be looked at.
func (p *pullStage) healthy(when string) {
	p.t.Helper()
	if r := p.do("system", "check"); r.code != 0 || r.out != "" {
		p.t.Errorf("%s: system check: %d\n%s%s", when, r.code, r.out, r.errs)
	}
	if layers := p.must("image", "inspect", "-f", "{{len .RootFS.Layers}}", p.image); layers != "5" {
		p.t.Errorf("%s: %s layers", when, layers)
	}
}

// TestSoakKillPull kills a pull at its k-th system call, for k all over its life.
// What is stored then is verified, and the next pull fetches the rest.
func TestSoakKillPull(t *testing.T) {
	leaveToHost(t)
	strace := fixture.NeedTool(t, "strace")
	p := newPullStage(t)
	log := filepath.Join(t.TempDir(), "log")
	if r := finish(t, exec.Command(strace, "-f", "-qq", "-o", log, p.path, "pull", "-q", p.image)); r.code != 0 {
		t.Fatalf("pull: %d %s", r.code, r.errs)
	}
	calls := most(readFile(t, log))
	p.must("rmi", p.image)
	// Seeded, so that a failure can be seen again.
	random := rand.New(rand.NewPCG(5, 200))
	points, killed, halfway := max(count(400)/2, 10), 0, 0
	for tries := 0; killed < points; tries++ {
		if tries == 3*points {
			t.Fatalf("only %d of %d pulls were killed", killed, tries)
		}
		k := 1 + (calls*(killed%points)+random.IntN(calls))/points
		when := fmt.Sprintf("killed at call %d of %d", k, calls)
		cmd := p.command()
		cmd.Path = strace
		cmd.Args = []string{strace, "-f", "-qq", "-o", "/dev/null", "-e", fmt.Sprintf("inject=all:signal=KILL:when=%d", k), p.path, "pull", "-q", p.image}
		if r := finish(t, cmd); r.code != 0 {
			killed++
		} else {
			// No thread made so many calls this time: how they share them varies.
			calls = max(calls*4/5, 200)
		}
		complete := p.stored(when)
		if len(complete) > 0 && len(p.without(complete)) > 0 {
			halfway++
		}
		p.reset()
		p.must("pull", "-q", p.image)
		atMostOnce(t, when, p.reset(), p.without(complete))
		p.stored(when)
		p.healthy(when)
		p.must("rmi", p.image)
		if diff := p.ledger.Wait(settle); diff != "" {
			t.Fatalf("%s, leaves:\n%s", when, diff)
		}
		if left := p.leftBehind(); len(left) > 0 {
			t.Fatalf("%s, leaves %v", when, left)
		}
	}
	t.Logf("%d pulls were killed, %d with a part of the blobs complete", killed, halfway)
}

// leftBehind are the files of the store that belong to no image, when there is
// none.
func (p *pullStage) leftBehind() []string {
	var left []string
	for _, pattern := range []string{"image/blobs/sha256/*", "image/.fetch/*", "layer/[0-9a-f.]*", "layer/l/*"} {
		paths, _ := filepath.Glob(filepath.Join(p.root, pattern))
		left = append(left, paths...)
	}
	return left
}

// TestSoakParallelPulls: any number of processes pull one image, and each blob is
// fetched by one of them.
func TestSoakParallelPulls(t *testing.T) {
	p := newPullStage(t)
	for range max(count(50)/5, 1) {
		var pulls sync.WaitGroup
		for range 20 {
			pulls.Go(func() {
				if r := p.do("pull", "-q", p.image); r.code != 0 {
					t.Errorf("pull: %d %s", r.code, r.errs)
				}
			})
		}
		pulls.Wait()
		counted := p.reset()
		atMostOnce(t, "20 pulls", counted, p.blobs)
		if len(counted) != len(p.blobs) {
			t.Errorf("20 pulls asked for %d of %d blobs", len(counted), len(p.blobs))
		}
		p.healthy("20 pulls")
		p.must("rmi", p.image)
	}
	p.clean()
}

// TestSoakPullRaces: pulls, and commands that remove what nobody uses, do not
// harm each other.
func TestSoakPullRaces(t *testing.T) {
	p := newPullStage(t)
	other := p.host + "/team/other:1"
	p.sample("team/other", "1", 1) // the same layers
	end := time.Now().Add(2 * time.Second)
	if os.Getenv("BERTH_SOAK") != "" {
		end = time.Now().Add(30 * time.Second)
	}
	var race sync.WaitGroup
	rounds := make([]int, 6)
	for i, args := range [][]string{
		{"pull", "-q", p.image}, {"pull", "-q", other}, {"rmi", "-f", p.image},
		{"rmi", "-f", other}, {"image", "prune", "-af"}, {"system", "prune", "-af"},
	} {
		race.Go(func() {
			for time.Now().Before(end) {
				rounds[i]++
				r := p.do(args...)
				if r.code != 0 && !strings.Contains(r.errs, "No such image") {
					t.Errorf("%s: %d %s", strings.Join(args, " "), r.code, r.errs)
				}
			}
		})
	}
	race.Wait()
	t.Logf("rounds of pull, pull, rmi, rmi, prune, prune: %v", rounds)
	p.must("pull", "-q", p.image)
	p.must("pull", "-q", other)
	p.stored("after the race")
	p.healthy("after the race")
	p.must("rmi", p.image, other)
	p.clean()
	if left := p.leftBehind(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestSoakRunRaces: an image may be removed at any moment: a container made of
// it then runs, or there is no such image.
func TestSoakRunRaces(t *testing.T) {
	leaveToHost(t)
	s := newStage(t)
	s.must("create", "--name", "model", "box", "true")
	tree := filepath.Join(t.TempDir(), "tree.tar")
	s.must("export", "-o", tree, "model")
	s.must("rm", "model")
	end := time.Now().Add(2 * time.Second)
	if os.Getenv("BERTH_SOAK") != "" {
		end = time.Now().Add(30 * time.Second)
	}
	var race sync.WaitGroup
	again := func(work func()) {
		race.Go(func() {
			for time.Now().Before(end) && !t.Failed() {
				work()
			}
		})
	}
	again(func() { s.must("import", "-c", "CMD true", tree, "prize") })
	again(func() {
		time.Sleep(rand.N(200 * time.Millisecond))
		s.do("rmi", "-f", "prize")
	})
	again(func() { s.must("image", "prune", "-f") })
	var ran, missed atomic.Int64
	for _, args := range []string{"run --rm --pull never prize true", "run -d --rm --pull never prize true", "create --pull never prize true"} {
		again(func() {
			switch r := s.do(words(args)...); {
			case r.code == 0:
				ran.Add(1)
				if strings.HasPrefix(args, "create") {
					id := strings.TrimSpace(r.out)
					if r := s.do("start", "-a", id); r.code != 0 {
						t.Errorf("start of what was created: %d %s", r.code, r.errs)
					}
					s.must("rm", "-f", id)
				}
			case strings.Contains(r.errs, "No such image"):
				missed.Add(1)
			default:
				t.Errorf("%s: %d %s", args, r.code, r.errs)
			}
		})
	}
	race.Wait()
	t.Logf("%d ran, %d found no image", ran.Load(), missed.Load())
	s.do("rmi", "-f", "prize")
	s.clean()
}

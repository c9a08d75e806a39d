package tests

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/tests/fixture"
	"berth/tests/ledger"
)

// psBudget is how long a listing of a thousand containers may take.
const psBudget = 50 * time.Millisecond

// TestPsThousand: a thousand containers are listed in no time. A busy machine
// only ever adds to a time, so the shortest counts, and more rounds are run as
// long as it is over the budget.
func TestPsThousand(t *testing.T) {
	leaveToHost(t)
	if os.Getenv("BERTH_VM") != "" {
		t.Skip("by design: an emulated machine has no times to compare")
	}
	s := newStage(t)
	const n = 1000
	id := s.must("create", "--name", "model", "-l", "a=b", "box", "true")
	s.must("start", "-a", "model")
	multiply(t, filepath.Join(s.root, "container"), id, n-1)
	for _, args := range []string{"ps", "ps -aq", "ps -a"} {
		best := time.Hour
		for round := 0; round < 200 && best > psBudget; round++ {
			if took := timed(t, s.path, words(args)...); took < best {
				best = took
			}
		}
		t.Logf("%s: %v", args, best)
		if best > psBudget {
			t.Errorf("%s of %d containers takes %v", args, n, best)
		}
	}
	if got := strings.Count(s.must("ps", "-aq"), "\n") + 1; got != n {
		t.Errorf("ps lists %d containers of %d", got, n)
	}
	if err := os.RemoveAll(filepath.Join(s.root, "container")); err != nil {
		t.Fatal(err)
	}
	s.must("ps", "-a") // and the claim of the name
	s.clean()
}

// multiply makes n containers more like one that is there.
func multiply(t *testing.T, dir, id string, n int) {
	t.Helper()
	files := map[string][]byte{}
	for _, name := range []string{"config.json", "spec.json", "exit.json"} {
		data, err := os.ReadFile(filepath.Join(dir, id, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = data
	}
	var config map[string]any
	if err := json.Unmarshal(files["config.json"], &config); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		other := fmt.Sprintf("%064x", i)
		config["id"], config["name"] = other, fmt.Sprintf("many%d", i)
		data, err := json.Marshal(config)
		if err != nil {
			t.Fatal(err)
		}
		files["config.json"] = data
		if err := os.MkdirAll(filepath.Join(dir, other, "upper"), 0o700); err != nil {
			t.Fatal(err)
		}
		for name, data := range files {
			if err := os.WriteFile(filepath.Join(dir, other, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestNoByteFree: with not a byte left for either root, and with a record that
// cannot be read, containers are listed, stopped and removed.
func TestNoByteFree(t *testing.T) {
	leaveToHost(t)
	fixture.NeedRoot(t)
	disk := smallDisk(t, 32<<10)
	s := &stage{t: t, path: fixture.Berth(t), root: disk + "/root", run: disk + "/run"}
	for key, dir := range map[string]string{"BERTH_ROOT": s.root, "BERTH_RUNROOT": s.run} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		t.Setenv(key, dir)
	}
	s.ledger = ledger.Take(t, s.root, s.run)
	s.must("run", "--rm", "box", "true")
	bad := s.must("create", "--name", "bad", "box", "true")
	for _, name := range []string{"one", "two", "three"} {
		s.must("run", "-d", "--name", name, "box", "sleep", "1000")
	}
	if err := os.WriteFile(filepath.Join(s.root, "container", bad, "config.json"), []byte(`{"version":1,"id`), 0o600); err != nil {
		t.Fatal(err)
	}
	free := fillUp(t, s.root)
	if got := s.must("ps", "--format", "{{.Names}}"); got != "three\ntwo\none" {
		t.Errorf("ps lists %q", got)
	}
	if got := s.must("ps", "-a", "--format", "{{.Names}} {{.Status}}"); !strings.HasSuffix(got, "\n Broken: record is corrupt") {
		t.Errorf("ps -a lists %q", got)
	}
	s.must("stop", "-t", "0", "one", "two")
	if got := s.must("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "one"); got != "exited 137" {
		t.Errorf("a stopped container is %s", got)
	}
	if r := s.do("stop", bad); r.code != 1 || !strings.Contains(r.errs, "record is corrupt") {
		t.Errorf("stop of a broken container: %d, %s", r.code, r.errs)
	}
	s.must("rm", "one")
	s.must("rm", "-f", "two", "three", bad)
	if left := s.must("ps", "-aq"); left != "" {
		t.Errorf("left: %s", left)
	}
	free()
	s.must("run", "--rm", "--name", "bad", "box", "true")
	s.clean()
}

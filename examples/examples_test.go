// Package examples holds scripts for readers. The test runs all of them.
package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"berth/tests/fixture"
	"berth/tests/ledger"
)

// settle is how long a script's leftovers may take to go.
const settle = 2 * time.Second

func TestExamples(t *testing.T) {
	fixture.NeedRoot(t)
	berth, err := filepath.Abs(fixture.Berth(t))
	if err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Glob("*.sh")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts here: %v", err)
	}
	root, run := fixture.Roots(t)
	if out, err := command(berth, "run", "--rm", "box", "true").CombinedOutput(); err != nil {
		t.Fatalf("unpack box: %v\n%s", err, out)
	}
	for _, script := range scripts {
		t.Run(script, func(t *testing.T) {
			l := ledger.Take(t, root, run)
			c := command("sh", script)
			c.Env = append(os.Environ(), "BERTH="+berth)
			out, err := c.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			l.Check(t, settle)
		})
	}
}

// command is one that is stopped should it hang.
func command(name string, args ...string) *exec.Cmd {
	return exec.Command("timeout", append([]string{"-k", "1", "60", name}, args...)...)
}

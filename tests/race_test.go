package tests

import (
	"bytes"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"berth/tests/fixture"
)

// racers runs one command line for each number at once, and returns the
// numbers of those that succeeded.
func racers(t *testing.T, n int, args func(i int) []string) []int {
	t.Helper()
	var wg sync.WaitGroup
	codes := make([]error, n)
	out := make([]bytes.Buffer, n)
	for i := range n {
		c := exec.Command(fixture.Berth(t), args(i)...)
		c.Stdout, c.Stderr = &out[i], &out[i]
		wg.Go(func() { codes[i] = c.Run() })
	}
	wg.Wait()
	var won []int
	for i, err := range codes {
		switch {
		case err == nil:
			won = append(won, i)
		case !strings.Contains(out[i].String(), "is already in use by container"):
			t.Errorf("racer %d: %v: %s", i, err, out[i].String())
		}
	}
	return won
}

func berthCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	return exec.Command(fixture.Berth(t), args...)
}

// berthOutput runs berth and returns what it prints.
func berthOutput(t *testing.T, args ...string) string {
	t.Helper()
	c := berthCommand(t, args...)
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		t.Errorf("berth %q: %v: %s", args, err, errs.String())
	}
	return strings.TrimSpace(string(out))
}

// TestRenameRace: of twenty containers that want one name exactly one gets it,
// and all names still lead to their containers.
func TestRenameRace(t *testing.T) {
	leaveToHost(t)
	l := soak(t)
	const n = 20
	ids := make([]string, n)
	for i := range n {
		ids[i] = berthOutput(t, "create", "--name", "racer"+strconv.Itoa(i), "box")
	}
	won := racers(t, n, func(i int) []string { return []string{"rename", "racer" + strconv.Itoa(i), "prize"} })
	if len(won) != 1 {
		t.Errorf("won: %v", won)
	}
	for i, id := range ids {
		name := "racer" + strconv.Itoa(i)
		if len(won) == 1 && won[0] == i {
			name = "prize"
		}
		if got := berthOutput(t, "inspect", "-f", "{{.Id}} {{.Name}}", name); got != id+" /"+name {
			t.Errorf("%s is %s", name, got)
		}
	}
	berthOutput(t, append([]string{"rm"}, ids...)...)
	l.Check(t, settle)
}

// TestRenameOne: one container that twenty commands rename has one name in the
// end, and the others are free.
func TestRenameOne(t *testing.T) {
	leaveToHost(t)
	l := soak(t)
	const n = 20
	id := berthOutput(t, "create", "--name", "first", "box")
	if won := racers(t, n, func(i int) []string { return []string{"rename", id, fmt.Sprintf("name%d", i)} }); len(won) != n {
		t.Errorf("succeeded: %v", won)
	}
	last := berthOutput(t, "inspect", "-f", "{{.Name}}", id)
	for i := range n {
		name := fmt.Sprintf("name%d", i)
		if "/"+name == last {
			continue
		}
		berthOutput(t, "rm", berthOutput(t, "create", "--name", name, "box"))
	}
	berthOutput(t, "rm", strings.TrimPrefix(last, "/"))
	l.Check(t, settle)
}

// TestRunNameRace: of fifty runs with one name exactly one starts, and the
// others leave nothing.
func TestRunNameRace(t *testing.T) {
	leaveToHost(t)
	l := soak(t)
	won := racers(t, 50, func(int) []string { return []string{"run", "-d", "--name", "only", "box", "sleep", "100"} })
	if len(won) != 1 {
		t.Errorf("won: %v", won)
	}
	if names := berthOutput(t, "ps", "-a", "--format", "{{.Names}}"); names != "only" {
		t.Errorf("containers: %q", names)
	}
	berthOutput(t, "rm", "-f", "only")
	l.Check(t, settle)
}

// TestCgroupParentRace: containers come and go below one parent that berth makes
// and removes: none of them loses it while it is made.
func TestCgroupParentRace(t *testing.T) {
	l := soak(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 8 {
				c := exec.Command(fixture.Berth(t), "run", "--rm", "--cgroup-parent", "/berth-race/inner", "box", "true")
				if out, err := c.CombinedOutput(); err != nil {
					t.Errorf("%v: %s", err, out)
				}
			}
		})
	}
	wg.Wait()
	l.Check(t, settle)
}

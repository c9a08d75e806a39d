package ledger

import (
	"os"
	"testing"
)

// TestDeadChildrenOfInit: what has ended and is init's to collect is nobody's
// leak; what has ended and is anybody else's, or lives, is.
func TestDeadChildrenOfInit(t *testing.T) {
	self, ok := readProcess(os.Getpid())
	if !ok {
		t.Fatal("read this process")
	}
	l := &Ledger{known: map[processKey]bool{}, spaces: map[string]bool{}}
	strange := map[string]string{"pid": "pid:[1]"}
	for _, c := range []struct {
		name   string
		parent int
		state  string
		want   int
	}{
		{"dead, init's", 1, "Z", 0},
		{"alive, init's", 1, "S", 1},
		{"dead, the test's", self.pid, "Z", 1},
		{"dead, somebody's", self.parent, "Z", 1},
	} {
		p := process{processKey: processKey{pid: 1 << 30}, parent: c.parent, state: c.state, cgroup: self.cgroup, spaces: strange}
		if got := l.ours([]process{self, p}); len(got) != c.want {
			t.Errorf("%s: %d found, want %d", c.name, len(got), c.want)
		}
	}
}

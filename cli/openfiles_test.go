package cli

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestTooFewOpenFiles holds that a command says so when it may open too few
// files, and that the limit is all it looks at.
func TestTooFewOpenFiles(t *testing.T) {
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	open := newSession(Process{Args: []string{"berth"}, LookupEnv: func(string) (string, bool) { return "", false }}).open
	for _, c := range []struct {
		limit uint64
		want  string
	}{
		{fewestFiles - 1, "no more than 31 files may be open at once, and berth needs 32"},
		{fewestFiles, ""},
	} {
		low := unix.Rlimit{Cur: c.limit, Max: was.Max}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
			t.Fatal(err)
		}
		_, err := open()
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
			t.Fatal(err)
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("limit %d: %v, want %q", c.limit, err, c.want)
		}
	}
}

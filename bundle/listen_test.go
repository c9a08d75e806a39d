package bundle

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"berth/tests/ledger"
)

func TestMain(m *testing.M) {
	if os.Getenv("BUNDLE_TEST_FILES") != "" {
		printPassedFiles()
		return
	}
	if say := os.Getenv("BUNDLE_TEST_SAY"); say != "" {
		sayNotify(say)
		return
	}
	if kind := os.Getenv(makeEnv); kind != "" {
		makeContainer(kind)
	}
	os.Exit(ledger.Main(m))
}

// printPassedFiles is a program of its own, as descriptors have numbers that a
// test's process uses itself. "SELF" in LISTEN_PID stands for its pid.
func printPassedFiles() {
	getenv := func(name string) string {
		return strings.Replace(os.Getenv(name), "SELF", strconv.Itoa(os.Getpid()), 1)
	}
	preserve, err := strconv.Atoi(os.Getenv("BUNDLE_TEST_FILES"))
	if err != nil {
		panic(err)
	}
	if os.Getenv("BUNDLE_TEST_OWN") != "" {
		own, err := os.Open("/dev/null") // takes the first free number
		if err != nil {
			panic(err)
		}
		defer own.Close()
	}
	files, env, err := passedFiles(getenv, preserve)
	fmt.Println(files, env, err)
}

func TestPassedFiles(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name     string
		env      string
		inherits int
		preserve int
		want     string
	}{
		{"nothing", "", 0, 0, "[] [] <nil>"},
		{"what nobody asked for", "", 2, 0, "[] [] <nil>"},
		{"preserved", "", 3, 2, "[3 4] [] <nil>"},
		{"sockets", "LISTEN_FDS=2 LISTEN_PID=SELF LISTEN_FDNAMES=a:b LISTEN_PIDFDID=7", 2, 0,
			"[3 4] [LISTEN_FDS=2 LISTEN_PID=1 LISTEN_FDNAMES=a:b] <nil>"},
		{"sockets without names", "LISTEN_FDS=1 LISTEN_PID=SELF", 1, 0, "[3] [LISTEN_FDS=1 LISTEN_PID=1] <nil>"},
		{"both", "LISTEN_FDS=1 LISTEN_PID=SELF", 3, 2, "[3 4 5] [LISTEN_FDS=1 LISTEN_PID=1] <nil>"},
		{"somebody else's sockets", "LISTEN_FDS=2 LISTEN_PID=1", 2, 1, "[3] [] <nil>"},
		{"nobody's sockets", "LISTEN_FDS=2", 2, 0, "[] [] <nil>"},
		{"no number", "LISTEN_FDS=x LISTEN_PID=SELF", 0, 0, `LISTEN_FDS="x" is not a number`},
		{"negative number", "LISTEN_FDS=-1 LISTEN_PID=SELF", 0, 0, `LISTEN_FDS="-1" is not a number`},
		{"huge number", "LISTEN_FDS=99999999 LISTEN_PID=SELF", 0, 0, "is not a number between 0 and"},
		{"missing", "", 1, 2, "check that you requested file descriptor 4: preserved-fd 1 (of 2) is not present"},
		{"missing socket", "LISTEN_FDS=2 LISTEN_PID=SELF", 1, 0, "check that you requested file descriptor 4"},
		{"own file", "BUNDLE_TEST_OWN=1", 0, 1, "file descriptor 3: preserved-fd 0 (of 1) is not present: it is one that berth opened itself"},
		{"negative", "", 0, -1, "--preserve-fds -1 is not between"},
		{"huge", "", 0, 1 << 40, "is not between"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), exe)
			cmd.Env = append(strings.Fields(test.env), "BUNDLE_TEST_FILES="+strconv.Itoa(test.preserve))
			for range test.inherits {
				f, err := os.Open("/dev/null")
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				cmd.ExtraFiles = append(cmd.ExtraFiles, f)
			}
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), test.want) {
				t.Errorf("got %s%v, want %s", out, err, test.want)
			}
		})
	}
}

func TestWithListenEnv(t *testing.T) {
	env := []string{"A=b", "LISTEN_FDS=7", "LISTEN_PID=9", "LISTEN_PIDFDID=3", "LISTEN_FDNAMES=x"}
	if got := withListenEnv(env, nil); !slices.Equal(got, env) {
		t.Errorf("without descriptors: %q", got)
	}
	want := []string{"A=b", "LISTEN_FDS=1", "LISTEN_PID=1"}
	if got := withListenEnv(env, want[1:]); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if env[1] != "LISTEN_FDS=7" {
		t.Error("the configuration was changed")
	}
}

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func newTestLauncher(t *testing.T) *launcher {
	t.Helper()
	l, err := newLauncher(onHost)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	return l
}

func shell(l *launcher, script string) command {
	return command{argv: []string{"/bin/sh", "-c", script}, env: os.Environ(), on: l}
}

func TestCommand(t *testing.T) {
	l := newTestLauncher(t)
	tests := map[string]struct{ script, out, err string }{
		"success":         {"echo one; echo two >&2", "one\ntwo", ""},
		"exit code":       {"echo first; echo why; exit 3", "first\nwhy", "exit code 3: why"},
		"signal":          {"kill -9 $$", "", "exit code 137"},
		"stays in pieces": {"printf 'a b'", "a b", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			out, err := shell(l, test.script).output()
			if out != test.out {
				t.Errorf("output %q, want %q", out, test.out)
			}
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("error %v, want %q", err, test.err)
			}
		})
	}
	if _, err := (command{argv: []string{"/does/not/exist"}, on: l}).output(); err == nil {
		t.Error("a program that is not there ran")
	}
}

func TestCommandTakesItsTime(t *testing.T) {
	c := shell(newTestLauncher(t), "sleep 0.05")
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if r := c.run(null.Fd()); r.err != nil || r.code != 0 || r.wall < 50*time.Millisecond {
		t.Errorf("got %+v", r)
	}
}

func TestWithLeavesTheOriginalAlone(t *testing.T) {
	base := command{argv: append(make([]string, 0, 8), "a")}
	one, two := base.with("b"), base.with("c")
	if one.String() != "a b" || two.String() != "a c" || base.String() != "a" {
		t.Errorf("got %q, %q and %q", one, two, base)
	}
}

func TestCheckNamesTheReason(t *testing.T) {
	l := newTestLauncher(t)
	list := []contender{
		{name: "good", command: shell(l, "exit 0")},
		{name: "bad", command: shell(l, "echo no such thing >&2; exit 1")},
		{name: "gone", absent: "not installed"},
	}
	check(list)
	if list[0].absent != "" || !strings.Contains(list[1].absent, "no such thing") || list[2].absent != "not installed" {
		t.Errorf("got %+v", list)
	}
}

func TestMeasure(t *testing.T) {
	l := newTestLauncher(t)
	log := filepath.Join(t.TempDir(), "log")
	list := []contender{
		{name: "a", command: shell(l, "echo a >>"+log)},
		{name: "b", command: shell(l, "echo b >>"+log)},
		{name: "c", absent: "not installed", command: shell(l, "echo c >>"+log)},
	}
	const rounds = 9
	times, err := measure(t.Context(), list, rounds, 7, func(int, int) {})
	if err != nil {
		t.Fatal(err)
	}
	if len(times[0]) != rounds || len(times[1]) != rounds || len(times[2]) != 0 {
		t.Errorf("got %d, %d and %d times", len(times[0]), len(times[1]), len(times[2]))
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	ran := strings.Fields(string(text))
	if len(ran) != 2*(rounds+warmUp) {
		t.Fatalf("%d runs, want %d", len(ran), 2*(rounds+warmUp))
	}
	for i := 0; i < len(ran); i += 2 {
		if ran[i] == ran[i+1] {
			t.Errorf("round %d ran %s twice", i/2, ran[i])
		}
	}
}

// TestMeasureStopsAtAFailure: a command that fails later than the check did.
func TestMeasureStopsAtAFailure(t *testing.T) {
	flag := filepath.Join(t.TempDir(), "flag")
	c := contender{name: "fickle", command: shell(newTestLauncher(t), "[ ! -e "+flag+" ] && touch "+flag)}
	_, err := measure(t.Context(), []contender{c}, 5, 1, func(int, int) {})
	if err == nil || !strings.Contains(err.Error(), "fickle in round 1: exit code 1") {
		t.Errorf("got %v", err)
	}
}

// TestMeasureThen: the time is that of all commands, and one that fails is named.
func TestMeasureThen(t *testing.T) {
	on := newTestLauncher(t)
	c := contender{name: "both", command: shell(on, "sleep 0.02"), then: []command{shell(on, "sleep 0.03")}}
	times, err := measure(t.Context(), []contender{c}, 1, 1, func(int, int) {})
	if err != nil || times[0][0] < 50*time.Millisecond {
		t.Errorf("got %v, %v, want at least 50ms", times, err)
	}
	c.then = []command{shell(on, "exit 3"), shell(on, "true")}
	if _, err = measure(t.Context(), []contender{c}, 1, 1, func(int, int) {}); err == nil || !strings.Contains(err.Error(), "exit 3: exit code 3") {
		t.Errorf("got %v", err)
	}
}

func TestPrivateCgroup2(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root")
		}
		t.Skip("needs root")
	}
	before := cgroupMounts(t)
	l, err := newLauncher(privateCgroup2)
	if err != nil {
		t.Fatal(err)
	}
	out, err := shell(l, "stat -fc %T /sys/fs/cgroup; readlink /proc/self/ns/mnt").output()
	l.close()
	if err != nil || !strings.HasPrefix(out, "cgroup2fs\n") {
		t.Errorf("got %q, %v", out, err)
	}
	host, err := exec.Command("readlink", "/proc/self/ns/mnt").Output()
	if err != nil || strings.Contains(out, strings.TrimSpace(string(host))) {
		t.Errorf("the host's mount namespace: %q, %v", host, err)
	}
	if after := cgroupMounts(t); after != before {
		t.Errorf("the host's mounts were\n%s\nand are\n%s", before, after)
	}
}

// cgroupMounts leaves out what other tests may mount meanwhile.
func cgroupMounts(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, " /sys/fs/cgroup") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

package tests

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"berth/tests/fixture"
)

// bundle makes an OCI bundle of box that runs a program, and returns its
// folder.
func (s *stage) bundle(program ...string) string {
	s.t.Helper()
	dir := s.t.TempDir()
	layers, err := filepath.Glob(filepath.Join(s.root, "layer", "*", "bin"))
	if err != nil || len(layers) == 0 {
		s.t.Fatalf("find box's layer: %v", err)
	}
	rootfs := filepath.Join(dir, "rootfs")
	if r := finish(s.t, exec.Command("cp", "-a", filepath.Dir(layers[0]), rootfs)); r.code != 0 {
		s.t.Fatal(r.errs)
	}
	s.must("oci", "spec", "-b", dir)
	config := filepath.Join(dir, "config.json")
	text := strings.Replace(readFile(s.t, config), `"terminal": true`, `"terminal": false`, 1)
	text = strings.Replace(text, `"sh"`, `"`+strings.Join(program, `", "`)+`"`, 1)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return dir
}

// TestSoakKillOCI kills the commands of the OCI command line at their k-th
// system call, for k all over their lives. Whatever a killed one leaves, delete
// --force removes, and the id can be used again.
func TestSoakKillOCI(t *testing.T) {
	leaveToHost(t)
	s := newStage(t)
	strace := fixture.NeedTool(t, "strace")
	dir := s.bundle("sleep", "1000")
	for name, x := range map[string]struct{ prepare, command []string }{
		"create": {command: []string{"oci create -b " + dir + " victim"}},
		"run":    {command: []string{"oci run -d -b " + dir + " victim"}},
		"start":  {prepare: []string{"oci create -b " + dir + " victim"}, command: []string{"oci start victim"}},
		"exec":   {prepare: []string{"oci run -d -b " + dir + " victim"}, command: []string{"oci exec victim true"}},
		"delete": {prepare: []string{"oci run -d -b " + dir + " victim"}, command: []string{"oci delete --force victim"}},
	} {
		t.Run(name, func(t *testing.T) {
			prepare := func() {
				for _, p := range x.prepare {
					s.quiet(p)
				}
			}
			prepare()
			log := filepath.Join(t.TempDir(), "log")
			traced := exec.Command(strace, append([]string{"-f", "-b", "execve", "-o", log, s.path}, words(x.command[0])...)...)
			if err := apart(t, traced); err != nil {
				t.Fatalf("%s: %v", x.command, err)
			}
			s.must("oci", "delete", "--force", "victim")
			calls := most(readFile(t, log))
			points := count(1000) / 4
			for i := range max(points, 3) {
				k := 1 + (calls*i+rand.IntN(calls))/max(points, 3)
				prepare()
				cmd := s.command()
				cmd.Path = strace
				cmd.Args = append([]string{strace, "-f", "-b", "execve", "-qq", "-o", "/dev/null", "-e", fmt.Sprintf("inject=all:signal=KILL:when=%d", k), s.path}, words(x.command[0])...)
				_ = apart(t, cmd) // it is killed
				s.must("oci", "list")
				s.must("oci", "delete", "--force", "victim")
				s.quiet("oci run -d -b " + dir + " victim")
				s.must("oci", "delete", "--force", "victim")
				if diff := s.ledger.Wait(settle); diff != "" {
					t.Fatalf("%s, killed at call %d of %d, leaves:\n%s", x.command, k, calls, diff)
				}
			}
		})
	}
	s.clean()
}

// apart runs a command whose container may go on with its streams: a pipe would
// be waited for as long.
func apart(t *testing.T, cmd *exec.Cmd) error {
	t.Helper()
	cmd.Stdout, cmd.Stderr = nil, nil // /dev/null
	return cmd.Run()
}

// quiet runs a command whose container keeps its streams.
func (s *stage) quiet(line string) {
	s.t.Helper()
	cmd := s.command(words(line)...)
	log := filepath.Join(s.t.TempDir(), "log")
	cmd.Args = append([]string{cmd.Args[0], "oci", "--log", log}, cmd.Args[2:]...)
	if err := apart(s.t, cmd); err != nil {
		s.t.Fatalf("%s: %v: %s", line, err, readFile(s.t, log))
	}
}

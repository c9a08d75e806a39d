package tests

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"berth/tests/fixture"
)

// TestSoakNameRace: of any number of runs with one name, one wins, and the
// others leave nothing.
func TestSoakNameRace(t *testing.T) {
	s := newStage(t)
	for range count(50) / 5 {
		const racers = 50
		results := make([]result, racers)
		var race sync.WaitGroup
		for i := range racers {
			race.Go(func() { results[i] = s.do("run", "-d", "--name", "prize", "box", "sleep", "1000") })
		}
		race.Wait()
		winners := 0
		for _, r := range results {
			switch {
			case r.code == 0:
				winners++
			case r.code != 125 || !strings.Contains(r.errs, "already in use"):
				t.Errorf("exit code %d: %s", r.code, r.errs)
			}
		}
		if all := strings.Fields(s.must("ps", "-aq")); winners != 1 || len(all) != 1 {
			t.Fatalf("%d winners, and containers %v", winners, all)
		}
		s.must("rm", "-f", "prize")
	}
	s.clean()
}

// settled checks what a killed supervisor must leave: no payload, a record
// that ps has settled, an exit code that nobody knows, and a free name.
func (s *stage) settled(name string) {
	s.t.Helper()
	begun := time.Now()
	if running := s.must("ps", "-q"); running != "" {
		s.t.Errorf("ps shows %s as running", running)
	}
	if took := time.Since(begun); took > deadline()/30 {
		s.t.Errorf("ps took %s", took)
	}
	for _, id := range strings.Fields(s.must("ps", "-aq", "--no-trunc")) {
		data, err := os.ReadFile(filepath.Join(s.root, "container", id, "exit.json"))
		if os.IsNotExist(err) {
			continue // never ran
		}
		var exit struct{ Code *int }
		if err == nil {
			err = json.Unmarshal(data, &exit)
		}
		// One that had ended by itself has its own code.
		if err != nil || exit.Code != nil && *exit.Code != 0 {
			s.t.Errorf("the record of the end is %s, %v", data, err)
		}
		s.must("rm", id)
	}
	s.must("run", "--rm", "--name", name, "box", "true")
}

// TestSoakKillForeground kills the berth that a container runs under, at any
// moment of its start and after.
func TestSoakKillForeground(t *testing.T) {
	s := newStage(t)
	for i := range count(500) {
		flags := []string{"run", "--name", "victim"}
		if i%2 == 0 {
			flags = append(flags, "--rm")
		}
		if i%3 == 0 {
			flags = append(flags, "--init")
		}
		cmd := s.command(append(flags, "box", "sleep", "1000")...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// A start takes some milliseconds: half of the rounds hit it.
		time.Sleep(rand.N([]time.Duration{8 * time.Millisecond, 60 * time.Millisecond}[i/2%2]))
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		s.settled("victim")
		if diff := s.ledger.Wait(settle); diff != "" {
			t.Fatalf("round %d, %v: left behind:\n%s", i, flags, diff)
		}
	}
}

// TestSoakKillMonitor does the same to the monitor of a detached container.
func TestSoakKillMonitor(t *testing.T) {
	s := newStage(t)
	for i := range count(250) {
		s.must("run", "-d", "--name", "victim", "box", "sleep", "1000")
		payload := s.must("inspect", "--format", "{{.State.Pid}}", "victim")
		monitor := statusField(readFile(t, "/proc/"+payload+"/status"), "PPid")
		pid, err := strconv.Atoi(monitor)
		if err != nil || !strings.Contains(readFile(t, "/proc/"+monitor+"/cmdline"), "berth-monitor") {
			t.Fatalf("process %s is no monitor, %v", monitor, err)
		}
		time.Sleep(rand.N(10 * time.Millisecond))
		killAndWait(t, pid)
		s.settled("victim")
		if diff := s.ledger.Wait(settle); diff != "" {
			t.Fatalf("round %d: left behind:\n%s", i, diff)
		}
	}
}

// killAndWait kills a process that is not our child, and waits until the last
// of its threads has ended.
func killAndWait(t *testing.T, pid int) {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil {
		t.Fatal(err)
	}
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(deadline().Milliseconds()))
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			t.Fatalf("process %d does not end: %v", pid, err)
		}
		return
	}
}

// TestSoakKillAtSystemCall kills a command at its k-th system call, for k all
// over its life.
func TestSoakKillAtSystemCall(t *testing.T) {
	leaveToHost(t)
	s := newStage(t)
	strace := fixture.NeedTool(t, "strace")
	for name, x := range map[string]struct{ prepare, command string }{
		"run":    {command: "run --rm --name victim box true"},
		"detach": {command: "run -d --name victim box true"},
		"remove": {prepare: "run -d --name victim box sleep 1000", command: "rm -f victim"},
	} {
		t.Run(name, func(t *testing.T) {
			// Counters are per thread: the main one's calls are the measure.
			if x.prepare != "" {
				s.must(words(x.prepare)...)
			}
			log := filepath.Join(t.TempDir(), "log")
			if r := finish(t, exec.Command(strace, append([]string{"-f", "-o", log, s.path}, words(x.command)...)...)); r.code != 0 {
				t.Fatalf("%s: %d %s", x.command, r.code, r.errs)
			}
			s.do("rm", "-f", "victim")
			calls := most(readFile(t, log))
			points := count(1000) * 2 / 3
			for i := range points {
				k := 1 + (calls*i+rand.IntN(calls))/points
				if x.prepare != "" {
					s.must(words(x.prepare)...)
				}
				cmd := s.command()
				cmd.Path = strace
				cmd.Args = append([]string{strace, "-f", "-qq", "-o", "/dev/null", "-e", fmt.Sprintf("inject=all:signal=KILL:when=%d", k), s.path}, words(x.command)...)
				finish(t, cmd)
				s.must("ps", "-a")
				s.do("rm", "-f", "victim")
				s.must("run", "--rm", "--name", "victim", "box", "true")
				if diff := s.ledger.Wait(settle); diff != "" {
					t.Fatalf("%s, killed at call %d of %d, leaves:\n%s", x.command, k, calls, diff)
				}
			}
		})
	}
}

// most is the number of lines of the thread that has the most.
func most(log string) int {
	lines, top := map[string]int{}, 0
	for line := range strings.Lines(log) {
		tid, _, _ := strings.Cut(line, " ")
		lines[tid]++
		top = max(top, lines[tid])
	}
	return top
}

// TestSoakCutRemoval: a removal that was cut short half-way is finished by the
// next listing.
func TestSoakCutRemoval(t *testing.T) {
	leaveToHost(t)
	s := newStage(t)
	id := s.must("create", "--name", "cut", "box", "true")
	dir := filepath.Join(s.root, "container")
	// As state.RemoveTree names it, by a process that is no more.
	if err := os.Rename(filepath.Join(dir, id), filepath.Join(dir, ".removing-4194304-1")); err != nil {
		t.Fatal(err)
	}
	s.must("ps", "-a")
	s.must("run", "--rm", "--name", "cut", "box", "true")
	s.clean()
}

// TestSoakStop: a payload that ignores its stop signal is killed in time, and
// one that follows it is not.
func TestSoakStop(t *testing.T) {
	s := newStage(t)
	for _, x := range []struct {
		name, script string
		flags        string
		code         string
	}{
		{"deaf", `trap "" TERM; echo ready; while :; do sleep 0.05; done`, "", "137"},
		{"deaf with init", `trap "" TERM; echo ready; while :; do sleep 0.05; done`, "--init", "137"},
		{"follows", `trap "exit 7" TERM; echo ready; while :; do sleep 0.05; done`, "", "7"},
		{"other signal", `trap "exit 8" USR1; echo ready; while :; do sleep 0.05; done`, "--stop-signal USR1", "8"},
	} {
		t.Run(x.name, func(t *testing.T) {
			s.must(words("run -d --name stops", x.flags, "box sh -c", []string{x.script})...)
			for end := time.Now().Add(deadline()); s.must("logs", "stops") != "ready"; time.Sleep(10 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("it is not ready")
				}
			}
			begun := time.Now()
			s.must("stop", "-t", "1", "stops")
			took := time.Since(begun)
			if got := s.must("wait", "stops"); got != x.code {
				t.Errorf("exit code %s, want %s", got, x.code)
			}
			if deaf := x.code == "137"; deaf != (took >= time.Second) && os.Getenv("BERTH_VM") == "" {
				t.Errorf("stop took %s", took)
			}
			s.must("stop", "stops")
			s.must("rm", "stops")
		})
	}
	s.clean()
}

// TestSoakOOM: who was killed for memory is said so.
func TestSoakOOM(t *testing.T) {
	s, p := newStage(t), probe(t)
	for range count(100) {
		s.must(words("run -d --name oom -m 20m", p, "box /probe fill 60")...)
		if code := s.must("wait", "oom"); code != "137" {
			t.Errorf("exit code %s", code)
		}
		if got := s.must("inspect", "--format", "{{.State.OOMKilled}}", "oom"); got != "true" {
			t.Errorf("OOMKilled is %s", got)
		}
		s.must("rm", "oom")
	}
	s.must(words("run -d --name fine -m 64m", p, "box /probe exit 137")...)
	s.must("wait", "fine")
	if got := s.must("inspect", "--format", "{{.State.OOMKilled}}", "fine"); got != "false" {
		t.Errorf("OOMKilled is %s of one that was not", got)
	}
	s.must("rm", "fine")
	s.clean()
}

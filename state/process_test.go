package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// statLine is a line of /proc/PID/stat with the given name, state, thread
// count and start time; the rest is as a kernel prints it.
func statLine(comm, state string, threads, start string) string {
	return "4711 (" + comm + ") " + state + " 1 4711 4711 34816 4711 4194304 116 0 0 0 0 0 0 0 20 0 " +
		threads + " 0 " + start + " 2478080 213 18446744073709551615 1 1 0 0 0 0 0 0 65536 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
}

func TestParseStat(t *testing.T) {
	plain := stat{state: 'S', threads: 1, start: 8234}
	tests := []struct {
		name, line string
		want       stat
		wantErr    bool
	}{
		{"plain", statLine("sleep", "S", "1", "8234"), plain, false},
		{"spaces", statLine("tmux: server", "S", "1", "8234"), plain, false},
		{"parenthesis", statLine("a) R 9 9 9", "S", "1", "8234"), plain, false},
		{"nested", statLine("((x)) )", "S", "1", "8234"), plain, false},
		{"newline", statLine("a\nb", "S", "1", "8234"), plain, false},
		{"no name", statLine("", "S", "1", "8234"), plain, false},
		{"largest", statLine("x", "Z", "7", "18446744073709551615"), stat{'Z', 7, 1<<64 - 1}, false},
		{"empty", "", stat{}, true},
		{"no parenthesis", "1 sleep S 1 2", stat{}, true},
		{"cut before start time", strings.Split(statLine("x", "S", "1", "8234"), " 8234")[0], stat{}, true},
		{"negative start", statLine("x", "S", "1", "-1"), stat{}, true},
		{"long state", statLine("x", "SS", "1", "1"), stat{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseStat([]byte(tt.line))
			if (err != nil) != tt.wantErr || got != tt.want {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("sleep", uint64(8234))
	f.Add(") S 1 (", uint64(0))
	f.Add("\x00)\n) Z", uint64(1))
	f.Fuzz(func(t *testing.T, comm string, start uint64) {
		_, _ = parseStat([]byte(comm))
		got, err := parseStat([]byte(statLine(comm, "R", "3", strconv.FormatUint(start, 10))))
		if err != nil || got != (stat{'R', 3, start}) {
			t.Errorf("comm %q: got %+v, %v", comm, got, err)
		}
	})
}

func TestProcessJSON(t *testing.T) {
	text, err := json.Marshal(Process{PID: 1, StartTime: 2, BootID: "b"})
	must(t, err)
	if string(text) != `{"pid":1,"start_time":2,"boot_id":"b"}` {
		t.Errorf("got %s", text)
	}
}

func TestAlive(t *testing.T) {
	me := self(t)
	if !me.Alive() || me.PID != os.Getpid() {
		t.Fatalf("%+v is not alive", me)
	}
	tests := []struct {
		name string
		p    Process
	}{
		{"zero", Process{}},
		{"pid reused", Process{me.PID, me.StartTime - 1, me.BootID}},
		{"other boot", Process{me.PID, me.StartTime, "00000000-0000-4000-8000-000000000000"}},
		{"negative pid", Process{-me.PID, me.StartTime, me.BootID}},
		{"ended", deadProcess(t)},
		{"no such pid", Process{1 << 30, 1, me.BootID}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.p.Alive() {
				t.Errorf("%+v is alive", tt.p)
			}
			if fd, err := tt.p.Pidfd(); !errors.Is(err, ErrProcessGone) {
				t.Errorf("pidfd %d, %v", fd, err)
			}
			if err := tt.p.Signal(unix.SIGKILL); !errors.Is(err, ErrProcessGone) {
				t.Errorf("signal: %v", err)
			}
		})
	}
	if me.AliveIn("another boot") {
		t.Error("alive after a reboot")
	}
	if _, err := ProcessOf(1 << 30); !errors.Is(err, ErrProcessGone) {
		t.Errorf("ProcessOf: %v", err)
	}
}

func TestZombieIsNotAlive(t *testing.T) {
	cmd := exec.Command("/bin/sleep", "60")
	must(t, cmd.Start())
	defer func() { _ = cmd.Wait() }()
	p, err := ProcessOf(cmd.Process.Pid)
	must(t, err)
	if !p.Alive() {
		t.Error("not alive while running")
	}
	must(t, p.Signal(unix.SIGKILL))
	deadline := time.Now().Add(5 * time.Second)
	for p.Alive() {
		if time.Now().After(deadline) {
			t.Fatal("zombie counts as alive")
		}
		time.Sleep(time.Millisecond)
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", p.PID)); err != nil {
		t.Fatalf("not a zombie: %v", err)
	}
}

// playLeaderless ends its first thread and lives on in others.
func playLeaderless() {
	go func() {
		awaitEnd()
		os.Exit(0)
	}()
	// Only the thread whose id is the pid will do; the scheduler moves the main
	// goroutine at will, so others are kept busy until it is there.
	for {
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			break
		}
		go func() {
			runtime.LockOSThread()
			select {}
		}()
		runtime.UnlockOSThread()
		runtime.Gosched()
	}
	say("going")
	_, _, _ = unix.RawSyscall(unix.SYS_EXIT, 0, 0, 0)
}

func TestProcessWithoutFirstThreadIsAlive(t *testing.T) {
	cmd, _, lines := play(t, "leaderless")
	waitLine(t, lines)
	p, err := ProcessOf(cmd.Process.Pid)
	must(t, err)
	deadline := time.Now().Add(5 * time.Second)
	for {
		st, err := readStat(p.PID)
		must(t, err)
		if st.state == 'Z' {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("first thread still runs")
		}
		time.Sleep(time.Millisecond)
	}
	if !p.Alive() {
		t.Error("counts as ended while other threads run")
	}
}

// A recycled pid must never be signalled: ns_last_pid makes the kernel hand
// out the same pid again.
func TestRecycledPidIsNotSignalled(t *testing.T) {
	needRoot(t, "to write ns_last_pid")
	old := deadProcess(t)
	time.Sleep(20 * time.Millisecond) // start times count in 10 ms
	for range 200 {
		if os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte(strconv.Itoa(old.PID-1)), 0) != nil {
			t.Skip("ns_last_pid is not writable")
		}
		cmd := exec.Command("/bin/sleep", "60")
		must(t, cmd.Start())
		hit := cmd.Process.Pid == old.PID
		if hit {
			if err := old.Signal(unix.SIGKILL); !errors.Is(err, ErrProcessGone) {
				t.Errorf("signalled the new process: %v", err)
			}
			if old.Alive() {
				t.Error("recycled pid counts as alive")
			}
			p, err := ProcessOf(old.PID)
			must(t, err)
			if !p.Alive() {
				t.Error("the new process was hit")
			}
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if hit {
			return
		}
	}
	t.Skip("the pid was not handed out again in 200 tries")
}

func TestBootID(t *testing.T) {
	id, err := BootID()
	must(t, err)
	want, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	must(t, err)
	if id != string(bytes.TrimSpace(want)) {
		t.Errorf("got %q, want %q", id, want)
	}
}

func BenchmarkSelf(b *testing.B) {
	for b.Loop() {
		_, err := Self()
		must(b, err)
	}
}

func BenchmarkBootID(b *testing.B) {
	for b.Loop() {
		_, err := BootID()
		must(b, err)
	}
}

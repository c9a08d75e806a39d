package container

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"berth/state"
)

func TestProbeCommand(t *testing.T) {
	for _, tt := range []struct {
		name  string
		check *HealthCheck
		want  string
	}{
		{"no check", nil, ""},
		{"no test", &HealthCheck{Retries: 3}, ""},
		{"none", &HealthCheck{Test: []string{"NONE"}}, ""},
		{"none with words", &HealthCheck{Test: []string{"NONE", "x"}}, ""},
		{"nothing to run", &HealthCheck{Test: []string{"CMD"}}, ""},
		{"unknown kind", &HealthCheck{Test: []string{"HTTP", "/"}}, ""},
		{"program", &HealthCheck{Test: []string{"CMD", "a", "b c"}}, "a|b c"},
		{"shell", &HealthCheck{Test: []string{"CMD-SHELL", "a b"}}, "/bin/sh|-c|a b"},
		{"image's shell", &HealthCheck{Test: []string{"CMD-SHELL", "a b"}, Shell: []string{"ash", "-ec"}}, "ash|-ec|a b"},
	} {
		if got := strings.Join(tt.check.command(), "|"); got != tt.want || tt.check.Probes() != (tt.want != "") {
			t.Errorf("%s: %q, probes %v, want %q", tt.name, got, tt.check.Probes(), tt.want)
		}
	}
}

// TestJudge plays probes, a word each: ok or an exit code, and @seconds after
// the start when the start period matters.
func TestJudge(t *testing.T) {
	for _, tt := range []struct {
		name, probes string
		check        HealthCheck
		want         HealthStatus
		streak       int
	}{
		{"nothing yet", "", HealthCheck{}, Starting, 0},
		{"healthy at once", "ok", HealthCheck{}, Healthy, 0},
		{"two failures are not three", "1 1", HealthCheck{}, Starting, 2},
		{"three failures by default", "1 2 -1", HealthCheck{}, Unhealthy, 3},
		{"retries", "1", HealthCheck{Retries: 1}, Unhealthy, 1},
		{"healthy stays so until the last", "ok 1 1", HealthCheck{}, Healthy, 2},
		{"a success clears", "1 1 ok 1 1", HealthCheck{}, Healthy, 2},
		{"recovery", "1 1 1 1 ok", HealthCheck{}, Healthy, 0},
		{"start period forgives", "1@1 1@2 1@9", HealthCheck{StartPeriod: 10 * time.Second, Retries: 1}, Starting, 0},
		{"start period ends", "1@1 1@10", HealthCheck{StartPeriod: 10 * time.Second, Retries: 1}, Unhealthy, 1},
		{"start period is over with the first success", "ok@1 1@2", HealthCheck{StartPeriod: 10 * time.Second, Retries: 1}, Unhealthy, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Now()
			h := Health{Started: start, Status: Starting}
			for _, word := range strings.Fields(tt.probes) {
				text, at, _ := strings.Cut(word, "@")
				code, _ := strconv.Atoi(text) // ok is 0
				seconds, _ := strconv.Atoi(at)
				h.judge(&tt.check, ProbeResult{Start: start.Add(time.Duration(seconds) * time.Second), ExitCode: code})
			}
			if h.Status != tt.want || h.FailingStreak != tt.streak {
				t.Errorf("%s, streak %d, want %s, %d", h.Status, h.FailingStreak, tt.want, tt.streak)
			}
		})
	}
}

func TestJudgeKeepsFive(t *testing.T) {
	var h Health
	for code := range 8 {
		h.judge(&HealthCheck{}, ProbeResult{ExitCode: code})
	}
	var codes []int
	for _, r := range h.Log {
		codes = append(codes, r.ExitCode)
	}
	if !slices.Equal(codes, []int{3, 4, 5, 6, 7}) {
		t.Errorf("the log has %v", codes)
	}
}

func TestNextProbe(t *testing.T) {
	all := HealthCheck{Interval: time.Minute, StartPeriod: time.Hour, StartInterval: time.Second}
	for _, tt := range []struct {
		name   string
		check  HealthCheck
		status HealthStatus
		age    time.Duration
		want   time.Duration
	}{
		{"default", HealthCheck{}, Starting, 0, 30 * time.Second},
		{"interval", all, Healthy, 0, time.Minute},
		{"starting", all, Starting, 59 * time.Minute, time.Second},
		{"start period over", all, Starting, time.Hour, time.Minute},
		{"default in the start period", HealthCheck{StartPeriod: time.Hour}, Starting, 0, 5 * time.Second},
	} {
		if got := tt.check.next(tt.status, tt.age); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// healthEngine has the run folder of one container, c.
func healthEngine(t *testing.T) (*Engine, *Config) {
	t.Helper()
	e := New(state.Dirs{Root: t.TempDir(), Run: t.TempDir()})
	t.Cleanup(e.events.Close)
	c := &Config{ID: strings.Repeat("ab", 32), HealthCheck: &HealthCheck{Test: []string{"CMD", "x"}, Retries: 1}}
	if err := os.MkdirAll(e.Dirs.RunContainer(c.ID), 0o700); err != nil {
		t.Fatal(err)
	}
	return e, c
}

func TestHealthOfAView(t *testing.T) {
	e, c := healthEngine(t)
	now := time.Now().UTC()
	if err := state.WriteJSON(e.healthPath(c.ID), &Health{Started: now, Status: Healthy, Log: []ProbeResult{{}}}, state.Fast); err != nil {
		t.Fatal(err)
	}
	plain := *c
	plain.HealthCheck = nil
	for _, tt := range []struct {
		name string
		v    View
		want HealthStatus
	}{
		{"no check", View{Config: &plain, Status: Running, Live: &Live{Started: now}}, ""},
		{"never run", View{Config: c, Status: Created}, ""},
		{"being made", View{Config: c, Status: Created, Live: &Live{Started: now}}, ""},
		{"running", View{Config: c, Status: Running, Live: &Live{Started: now}}, Healthy},
		{"running again, not probed yet", View{Config: c, Status: Running, Live: &Live{Started: now.Add(1)}}, Starting},
		{"between two runs", View{Config: c, Status: Restarting, Live: &Live{Started: now}}, Unhealthy},
		{"ended", View{Config: c, Status: Exited, Exit: &Exit{}}, Unhealthy},
	} {
		h := e.health(&tt.v)
		switch {
		case h == nil && tt.want != "" || h != nil && h.Status != tt.want:
			t.Errorf("%s: %+v, want %q", tt.name, h, tt.want)
		case h != nil && len(h.Log) != 1:
			t.Errorf("%s: the log is lost", tt.name)
		}
	}
}

// TestRecordProbe: what others have put on record meanwhile counts.
func TestRecordProbe(t *testing.T) {
	e, c := healthEngine(t)
	now := time.Now().UTC()
	ours, theirs := &Health{Started: now, Status: Starting}, &Health{Started: now, Status: Starting}
	for _, tt := range []struct {
		who    *Health
		code   int
		want   HealthStatus
		logged int
	}{{ours, 0, Healthy, 1}, {theirs, 1, Unhealthy, 2}, {ours, 1, Unhealthy, 3}, {ours, 0, Healthy, 4}} {
		err := e.recordProbe(t.Context(), c, tt.who, ProbeResult{ExitCode: tt.code})
		if err != nil || tt.who.Status != tt.want || len(tt.who.Log) != tt.logged {
			t.Errorf("code %d: %s, %d results, %v", tt.code, tt.who.Status, len(tt.who.Log), err)
		}
	}
}

// TestRecordProbeOverStaleRecord: a record that could not be written does not
// take back what the probes after it say.
func TestRecordProbeOverStaleRecord(t *testing.T) {
	e, c := healthEngine(t)
	now := time.Now().UTC()
	h := &Health{Started: now, Status: Starting}
	if err := e.recordProbe(t.Context(), c, h, ProbeResult{Start: now, End: now.Add(1), ExitCode: 1}); err != nil || h.Status != Unhealthy {
		t.Fatal(h.Status, err)
	}
	stale, err := os.ReadFile(e.healthPath(c.ID))
	if err != nil {
		t.Fatal(err)
	}
	for i, code := range []int{0, 0} {
		if err := e.recordProbe(t.Context(), c, h, ProbeResult{End: now.Add(time.Duration(2 + i)), ExitCode: code}); err != nil {
			t.Fatal(err)
		}
		if h.Status != Healthy || len(h.Log) != 2+i {
			t.Errorf("%s with %d results", h.Status, len(h.Log))
		}
		if err := os.WriteFile(e.healthPath(c.ID), stale, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRecordProbeWithoutFolder: with the container gone, nothing is made anew;
// what is known stays with the caller.
func TestRecordProbeWithoutFolder(t *testing.T) {
	e, c := healthEngine(t)
	if err := os.Remove(e.Dirs.RunContainer(c.ID)); err != nil {
		t.Fatal(err)
	}
	h := &Health{Status: Starting}
	if err := e.recordProbe(t.Context(), c, h, ProbeResult{}); err == nil || h.Status != Healthy {
		t.Errorf("%s, %v", h.Status, err)
	}
	if left, _ := filepath.Glob(e.Dirs.RunContainer(c.ID)); len(left) > 0 {
		t.Errorf("made %v", left)
	}
}

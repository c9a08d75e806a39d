package systemd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"berth/tests/fixture"
)

// need skips where systemd is not PID 1: the virtual machine of the suite has
// it, containers and most CI machines' containers have not.
func need(t *testing.T) context.Context {
	t.Helper()
	if !Booted() {
		t.Skip("by design: systemd is not running here; the virtual machine tests this")
	}
	fixture.NeedRoot(t)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// sleeper is a process to put into scopes.
func sleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "300")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

// scope names a scope in a slice of the test's own. systemd makes slices as
// scopes need them, and keeps those.
func scope(t *testing.T, name string) Scope {
	t.Helper()
	t.Cleanup(func() {
		if !Booted() {
			return
		}
		if out, err := exec.Command("systemctl", "stop", "berthtest.slice").CombinedOutput(); err != nil {
			t.Errorf("stop the slice: %v: %s", err, out)
		}
	})
	s, err := ParseScope(fmt.Sprintf("berthtest-%d.slice:berthtest:%s", os.Getpid(), name), "")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// show returns a property of a unit as systemctl prints it.
func show(t *testing.T, unit, property string) string {
	t.Helper()
	out, err := exec.Command("systemctl", "show", "-p", property, "--value", unit).CombinedOutput()
	if err != nil {
		t.Fatalf("systemctl show %s: %v: %s", unit, err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestLiveScope(t *testing.T) {
	ctx := need(t)
	s := scope(t, "life")
	s.Properties = []Property{{"MemoryMax", uint64(64 << 20)}, {"TasksMax", uint64(9)}, {"CPUQuotaPerSecUSec", uint64(500000)}, {"AllowedCPUs", []byte{1}}}
	more, err := Annotated(map[string]string{annotationPrefix + "TimeoutStopSec": "7"})
	if err != nil {
		t.Fatal(err)
	}
	s.Properties = append(s.Properties, more...)
	cmd := sleeper(t)
	begin := time.Now()
	if err := Start(ctx, s, cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	t.Logf("started in %v", time.Since(begin))
	t.Cleanup(func() { _ = Stop(ctx, s.Unit()) })
	in, err := os.ReadFile("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/cgroup")
	if err != nil || !strings.Contains(string(in), s.Path()+"\n") {
		t.Errorf("the process is in %q, %v; want %s", in, err, s.Path())
	}
	for property, want := range map[string]string{
		"MemoryMax": "67108864", "TasksMax": "9", "CPUQuotaPerSecUSec": "500ms", "AllowedCPUs": "0", "Delegate": "yes",
		"TimeoutStopUSec": "7s", "CollectMode": "inactive-or-failed", "DefaultDependencies": "no", "ControlGroup": s.Path(),
		"Description": "berth container life", "ActiveState": "active",
	} {
		if got := show(t, s.Unit(), property); got != want {
			t.Errorf("%s is %q, want %q", property, got, want)
		}
	}
	if err := Start(ctx, s, sleeper(t).Process.Pid); !errors.Is(err, ErrExists) {
		t.Errorf("a second scope of that name: %v", err)
	}
	if err := Set(ctx, s.Unit(), []Property{{"MemoryMax", unlimited}, {"TasksMax", uint64(11)}}); err != nil {
		t.Error(err)
	}
	if got := show(t, s.Unit(), "MemoryMax") + " " + show(t, s.Unit(), "TasksMax"); got != "infinity 11" {
		t.Errorf("after a change: %s", got)
	}
	if err := Stop(ctx, s.Unit()); err != nil {
		t.Error(err)
	}
	if got := show(t, s.Unit(), "LoadState"); got != "not-found" {
		t.Errorf("the unit is still %s", got)
	}
	if err := Stop(ctx, s.Unit()); err != nil {
		t.Errorf("a unit that is gone: %v", err)
	}
}

func TestLiveRefusals(t *testing.T) {
	ctx := need(t)
	s := scope(t, "bad")
	s.Properties = []Property{{"NoSuchProperty", "x"}}
	if err := Start(ctx, s, sleeper(t).Process.Pid); err == nil || !strings.Contains(err.Error(), "NoSuchProperty") || !strings.Contains(err.Error(), s.Unit()) {
		t.Errorf("an unknown property: %v", err)
	}
	s.Properties = nil
	cmd := sleeper(t)
	if err := errors.Join(cmd.Process.Kill(), ignoreState(cmd.Wait())); err != nil {
		t.Fatal(err)
	}
	if err := Start(ctx, s, cmd.Process.Pid); err == nil {
		t.Error("a process that is gone was put into a scope")
	}
	if err := Set(ctx, s.Unit(), []Property{{"TasksMax", uint64(3)}}); err == nil {
		t.Error("a unit that is not there was changed")
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	if err := Start(over, scope(t, "late"), sleeper(t).Process.Pid); err == nil {
		t.Error("started although the context was over")
	}
}

func ignoreState(err error) error {
	var state *exec.ExitError
	if errors.As(err, &state) {
		return nil
	}
	return err
}

// TestLiveFailedUnit leaves a failed unit behind, as a scope without
// CollectMode does that ran into its time limit, and takes its name again.
func TestLiveFailedUnit(t *testing.T) {
	ctx := need(t)
	s := scope(t, "failed")
	s.Properties = []Property{{"CollectMode", "inactive"}, {"RuntimeMaxUSec", uint64(300000)}}
	cmd := sleeper(t)
	if err := Start(ctx, s, cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	state := ""
	for range 200 {
		if state = show(t, s.Unit(), "ActiveState"); state == "failed" {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if state != "failed" {
		t.Fatalf("the unit is %s", state)
	}
	s.Properties = nil
	if err := Start(ctx, s, sleeper(t).Process.Pid); err != nil {
		t.Error(err)
	}
	if err := Stop(ctx, s.Unit()); err != nil {
		t.Error(err)
	}
}

// TestNotBooted is the other half: what the caller is told without systemd.
func TestNotBooted(t *testing.T) {
	if Booted() {
		t.Skip("by design: systemd is running here")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s := scope(t, "none")
	for _, err := range []error{Start(ctx, s, 1), Stop(ctx, s.Unit()), Set(ctx, s.Unit(), []Property{{"TasksMax", uint64(1)}})} {
		if !errors.Is(err, ErrNotBooted) || !strings.Contains(err.Error(), s.Unit()) {
			t.Errorf("got %v", err)
		}
	}
}

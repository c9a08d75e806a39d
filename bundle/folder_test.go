package bundle

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/cgroup"
	"berth/state"
	"berth/tests/ledger"
)

// TestDeleteRace: creations and forced deletions of one id do not harm each
// other: who is told that a container was made had it whole.
func TestDeleteRace(t *testing.T) {
	h := newHarness(t)
	dir := h.bundle(shell("sleep 100"))
	l := ledger.Take(t)
	rounds := 60
	if testing.Short() {
		rounds = 20
	}
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for range rounds {
				err := h.Create(t.Context(), "x", CreateOptions{Bundle: dir})
				// A look at the group may come between another's creation and deletion.
				if err != nil && !errors.Is(err, ErrExists) && !errors.Is(err, cgroup.ErrBusy) {
					t.Errorf("create: %v", err)
				}
			}
		})
		all.Go(func() {
			for range rounds {
				if err := h.Delete(t.Context(), "x", true); err != nil {
					t.Errorf("delete: %v", err)
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	all.Wait()
	h.remove()
	h.empty()
	reapAll(t)
	l.Check(t, 10*time.Second)
}

// TestSlowCreator: a folder stays with its creator, whatever its age, until that
// lets go.
func TestSlowCreator(t *testing.T) {
	h := newHarness(t)
	if err := h.prepare(); err != nil {
		t.Fatal(err)
	}
	dir := h.bundle(shell("sleep 100"))
	f, err := h.makeFolder(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(f.path, old, old); err != nil {
		t.Fatal(err)
	}
	if err := h.Create(t.Context(), "x", CreateOptions{Bundle: dir}); !errors.Is(err, ErrExists) {
		t.Errorf("create: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := h.Delete(ctx, "x", true); !errors.Is(err, errFolderBusy) {
		t.Errorf("delete: %v", err)
	}
	f.unlock()
	if mine, err := f.retake(t.Context()); !mine || err != nil {
		t.Errorf("the folder was taken from its creator: %v, %v", mine, err)
	}
	// As if it had been killed.
	if err := os.WriteFile(f.path+"/start", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f.close()
	if err := h.Create(t.Context(), "x", CreateOptions{Bundle: dir}); err != nil {
		t.Errorf("create, of what nobody has: %v", err)
	}
	h.await("x", created)
	h.remove()
	h.empty()
}

// TestStranger: a creator knows its folder from another one of the same name.
func TestStranger(t *testing.T) {
	h := newHarness(t)
	if err := h.prepare(); err != nil {
		t.Fatal(err)
	}
	first, err := h.makeFolder(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer first.close()
	first.unlock()
	if err := h.Delete(t.Context(), "x", true); err != nil {
		t.Fatal(err)
	}
	if mine, err := first.retake(t.Context()); mine || err != nil {
		t.Errorf("a folder that is gone: %v, %v", mine, err)
	}
	second, err := h.makeFolder(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if mine, err := first.retake(t.Context()); mine || err != nil {
		t.Errorf("a stranger's folder: %v, %v", mine, err)
	}
	if err := state.RemoveTree(second.path); err != nil {
		t.Fatal(err)
	}
	second.close()
}

// TestDeleteCreating: a container that is being created is refused, and with
// force its creator takes it back.
func TestDeleteCreating(t *testing.T) {
	h := newHarness(t)
	ledger.Take(t)
	s := shell("sleep 100")
	s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/bin/sleep", Args: []string{"sleep", "100"}}}}
	cmd := h.maker("create", h.bundle(s))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := h.load("x"); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no record")
		}
	}
	h.await("x", creating)
	if err := h.Delete(t.Context(), "x", false); err == nil || err.Error() != notStopped("x", creating).Error() {
		t.Errorf("delete: %v", err)
	}
	h.remove()
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 128+15 {
		t.Errorf("creator: %v", cmd.ProcessState)
	}
	h.empty()
}

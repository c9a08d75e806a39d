package container

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"berth/state"
)

// TestPauseWaitsForTheLock: whoever freezes a container holds its lock, so that
// the groups cannot become those of another run in between, whose first process
// would be born frozen and keep its monitor for ever.
func TestPauseWaitsForTheLock(t *testing.T) {
	e, c := healthEngine(t)
	self, err := state.Self()
	if err != nil {
		t.Fatal(err)
	}
	e.self = self
	live := &Live{Supervisor: self, Payload: self, Started: time.Now().UTC()}
	if err := state.WriteJSON(e.livePath(c.ID), live, state.Fast); err != nil {
		t.Fatal(err)
	}
	lock, err := e.lock(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock(lock)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := e.freeze(ctx, c.ID); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("freeze beside another: %v", err)
	}
	v := &View{Config: c, Live: live, Status: Running}
	if _, err := e.still(ctx, v, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("commit beside another: %v", err)
	}
}

// TestPauseWithoutAProcess: between two runs there is nothing to freeze.
func TestPauseWithoutAProcess(t *testing.T) {
	e, c := healthEngine(t)
	if _, err := e.freeze(t.Context(), c.ID); !gone(err) {
		t.Errorf("no run: %v", err)
	}
	lock, err := e.lock(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	unlock(lock)
	self, err := state.Self()
	if err != nil {
		t.Fatal(err)
	}
	e.self = self
	live := &Live{Supervisor: self, Restarting: true, Cgroups: []string{t.TempDir()}}
	if err := state.WriteJSON(e.livePath(c.ID), live, state.Fast); err != nil {
		t.Fatal(err)
	}
	if _, err := e.freeze(t.Context(), c.ID); !gone(err) {
		t.Errorf("waiting for its next run: %v", err)
	}
}

// TestTellWaitersShorter: an end that is told in fewer words than what the
// record has leaves a record.
func TestTellWaitersShorter(t *testing.T) {
	e, c := healthEngine(t)
	code := 3
	long := &Live{Name: "x", Cgroups: []string{strings.Repeat("/group", 100)}}
	if err := state.WriteJSON(e.livePath(c.ID), long, state.Fast); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"y", strings.Repeat("longer", 400), "z"} {
		if err := e.tellWaiters(c.ID, &Live{Header: long.Header, Name: name, Exit: &Exit{Code: &code}}); err != nil {
			t.Fatal(err)
		}
		live, err := e.loadLive(c.ID)
		if err != nil || live.Name != name || live.Exit == nil || *live.Exit.Code != code {
			t.Errorf("%.9s: %+v, %v", name, live, err)
		}
	}
}

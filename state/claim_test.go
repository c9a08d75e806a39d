package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// stop makes a container's lasting folder.
func stop(t testing.TB, d Dirs, id string) {
	t.Helper()
	must(t, MakeDir(d.Container(id)))
}

func wantHolder(t *testing.T, d Dirs, name, id string) {
	t.Helper()
	got, err := LookupName(d, name)
	if id == "" {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is held by %q, %v; want nobody", name, got, err)
		}
		return
	}
	if err != nil || got != id {
		t.Errorf("%s is held by %q, %v; want %q", name, got, err, id)
	}
}

func TestClaimAndRelease(t *testing.T) {
	d, me := newDirs(t), self(t)
	a, b := newID(t), newID(t)
	wantHolder(t, d, "web", "")
	must(t, Claim(d, "web", a, me))
	must(t, Claim(d, "web", a, me)) // idempotent
	wantHolder(t, d, "web", a)
	err := Claim(d, "web", b, me)
	var used *NameInUseError
	if !errors.As(err, &used) || used.ID != a || used.Name != "web" {
		t.Fatalf("got %v", err)
	}
	want := `Conflict. The container name "/web" is already in use by container "` + a +
		`". You have to remove (or rename) that container to be able to reuse that name.`
	if err.Error() != want {
		t.Errorf("got %s", err)
	}
	must(t, Release(d, "web", b)) // not the holder
	wantHolder(t, d, "web", a)
	must(t, Release(d, "web", a))
	must(t, Release(d, "web", a))
	wantHolder(t, d, "web", "")
	must(t, Claim(d, "web", b, me))
}

func TestClaimRefuses(t *testing.T) {
	d, me, id := newDirs(t), self(t), newID(t)
	for _, name := range []string{"", "a", "../x", ".tmp-1", "a/b"} {
		var bad *InvalidNameError
		if err := Claim(d, name, id, me); !errors.As(err, &bad) {
			t.Errorf("claim %q: %v", name, err)
		}
		if err := Release(d, name, id); !errors.As(err, &bad) {
			t.Errorf("release %q: %v", name, err)
		}
		wantHolder(t, d, name, "")
	}
	if err := Claim(d, "web", "x:y", me); err == nil {
		t.Error("claimed for an invalid ID")
	}
	none := Dirs{Root: d.Root, Run: d.Run + "/none"}
	if err := Claim(none, "web", id, me); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a directory: %v", err)
	}
	must(t, Release(none, "web", id))
}

func TestStaleClaims(t *testing.T) {
	me, dead := self(t), deadProcess(t)
	rebooted := me
	rebooted.BootID = "00000000-0000-4000-8000-000000000000"
	tests := []struct {
		name    string
		owner   Process
		prepare func(t testing.TB, d Dirs, id string)
		stale   bool
	}{
		{"owner alive", me, nil, false},
		{"owner dead", dead, nil, true},
		{"owner of another boot", rebooted, nil, true},
		{"pid reused", Process{me.PID, me.StartTime - 1, me.BootID}, nil, true},
		{"no owner", Process{}, nil, true},
		{"owner dead, lasting folder", dead, stop, false},
		{"owner dead, run folder", dead, func(t testing.TB, d Dirs, id string) {
			must(t, MakeDir(d.RunContainer(id)))
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDirs(t)
			a, b := newID(t), newID(t)
			must(t, Claim(d, "web", a, tt.owner))
			if tt.prepare != nil {
				tt.prepare(t, d, a)
			}
			err := Claim(d, "web", b, me)
			if tt.stale {
				must(t, err)
				wantHolder(t, d, "web", b)
				must(t, Release(d, "web", a)) // late; must not hit b's claim
				wantHolder(t, d, "web", b)
				return
			}
			var used *NameInUseError
			if !errors.As(err, &used) || used.ID != a {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestDamagedClaims(t *testing.T) {
	id := newID(t)
	tests := []struct {
		name string
		make func(path string) error
		want error
	}{
		{"garbage", func(p string) error { return os.Symlink("garbage", p) }, nil},
		{"cut", func(p string) error { return os.Symlink("v1:"+id+":1", p) }, nil},
		{"bad numbers", func(p string) error { return os.Symlink("v1:"+id+":x:y:z", p) }, nil},
		{"too long", func(p string) error { return os.Symlink("v1:"+strings.Repeat("0", 500), p) }, nil},
		{"empty file", func(p string) error { return os.WriteFile(p, nil, 0o600) }, nil},
		{"newer", func(p string) error { return os.Symlink("v2:anything", p) }, ErrVersion},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDirs(t)
			must(t, tt.make(d.Name("web")))
			if _, err := LookupName(d, "web"); err == nil {
				t.Error("lookup succeeded")
			}
			err := Claim(d, "web", id, self(t))
			if tt.want != nil {
				if !errors.Is(err, tt.want) {
					t.Errorf("got %v, want %v", err, tt.want)
				}
				return
			}
			must(t, err)
			wantHolder(t, d, "web", id)
		})
	}
}

// race lets n claimers go for one name at once and returns who won.
func race(t *testing.T, d Dirs, name string, n int, owner Process) (winners []string) {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	begin := make(chan struct{})
	for range n {
		id := newID(t)
		wg.Go(func() {
			<-begin
			err := Claim(d, name, id, owner)
			var used *NameInUseError
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				winners = append(winners, id)
			case !errors.As(err, &used):
				t.Error(err)
			}
		})
	}
	close(begin)
	wg.Wait()
	return winners
}

func TestClaimRace(t *testing.T) {
	me, dead := self(t), deadProcess(t)
	for _, start := range []string{"free", "stale", "damaged"} {
		t.Run(start, func(t *testing.T) {
			d := newDirs(t)
			for i := range 40 {
				name := "web" + strconv.Itoa(i)
				switch start {
				case "stale":
					must(t, Claim(d, name, newID(t), dead))
				case "damaged":
					must(t, os.Symlink("x", d.Name(name)))
				}
				winners := race(t, d, name, 50, me)
				if len(winners) != 1 {
					t.Fatalf("%d winners", len(winners))
				}
				wantHolder(t, d, name, winners[0])
			}
		})
	}
}

// playClaim claims the names given as ROOT RUN NAME... and tells which it got.
func playClaim(arg string) {
	f := strings.Fields(arg)
	d := Dirs{Root: f[0], Run: f[1]}
	me, err := Self()
	if err != nil {
		say("error %v", err)
		return
	}
	id, err := NewID()
	if err != nil {
		say("error %v", err)
		return
	}
	for _, name := range f[2:] {
		err := Claim(d, name, id, me)
		var used *NameInUseError
		switch {
		case err == nil:
			say("won %s", name)
		case !errors.As(err, &used):
			say("error %v", err)
		}
	}
	say("done")
	awaitEnd()
}

func TestClaimRaceBetweenProcesses(t *testing.T) {
	d, dead := newDirs(t), deadProcess(t)
	var list []string
	for i := range 200 {
		list = append(list, "web"+strconv.Itoa(i))
		if i%2 == 0 {
			must(t, Claim(d, list[i], newID(t), dead))
		}
	}
	arg := d.Root + " " + d.Run + " " + strings.Join(list, " ")
	var all [][]string
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range 10 {
		_, _, lines := play(t, "claim="+arg)
		wg.Go(func() {
			var got []string
			for lines.Scan() && lines.Text() != "done" {
				got = append(got, lines.Text())
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, got)
		})
	}
	wg.Wait()
	won := slices.Concat(all...)
	slices.Sort(won)
	if len(won) != len(list) || len(slices.Compact(won)) != len(list) {
		t.Errorf("%d wins for %d names: %v", len(won), len(list), won)
	}
}

// Claim, release and reclaim of one name by many: nobody may lose a claim
// that is held, and releases of earlier holders come late on purpose.
func TestClaimReleaseChurn(t *testing.T) {
	d, me := newDirs(t), self(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				id, err := NewID()
				if err != nil {
					t.Error(err)
					return
				}
				if Claim(d, "web", id, me) != nil {
					continue
				}
				if got, err := LookupName(d, "web"); err != nil || got != id {
					t.Errorf("lost a held name to %s, %v", got, err)
				}
				if err := errors.Join(Release(d, "web", id), Release(d, "web", id)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := entries(t, d.Names()); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
}

func TestRenameClaim(t *testing.T) {
	d, me := newDirs(t), self(t)
	a, b := newID(t), newID(t)
	stop(t, d, a)
	must(t, Claim(d, "old", a, me))
	must(t, Claim(d, "taken", b, me))
	never := func() error { t.Error("committed"); return nil }
	var used *NameInUseError
	if err := RenameClaim(d, "old", "taken", a, never); !errors.As(err, &used) || used.ID != b {
		t.Errorf("got %v", err)
	}
	refused := errors.New("disk full")
	if err := RenameClaim(d, "old", "new", a, func() error { return refused }); !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
	wantHolder(t, d, "new", "")
	wantHolder(t, d, "old", a)
	must(t, RenameClaim(d, "old", "new", a, func() error {
		wantHolder(t, d, "old", a)
		wantHolder(t, d, "new", a)
		return nil
	}))
	wantHolder(t, d, "old", "")
	wantHolder(t, d, "new", a)
	must(t, RenameClaim(d, "new", "new", a, func() error { return nil }))
	wantHolder(t, d, "new", a)
}

func TestRestoreNames(t *testing.T) {
	d, me := newDirs(t), self(t)
	a, b, c, young := newID(t), newID(t), newID(t), newID(t)
	for _, id := range []string{a, b, c} {
		stop(t, d, id)
	}
	must(t, Claim(d, "young", young, me))
	// Left by the boot before, when Run is not a tmpfs.
	must(t, Claim(d, "alpha", newID(t), deadProcess(t)))
	must(t, os.Symlink("junk", d.Name("beta")))
	list := func() ([]Named, error) {
		return []Named{{a, "alpha"}, {b, "beta"}, {c, "young"}, {c, "../x"}, {"short", "gamma"}}, nil
	}
	lost, err := RestoreNames(d, "boot-1", list)
	must(t, err)
	if want := []Named{{c, "young"}, {c, "../x"}, {"short", "gamma"}}; !slices.Equal(lost, want) {
		t.Errorf("lost %v, want %v", lost, want)
	}
	wantHolder(t, d, "alpha", a)
	wantHolder(t, d, "beta", b)
	wantHolder(t, d, "young", young)
	var used *NameInUseError
	if err := Claim(d, "alpha", newID(t), me); !errors.As(err, &used) {
		t.Errorf("restored name is free: %v", err)
	}
	// In the same boot nothing is listed again; in the next one it is.
	calls := 0
	count := func() ([]Named, error) { calls++; return []Named{{a, "alpha"}}, nil }
	_, err = RestoreNames(d, "boot-1", count)
	must(t, err)
	_, err = RestoreNames(d, "boot-2", count)
	must(t, err)
	_, err = RestoreNames(d, "boot-2", count)
	must(t, err)
	if calls != 1 {
		t.Errorf("listed %d times, want once", calls)
	}
	for _, name := range entries(t, d.Run) {
		if strings.HasPrefix(name, stagingPrefix) {
			t.Errorf("left behind: %s", name)
		}
	}
}

func TestRestoreNamesFailedListIsRepeated(t *testing.T) {
	d := newDirs(t)
	bad := errors.New("unreadable")
	if _, err := RestoreNames(d, "boot", func() ([]Named, error) { return nil, bad }); !errors.Is(err, bad) {
		t.Fatalf("got %v", err)
	}
	if restored(d, "boot") {
		t.Error("marked as restored")
	}
}

// Another command restores while this one lists, then a container is renamed:
// the old list must not bring the old name back.
func TestRestoreNamesOvertaken(t *testing.T) {
	d, id := newDirs(t), newID(t)
	stop(t, d, id)
	list := func() ([]Named, error) { return []Named{{id, "old"}}, nil }
	_, err := RestoreNames(d, "boot", func() ([]Named, error) {
		_, err := RestoreNames(d, "boot", list)
		must(t, err)
		must(t, RenameClaim(d, "old", "new", id, func() error { return nil }))
		return list()
	})
	must(t, err)
	wantHolder(t, d, "old", "")
	wantHolder(t, d, "new", id)
}

func TestRestoreNamesConcurrently(t *testing.T) {
	d := newDirs(t)
	var all []Named
	for i := range 100 {
		id := newID(t)
		stop(t, d, id)
		all = append(all, Named{ID: id, Name: fmt.Sprintf("web%d", i)})
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			lost, err := RestoreNames(d, "boot", func() ([]Named, error) { return all, nil })
			if err != nil || len(lost) > 0 {
				t.Errorf("lost %v, %v", lost, err)
			}
			for _, n := range all {
				wantHolder(t, d, n.Name, n.ID)
			}
		})
	}
	wg.Wait()
}

func FuzzParseClaim(f *testing.F) {
	id := strings.Repeat("0a", 32)
	for _, s := range []string{"", "v1", "v1:" + id + ":1:2:b", "v2:x", "v:", ":", "v1:" + id + ":-1:2:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := parseClaim(s)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrVersion) {
				t.Errorf("unnamed error %v", err)
			}
			return
		}
		again, err := parseClaim(c.String())
		if err != nil || again != c {
			t.Errorf("%q: %+v became %+v, %v", s, c, again, err)
		}
	})
}

func BenchmarkClaimRelease(b *testing.B) {
	d, me, id := newDirs(b), self(b), newID(b)
	for b.Loop() {
		must(b, Claim(d, "web", id, me))
		must(b, Release(d, "web", id))
	}
}

func TestClaimOf(t *testing.T) {
	d := newDirs(t)
	id, err := NewID()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := ClaimOf(d, id); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("unclaimed: %v", err)
	}
	self, err := Self()
	if err != nil {
		t.Fatal(err)
	}
	if err := Claim(d, "some_name", id, self); err != nil {
		t.Fatal(err)
	}
	name, owner, err := ClaimOf(d, id)
	if err != nil || name != "some_name" || owner != self {
		t.Fatalf("got %q, %+v, %v", name, owner, err)
	}
}

package container

import (
	"context"
	"os"
	"testing"
	"time"

	"berth/nsenter"
	"berth/seccomp"
)

func TestSmoke(t *testing.T) {
	host, err := DetectHost("/berth")
	if err != nil {
		t.Fatal(err)
	}
	s := DefaultSpec()
	s.Hostname = "smoke"
	s.Process.Args = []string{"sh", "-c", os.Getenv("SMOKE")}
	s.Process.Env = []string{"PATH=/bin"}
	if os.Getenv("SMOKE_TTY") != "" {
		s.Process.Terminal = true
	}
	prog, err := (seccomp.Cache{Dir: t.TempDir()}).Default(s)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	os.MkdirAll(dir+"/upper", 0o755)
	os.MkdirAll(dir+"/work", 0o755)
	os.MkdirAll(dir+"/empty", 0o755)
	c, err := Compile(Input{Host: host, Spec: s, Layers: []string{"/tmp/bb"}, Upper: dir + "/upper", Work: dir + "/work", Volatile: true,
		Hold: dir, Cgroup: "/berth/smoke", OwnCgroup: true, Filter: prog, Lookup: true, Tied: true, Init: os.Getenv("SMOKE_INIT") != ""})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	begin := time.Now()
	h, err := c.Plan.Start(ctx, nsenter.Options{Stdout: os.Stdout, Stderr: os.Stderr, Empty: dir + "/empty"})
	defer h.Close()
	t.Log("started in", time.Since(begin))
	if os.Getenv("SMOKE_TRACE") != "" {
		var t0 uint64 = h.Results()[0].Start
		for i, r := range h.Results() {
			st := &c.Plan.Steps[i]
			t.Logf("%3d %-5s %6dµs +%5dµs %d %d %s", i+1, st.Who, (r.Start-t0)/1000, (r.End-r.Start)/1000, r.State, r.Value, st.Title())
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	st, err := h.Wait()
	t.Log(st, err, c.Cgroups)
	t.Log("ended in", time.Since(begin))
	for _, d := range c.Cgroups {
		if err := os.Remove(d); err != nil {
			t.Log(err)
		}
	}
}

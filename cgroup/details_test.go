package cgroup

import (
	"reflect"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func TestParsePressure(t *testing.T) {
	got, ok := parsePressure("some avg10=1.50 avg60=0.25 avg300=0.01 total=4711\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=12\n")
	want := &Pressure{Some: PressureLine{1.5, 0.25, 0.01, 4711}, Full: PressureLine{Total: 12}}
	if !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	if _, ok := parsePressure("nothing\n"); ok {
		t.Error("found pressure in nothing")
	}
}

func TestParseBlockFile(t *testing.T) {
	got := parseBlockFile("8:0 Read 4096\n8:0 Write 12\n8:16 77\nTotal 4185\nx\n8:0 Read -1\n")
	want := []BlockEntry{{8, 0, "Read", 4096}, {8, 0, "Write", 12}, {8, 16, "", 77}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	b := blockOfStat([]IOStats{{Major: 8, ReadBytes: 1, WriteRequests: 2}})
	if !reflect.DeepEqual(b.Bytes[0], BlockEntry{8, 0, "Read", 1}) || !reflect.DeepEqual(b.Requests[1], BlockEntry{8, 0, "Write", 2}) {
		t.Errorf("%+v", b)
	}
}

func TestParseUsageAll(t *testing.T) {
	user, system := parseUsageAll("cpu user system\n0 5 6\n1 7 8\n")
	if !reflect.DeepEqual(user, []time.Duration{5, 7}) || !reflect.DeepEqual(system, []time.Duration{6, 8}) {
		t.Errorf("%v %v", user, system)
	}
}

func TestLiveDetails(t *testing.T) {
	l := newLab(t)
	l.need(t, "memory", "memory")
	c := l.start(t, Group{Everywhere: true}, &specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: to(int64(64 << 20)), Swap: to(int64(64 << 20))},
	}, "x=$(head -c 3000000 /dev/zero | tr '\\0' x); echo up; sleep 30; echo $x >/dev/null")
	if _, err := c.out.Read(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	d, err := c.Details(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if d.Memory.Usage < 3000000 || d.Memory.Limit != 64<<20 || !d.Hierarchical || d.Swap.Limit != 64<<20 || d.Kernel.Limit != 0 && d.Kernel.Limit != NoLimit {
		t.Errorf("memory %+v, swap %+v", d.Memory, d.Swap)
	}
	if l.find(t, "cpuset") != nil && (d.CPUs == "" || d.Mems == "") {
		t.Errorf("cpuset %q, %q", d.CPUs, d.Mems)
	}
	if l.host.Mode != Unified && (len(d.PerCPU) == 0 || len(d.PerCPU) != len(d.PerCPUUser) || len(d.PerCPU) != len(d.PerCPUSystem)) {
		t.Errorf("by processor: %v, %v, %v", d.PerCPU, d.PerCPUUser, d.PerCPUSystem)
	}
	if l.host.V2() != nil && exists(c.v2()+"/memory.pressure") && d.MemoryPressure == nil {
		t.Error("no pressure of memory")
	}
	t.Logf("%+v", d)
}

// TestLiveOOMEvents counts kills below a limit, one of them in a group below
// the container's own, and the end.
func TestLiveOOMEvents(t *testing.T) {
	l := newLab(t)
	l.need(t, "memory", "memory")
	c := l.start(t, Group{Share: true}, &specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: to(int64(16 << 20)), Swap: to(int64(16 << 20))},
	}, "sleep 0.3; for i in 1 2; do head -c 100000000 /dev/zero | tail -c 100000000 >/dev/null; done; sleep 0.3")
	ctx := deadline(t)
	events, err := c.OOMEvents(ctx)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan int)
	go func() {
		n := 0
		for range events {
			n++
		}
		done <- n
	}()
	c.wait(t)
	if c.v2() == "" {
		l.stop(t, c.Manager) // v1 tells of the group's removal only
	}
	select {
	case n := <-done:
		if n != 2 {
			t.Errorf("told of %d kills", n)
		}
	case <-ctx.Done():
		t.Error("the channel was not closed at the end")
	}
}

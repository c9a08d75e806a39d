package oci

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"berth/bundle"
	"berth/cgroup"
)

func TestProcesses(t *testing.T) {
	self := os.Getpid()
	f := &fake{pids: []int{self}}
	if got := f.command(t, "", "runc", "ps", "-f", "json", "id").stdout; got != "["+strconv.Itoa(self)+"]\n" {
		t.Errorf("json is %q", got)
	}
	if got := (&fake{}).command(t, "", "runc", "ps", "--format=json", "id").stdout; got != "[]\n" {
		t.Errorf("json of none is %q", got)
	}
	for _, args := range [][]string{{"id"}, {"id", "-ef"}, {"id", "-o", "pid,comm"}, {"id", "-axu"}} {
		o := f.command(t, "", append([]string{"runc", "ps"}, args...)...)
		lines := strings.Split(strings.TrimSpace(o.stdout), "\n")
		if o.code != 0 || len(lines) != 2 || !strings.Contains(lines[0], "PID") || !strings.Contains(lines[1], strconv.Itoa(self)) {
			t.Errorf("%v: code %d, %q, %q", args, o.code, o.stdout, o.stderr)
		}
	}
	if o := f.command(t, "", "runc", "ps", "id", "--bogus"); o.code != 1 || !strings.Contains(o.stderr, "run ps --bogus") {
		t.Errorf("code %d, %q", o.code, o.stderr)
	}
	if o := f.command(t, "", "runc", "ps", "id", "-o", "comm"); o.code != 1 || !strings.Contains(o.stderr, "no column PID") {
		t.Errorf("code %d, %q", o.code, o.stderr)
	}
	t.Setenv("PATH", t.TempDir())
	o := f.command(t, "", "runc", "ps", "id")
	if lines := strings.Split(strings.TrimSpace(o.stdout), "\n"); o.code != 0 || len(lines) != 2 || !strings.Contains(lines[1], strconv.Itoa(self)) {
		t.Errorf("without ps(1): code %d, %q, %q", o.code, o.stdout, o.stderr)
	}
	if o := f.command(t, "", "runc", "ps", "id", "-o", "pid"); o.code != 1 || !strings.Contains(o.stderr, "executable file not found") {
		t.Errorf("without ps(1), options: code %d, %q", o.code, o.stderr)
	}
}

func TestOwnProcessTable(t *testing.T) {
	proc := t.TempDir()
	write := func(pid int, stat, cmd string) {
		dir := filepath.Join(proc, strconv.Itoa(pid))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"stat": stat, "cmdline": cmd, "status": "Name:\tx\nUid:\t1000\t0\t0\t0\n"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(7, "7 (a) b (c) S 5 7 7 0 -1 0 0 0 0 0 360000 6200 0 0 20\n", "sh\x00-c\x00a\tb\n\x00")
	write(8, "8 (kid) R 7 7 7 0 -1 0 0 0 0 0 1 1 0 0 20\n", "")
	var b bytes.Buffer
	if err := printProcesses(&b, proc, []int{7, 8, 9}); err != nil {
		t.Fatal(err)
	}
	want := "UID   PID  PPID  TIME      CMD\n1000  7    5     01:01:02  sh -c a?b?\n1000  8    7     00:00:00  [kid]\n"
	if b.String() != want {
		t.Errorf("got  %q\nwant %q", b.String(), want)
	}
	for _, stat := range []string{"", "1 (x", "1 )x(", "1 (x) S 1", "1 (x) S 5 7 7 0 -1 0 0 0 0 0 a 1 0 0 20"} {
		if _, _, _, err := parseStat(stat); err == nil {
			t.Errorf("%q is read", stat)
		}
	}
}

func FuzzSelectProcesses(f *testing.F) {
	f.Add("UID PID CMD\n0 12 sh\n0 13 x\n", 12)
	f.Add("PID\n", 1)
	f.Add("", 0)
	f.Fuzz(func(t *testing.T, table string, pid int) {
		var b bytes.Buffer
		if err := selectProcesses(&b, table, []int{pid}); err != nil {
			return
		}
		header, _, _ := strings.Cut(table, "\n")
		if !strings.HasPrefix(b.String(), header+"\n") {
			t.Errorf("%q gives %q", table, b.String())
		}
	})
}

// TestStats decodes the line with the names that go-runc has.
func TestStats(t *testing.T) {
	f := &fake{state: bundle.State{Status: "running"}}
	f.stats.Memory = cgroup.MemoryStats{Usage: 100, MaxUsage: 200, Detail: map[string]uint64{"file": 30}}
	f.stats.CPU = cgroup.CPUStats{Total: 3 * time.Microsecond, User: time.Microsecond, System: 2 * time.Microsecond, Periods: 4, Throttled: 1, ThrottledTime: time.Millisecond}
	f.stats.Pids = cgroup.PidsStats{Current: 2, Limit: 10}
	f.stats.IO = []cgroup.IOStats{{Major: 8, Minor: 1, ReadBytes: 512, WriteRequests: 3}}
	o := f.command(t, "", "runc", "events", "--stats", "id")
	want := `{"type":"stats","id":"id","data":{` +
		`"cpu":{"usage":{"total":3000,"kernel":2000,"user":1000},"throttling":{"periods":4,"throttledPeriods":1,"throttledTime":1000000}},` +
		`"cpuset":{},"memory":{"cache":30,"usage":{"limit":18446744073709551615,"usage":100,"max":200,"failcnt":0},"swap":{"limit":0,"failcnt":0},"kernel":{"limit":0,"failcnt":0},"kernelTCP":{"limit":0,"failcnt":0},"raw":{"file":30}},` +
		`"pids":{"current":2,"limit":10},` +
		`"blkio":{"ioServiceBytesRecursive":[{"major":8,"minor":1,"op":"Read","value":512},{"major":8,"minor":1,"op":"Write"}],` +
		`"ioServicedRecursive":[{"major":8,"minor":1,"op":"Read"},{"major":8,"minor":1,"op":"Write","value":3}]},` +
		`"hugetlb":{},"intel_rdt":{},"network_interfaces":null}}` + "\n"
	if o.code != 0 || o.stdout != want {
		t.Errorf("code %d\ngot  %s\nwant %s", o.code, o.stdout, want)
	}
}

// TestDetails holds what is added where the kernel counts more.
func TestDetails(t *testing.T) {
	line := cgroup.PressureLine{Avg10: 1.5, Total: 7}
	s := newStats(cgroup.Stats{
		IO: []cgroup.IOStats{{Major: 8, ReadBytes: 1}},
		Details: &cgroup.Details{
			PerCPU: []time.Duration{1, 2}, PerCPUUser: []time.Duration{3}, PerCPUSystem: []time.Duration{4}, CPUs: "0-2,5\n", Mems: "0",
			Memory: cgroup.Counter{Usage: 1, Max: 2, Limit: 3, Failures: 4}, Swap: cgroup.Counter{Limit: cgroup.NoLimit},
			Huge:        map[string]cgroup.Counter{"2MB": {Usage: 5, Max: 6, Failures: 7}},
			Block:       cgroup.BlockDetails{Bytes: []cgroup.BlockEntry{{Major: 8, Op: "Total", Value: 9}}, Sectors: []cgroup.BlockEntry{{Major: 8, Value: 3}}},
			CPUPressure: &cgroup.Pressure{Some: line},
		},
	})
	want := `{"cpu":{"usage":{"percpu":[1,2],"percpu_kernel":[4],"percpu_user":[3],"kernel":0,"user":0},"throttling":{},` +
		`"psi":{"some":{"avg10":1.5,"avg60":0,"avg300":0,"total":7},"full":{"avg10":0,"avg60":0,"avg300":0,"total":0}}},` +
		`"cpuset":{"cpus":[0,1,2,5],"mems":[0]},` +
		`"memory":{"usage":{"limit":3,"usage":1,"max":2,"failcnt":4},"swap":{"limit":18446744073709551615,"failcnt":0},"kernel":{"limit":0,"failcnt":0},"kernelTCP":{"limit":0,"failcnt":0}},` +
		`"pids":{},"blkio":{"ioServiceBytesRecursive":[{"major":8,"op":"Total","value":9}],"ioServicedRecursive":[{"major":8,"op":"Read"},{"major":8,"op":"Write"}],"sectorsRecursive":[{"major":8,"value":3}]},` +
		`"hugetlb":{"2MB":{"usage":5,"max":6,"failcnt":7}},"intel_rdt":{},"network_interfaces":null}`
	if got := marshal(t, s); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := expand("x,3-,-,70000,2-1"); len(got) != 0 {
		t.Errorf("a bad list is %v", got)
	}
}

func TestEvents(t *testing.T) {
	f := &fake{state: bundle.State{Status: "running"}, kills: make(chan struct{}, 1)}
	f.kills <- struct{}{}
	time.AfterFunc(100*time.Millisecond, func() { close(f.kills) })
	o := f.command(t, "", "runc", "events", "--interval", "20ms", "id")
	lines := strings.Split(strings.TrimSpace(o.stdout), "\n")
	kinds := map[string]int{}
	for _, line := range lines {
		var e struct{ Type, ID string }
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.ID != "id" {
			t.Fatalf("%q: %v", line, err)
		}
		kinds[e.Type]++
	}
	if o.code != 0 || kinds["oom"] != 1 || kinds["stats"] < 1 || len(kinds) != 2 {
		t.Errorf("code %d, %v, %s", o.code, kinds, o.stderr)
	}
	f.state.Status = "stopped"
	if o := f.command(t, "", "runc", "events", "id"); o.code != 1 || !strings.Contains(o.stderr, "container with id id is not running") {
		t.Errorf("stopped: code %d, %q", o.code, o.stderr)
	}
	f.err = errors.New("no counters")
	if o := f.command(t, "", "runc", "events", "id"); o.code != 1 || !strings.Contains(o.stderr, "no counters") {
		t.Errorf("code %d, %q", o.code, o.stderr)
	}
}

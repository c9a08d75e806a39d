package systemd

import (
	"context"
	"os"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/cgroup"
	"berth/nsenter"
)

func to[T any](v T) *T { return &v }

// TestLivePlan starts a plan's child in a scope as a container's plan does:
// spawn, scope, limits in the scope's groups, and then the child's own steps.
func TestLivePlan(t *testing.T) {
	ctx := need(t)
	s := scope(t, "plan")
	host, err := cgroup.Detect("/system.slice")
	if err != nil {
		t.Fatal(err)
	}
	disk := specs.LinuxBlockIODevice{Major: 254}
	res := &specs.LinuxResources{
		Memory:  &specs.LinuxMemory{Limit: to(int64(64 << 20)), Reservation: to(int64(8 << 20))},
		CPU:     &specs.LinuxCPU{Shares: to(uint64(512)), Quota: to(int64(12345)), Period: to(uint64(50000)), Cpus: "0"},
		Pids:    &specs.LinuxPids{Limit: to(int64(9))},
		Devices: []specs.LinuxDeviceCgroup{{Access: "rwm"}},
		BlockIO: &specs.LinuxBlockIO{ThrottleReadBpsDevice: []specs.LinuxThrottleDevice{{LinuxBlockIODevice: disk, Rate: 1 << 20}}},
	}
	if x, err := host.Find("hugetlb"); err == nil && x != nil {
		res.HugepageLimits = []specs.LinuxHugepageLimit{{Pagesize: "2MB", Limit: 4 << 20}}
	}
	values, err := cgroup.Values(host, res)
	if err != nil {
		t.Fatal(err)
	}
	if s.Properties, err = Properties(values); err != nil {
		t.Fatal(err)
	}
	p := &nsenter.Plan{}
	p.Add(nsenter.Control(nsenter.Host, nsenter.OpSpawn, "start the child", nsenter.Int(0)))
	p.Add(nsenter.Do("ask systemd", func(h *nsenter.Run) error { return Start(ctx, s, h.Pid()) }))
	place, err := cgroup.Compile(p, host, cgroup.Group{Path: s.Path(), Placed: true, Defaults: true, Account: true}, res)
	if err != nil {
		t.Fatal(err)
	}
	p.Add(place.Join...)
	script := "cat /proc/self/cgroup; grep Cpus_allowed_list /proc/self/status; cat </dev/null && echo null; cat </dev/kmsg >/dev/null || echo refused; exec sleep 300"
	p.Add(nsenter.Call(nsenter.Child, unix.SYS_EXECVE, nsenter.Str("/bin/sh"),
		nsenter.Strs([]string{"sh", "-c", script}), nsenter.Strs([]string{"PATH=/usr/bin:/bin"})).On("/bin/sh"))
	run(ctx, t, p, s, host, place)
}

// run starts the plan and looks at what became of it.
func run(ctx context.Context, t *testing.T, p *nsenter.Plan, s Scope, host cgroup.Host, place cgroup.Placement) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	child, err := p.Start(ctx, nsenter.Options{Stdout: w, Stderr: w, Empty: t.TempDir()})
	w.Close()
	defer child.Close()
	if err != nil {
		t.Fatal(err)
	}
	groups, err := cgroup.Open(host, place.Dirs)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = groups.Kill(ctx); _ = Stop(ctx, s.Unit()); _ = groups.Remove(ctx) }()
	text := ""
	for !strings.Contains(text, "refused") {
		buf := make([]byte, 4096)
		n, err := r.Read(buf)
		if err != nil {
			break
		}
		text += string(buf[:n])
	}
	for _, want := range []string{s.Path() + "\n", "list:\t0\n", "null\n", "refused\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("the payload printed %q, without %q", text, want)
		}
	}
	checkFiles(t, place.Dirs)
	if err := groups.Update(ctx, &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: to(int64(7))}}); err != nil {
		t.Error(err)
	}
	stats, err := groups.Stats(ctx)
	if err != nil || stats.Pids.Current != 1 || stats.Pids.Limit != 7 || stats.Memory.Usage == 0 || stats.CPU.Total == 0 {
		t.Errorf("%+v, %v", stats, err)
	}
	if err := groups.Kill(ctx); err != nil {
		t.Error(err)
	}
	if _, err := child.Wait(); err != nil {
		t.Error(err)
	}
	if err := Stop(ctx, s.Unit()); err != nil {
		t.Error(err)
	}
	if err := groups.Remove(ctx); err != nil {
		t.Error(err)
	}
	for _, dir := range place.Dirs {
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s was left", dir)
		}
	}
}

// checkFiles looks for the exact limits in whatever files there are.
func checkFiles(t *testing.T, dirs []string) {
	t.Helper()
	seen := map[string]bool{}
	for _, dir := range dirs {
		for file, want := range map[string]string{
			"memory.max": "67108864", "memory.low": "8388608", "cpu.weight": "59", "cpu.max": "12345 50000", "pids.max": "9",
			"cpuset.cpus": "0", "memory.limit_in_bytes": "67108864", "cpu.shares": "512", "cpu.cfs_quota_us": "12345",
			"hugetlb.2MB.max": "4194304", "io.max": "254:0 rbps=1048576 wbps=max riops=max wiops=max",
		} {
			text, err := os.ReadFile(dir + "/" + file)
			if err != nil {
				continue
			}
			seen[file] = true
			if got := strings.TrimSpace(string(text)); got != want {
				t.Errorf("%s/%s is %q, want %q", dir, file, got, want)
			}
		}
	}
	if len(seen) < 5 {
		t.Errorf("found only %v in %v", seen, dirs)
	}
}

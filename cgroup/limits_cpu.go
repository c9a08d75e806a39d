package cgroup

import (
	"math"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func (l *limits) cpu(res *specs.LinuxResources) {
	c := res.CPU
	if c == nil || !asksCPU(c) || !l.use(cpuField(c), "cpu", "cpu") {
		return
	}
	l.cpuWeight(c)
	if l.v2() {
		l.cpuMax(c)
	} else {
		l.cpuQuota(c)
	}
	if (given(c.RealtimeRuntime) != 0 || given(c.RealtimePeriod) != 0) && l.onlyV1("cpu.realtimeRuntime") {
		// Runtime may not exceed the period, so the period comes first.
		if n := given(c.RealtimePeriod); n != 0 {
			l.add("cpu.rt_period_us", strconv.FormatUint(n, 10), "cpu.realtimePeriod", "set the period for real-time tasks")
		}
		if n := given(c.RealtimeRuntime); n != 0 {
			l.add("cpu.rt_runtime_us", strconv.FormatInt(n, 10), "cpu.realtimeRuntime", "let real-time tasks run this long in each period")
		}
	}
}

// asksCPU tells whether anything is asked of the cpu controller.
func asksCPU(c *specs.LinuxCPU) bool {
	return given(c.Shares) != 0 || given(c.Quota) != 0 || given(c.Period) != 0 || c.Burst != nil || c.Idle != nil ||
		given(c.RealtimeRuntime) != 0 || given(c.RealtimePeriod) != 0
}

// cpuField names the field to blame when the controller is missing.
func cpuField(c *specs.LinuxCPU) string {
	switch {
	case given(c.Quota) != 0:
		return "cpu.quota"
	case given(c.Shares) != 0:
		return "cpu.shares"
	default:
		return "cpu"
	}
}

// cpuWeight applies idle and shares. The kernel refuses a weight while idle is
// set, so idle is written first, and shares are left alone with it.
func (l *limits) cpuWeight(c *specs.LinuxCPU) {
	if c.Idle != nil {
		if *c.Idle != 0 && *c.Idle != 1 {
			l.refuse("cpu.idle", "%d is neither 0 nor 1", *c.Idle)
			return
		}
		l.add("cpu.idle", strconv.FormatInt(*c.Idle, 10), "cpu.idle", "run only when nothing else wants the processor")
		if *c.Idle == 1 {
			return
		}
	}
	shares := given(c.Shares)
	switch {
	case shares == 0:
	case l.v2():
		l.add("cpu.weight", strconv.FormatUint(sharesToWeight(shares), 10), "cpu.shares", "share the processor by weight (from v1 shares)")
	default:
		l.add("cpu.shares", strconv.FormatUint(shares, 10), "cpu.shares", "share the processor by weight")
	}
}

// sharesToWeight converts v1 shares (2 to 262144, default 1024) to a v2 weight
// (1 to 10000, default 100). A straight line through both ends would turn the
// default into 39. The curve that runc since 1.3.2 and crun since 1.23 share
// (kubernetes issue 131216) is quadratic in the logarithm and meets both ends
// and the default.
func sharesToWeight(shares uint64) uint64 {
	if shares <= 2 {
		return 1
	}
	if shares >= 262144 {
		return 10000
	}
	l := math.Log2(float64(shares))
	return uint64(math.Ceil(math.Pow(10, (l*l+125*l)/612-7.0/34)))
}

// cpuMax writes quota and period as v2 has them: in one file. A quota alone
// leaves the period as it is.
func (l *limits) cpuMax(c *specs.LinuxCPU) {
	quota, period := given(c.Quota), given(c.Period)
	if quota != 0 || period != 0 {
		value := "max"
		if quota > 0 {
			value = strconv.FormatInt(quota, 10)
		}
		if period != 0 {
			value += " " + strconv.FormatUint(period, 10)
		}
		l.put(setting{
			files: []string{"cpu.max"}, value: value, field: "cpu.quota", periodOnly: quota == 0,
			why: "stop for the rest of each period once the quota is used",
		})
	}
	if c.Burst != nil {
		l.add("cpu.max.burst", strconv.FormatUint(*c.Burst, 10), "cpu.burst", "carry unused quota over to later periods")
	}
}

// cpuQuota writes quota and period as v1 has them. A fresh group has no quota,
// so any period is fine; burst may not exceed the quota, so it comes last.
func (l *limits) cpuQuota(c *specs.LinuxCPU) {
	if n := given(c.Period); n != 0 {
		l.add("cpu.cfs_period_us", strconv.FormatUint(n, 10), "cpu.period", "set the period that the quota is for")
	}
	if n := given(c.Quota); n != 0 {
		l.add("cpu.cfs_quota_us", l.limitText(n), "cpu.quota", "stop for the rest of each period once the quota is used")
	}
	if c.Burst != nil {
		l.add("cpu.cfs_burst_us", strconv.FormatUint(*c.Burst, 10), "cpu.burst", "carry unused quota over to later periods")
	}
}

func (l *limits) cpuset(res *specs.LinuxResources) {
	c := res.CPU
	if c == nil || c.Cpus == "" && c.Mems == "" {
		return
	}
	field := "cpu.cpus"
	if c.Cpus == "" {
		field = "cpu.mems"
	}
	if !l.use(field, "cpuset", "cpuset") {
		return
	}
	for _, x := range []struct{ file, value, field, why string }{
		{"cpuset.cpus", c.Cpus, "cpu.cpus", "run on these processors only"},
		{"cpuset.mems", c.Mems, "cpu.mems", "use memory of these NUMA nodes only"},
	} {
		if !isNumberList(x.value) {
			l.refuse(x.field, "%q is not a list such as 0-2,7", x.value)
			return
		}
		// A v1 group starts with both empty and takes no task until both are
		// set; v2 groups start with what the parent has.
		if x.value != "" || !l.v2() {
			l.put(setting{
				files: []string{x.file}, value: x.value, field: x.field, why: x.why,
				inherit: !l.v2(),
			})
		}
	}
}

// isNumberList checks the characters of a kernel list ("0-3,8"); the kernel
// checks the numbers.
func isNumberList(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && c != '-' && c != ',' {
			return false
		}
	}
	return len(s) < 4096
}

package cli

import (
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/cli/option"
)

// cpuPeriod is the period in microseconds that --cpus is a share of.
const cpuPeriod = 100_000

// cpuFlags limit processor time.
type cpuFlags struct {
	cpus          float64
	shares        uint64
	period, quota int64
	// The realtime ones are in microseconds as well.
	rtPeriod, rtRuntime int64
	set, mems           string
}

func (f *cpuFlags) options() []*option.Option {
	return []*option.Option{
		option.Parsed(&f.cpus, parseCPUs, "cpus", "decimal", "Number of CPUs"),
		option.Parsed(&f.shares, parseShares, "c,cpu-shares", "int", "CPU shares (relative weight)"),
		option.Parsed(&f.period, parseInt64, "cpu-period", "int", "Limit CPU CFS (Completely Fair Scheduler) period, in microseconds"),
		option.Parsed(&f.quota, parseInt64, "cpu-quota", "int", "Limit CPU CFS (Completely Fair Scheduler) quota, in microseconds"),
		option.Parsed(&f.rtPeriod, parseInt64, "cpu-rt-period", "int", "Limit CPU real-time period in microseconds, on hosts with cgroup v1 and a real-time kernel"),
		option.Parsed(&f.rtRuntime, parseInt64, "cpu-rt-runtime", "int", "Limit CPU real-time runtime in microseconds, on hosts with cgroup v1 and a real-time kernel"),
		option.Parsed(&f.set, parseCPUSet("cpus"), "cpuset-cpus", "string", "CPUs in which to allow execution (0-3, 0,1)"),
		option.Parsed(&f.mems, parseCPUSet("mems"), "cpuset-mems", "string", "MEMs in which to allow execution (0-3, 0,1)"),
	}
}

func parseInt64(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) }

func parseShares(s string) (uint64, error) { return strconv.ParseUint(s, 10, 64) }

func parseCPUs(s string) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, verbatim("failed to parse %v as a rational number", s)
	}
	return v, nil
}

// parseCPUSet checks a list as the kernel reads it: 0-3,7.
func parseCPUSet(what string) func(string) (string, error) {
	return func(s string) (string, error) {
		for part := range strings.SplitSeq(s, ",") {
			low, high, isRange := strings.Cut(part, "-")
			first, err := strconv.ParseUint(low, 10, 16)
			last := first
			if err == nil && isRange {
				last, err = strconv.ParseUint(high, 10, 16)
			}
			if err != nil || last < first {
				return "", verbatim("Invalid value %s for cpuset %s", s, what)
			}
		}
		return s, nil
	}
}

func (f *cpuFlags) check() error {
	switch available := runtime.NumCPU(); {
	case f.cpus != 0 && f.period != 0:
		return verbatim("Conflicting options: Nano CPUs and CPU Period cannot both be set.")
	case f.cpus != 0 && f.quota != 0:
		return verbatim("Conflicting options: Nano CPUs and CPU Quota cannot both be set.")
	case f.cpus != 0 && (f.cpus < 0.01 || f.cpus > float64(available)):
		return verbatim("Range of CPUs is from 0.01 to %d.00, as there are only %d CPUs available", available, available)
	case f.period != 0 && (f.period < 1000 || f.period > 1_000_000):
		return verbatim("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")
	case f.quota > 0 && f.quota < 1000:
		return verbatim("CPU cfs quota can not be less than 1ms (i.e. 1000)")
	}
	return f.checkRealtime()
}

func (f *cpuFlags) checkRealtime() error {
	if f.rtPeriod < 0 || f.rtRuntime != 0 && f.rtPeriod != 0 && f.rtRuntime > f.rtPeriod {
		return verbatim("cpu real-time runtime cannot be higher than cpu real-time period")
	}
	return nil
}

func (f *cpuFlags) apply(d *draft) error {
	if *f == (cpuFlags{}) {
		return nil
	}
	if err := f.checkAvailable("/sys/devices/system"); err != nil {
		return err
	}
	cpu := &specs.LinuxCPU{Cpus: f.set, Mems: f.mems}
	d.resources().CPU = cpu
	const path = "linux.resources.cpu."
	if f.set != "" {
		d.asked(path+"cpus", "--cpuset-cpus")
	}
	if f.mems != "" {
		d.asked(path+"mems", "--cpuset-mems")
	}
	if f.rtPeriod != 0 {
		cpu.RealtimePeriod = to(uint64(f.rtPeriod))
		d.asked(path+"realtimePeriod", "--cpu-rt-period")
	}
	if f.rtRuntime != 0 {
		cpu.RealtimeRuntime = &f.rtRuntime
		d.asked(path+"realtimeRuntime", "--cpu-rt-runtime")
	}
	if f.shares != 0 {
		cpu.Shares = &f.shares
		d.asked(path+"shares", "--cpu-shares")
	}
	if f.cpus != 0 {
		cpu.Period, cpu.Quota = to(uint64(cpuPeriod)), to(int64(math.Round(f.cpus*cpuPeriod)))
		d.asked(path+"quota", "--cpus")
		d.asked(path+"period", "--cpus")
	}
	if f.period != 0 {
		cpu.Period = to(uint64(f.period))
		d.asked(path+"period", "--cpu-period")
	}
	if f.quota != 0 {
		cpu.Quota = &f.quota
		d.asked(path+"quota", "--cpu-quota")
	}
	return nil
}

// checkAvailable refuses processors and memory nodes that the machine does not
// have: the kernel would refuse them, too, without saying which there are.
// devices is the kernel's folder of them.
func (f *cpuFlags) checkAvailable(devices string) error {
	for _, x := range []struct{ asked, file, what string }{
		{f.set, "cpu/online", "CPUs"},
		{f.mems, "node/online", "memory nodes"},
	} {
		if x.asked == "" {
			continue
		}
		available := "0"
		if text, err := os.ReadFile(filepath.Join(devices, x.file)); err == nil {
			available = strings.TrimSpace(string(text))
		}
		have := cpuNumbers(available)
		for n := range cpuNumbers(x.asked) {
			if !have[n] {
				return verbatim("Requested %s are not available - requested %s, available: %s", x.what, x.asked, available)
			}
		}
	}
	return nil
}

// cpuNumbers lists the numbers in a list that was checked already.
func cpuNumbers(list string) map[uint64]bool {
	all := map[uint64]bool{}
	for part := range strings.SplitSeq(list, ",") {
		low, high, isRange := strings.Cut(part, "-")
		first, _ := strconv.ParseUint(low, 10, 16)
		last := first
		if isRange {
			last, _ = strconv.ParseUint(high, 10, 16)
		}
		for n := first; n <= last; n++ {
			all[n] = true
		}
	}
	return all
}

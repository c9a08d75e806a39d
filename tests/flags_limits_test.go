package tests

import (
	"os"
	"path"
	"strings"
)

// group is a script that prints a file of the container's group: by its name
// in a hierarchy of version 1, or else by that of version 2.
func group(v1, v2 string) string {
	return "cat /sys/fs/cgroup/" + v1 + " 2>/dev/null || cat /sys/fs/cgroup/" + v2
}

// limitRows are about cgroups.
func limitRows() []flagRow {
	return []flagRow{
		{flag: "memory", args: "-m 64m", in: group("memory/memory.limit_in_bytes", "memory.max"), want: "^67108864\n$",
			bad: []badFlag{{"-m 1023k", "Minimum memory limit allowed is 1MB"}, {"-m lots", `invalid argument "lots" for "-m, --memory" flag: invalid size: 'lots'`}}},
		{flag: "memory-reservation", args: "--memory-reservation 32m", in: group("memory/memory.soft_limit_in_bytes", "memory.low"), want: "^33554432\n$",
			bad: []badFlag{{"-m 1g --memory-reservation 2g", "Minimum memory limit can not be less than memory reservation limit, see usage"}}},
		{flag: "memory-swap", args: "-m 64m --memory-swap 96m", in: group("memory/memory.memsw.limit_in_bytes", "memory.swap.max"), want: "^(100663296|33554432)\n$",
			bad: []badFlag{{"--memory-swap 1g", "You should always set the Memory limit when using Memoryswap limit, see usage"}, {"-m 2g --memory-swap 1g", "Minimum memoryswap limit should be larger than memory limit, see usage"}}},
		{flag: "cpus", args: "--cpus 0.5", in: group("cpu/cpu.cfs_quota_us", "cpu.max"), want: "^50000( 100000)?\n$",
			bad: []badFlag{{"--cpus 100000", "Range of CPUs is from 0.01 to"}, {"--cpus none", "failed to parse none as a rational number"}, {"--cpus 0.5 --cpu-quota 1000", "Conflicting options: Nano CPUs and CPU Quota cannot both be set."}}},
		{flag: "cpu-shares", args: "-c 512", in: group("cpu/cpu.shares", "cpu.weight"), want: "^(512|20|59)\n$",
			bad: []badFlag{{"-c many", `invalid argument "many" for "-c, --cpu-shares" flag`}}},
		{flag: "cpu-period", args: "--cpu-period 20000 --cpu-quota 10000", in: group("cpu/cpu.cfs_period_us", "cpu.max"), want: "^(10000 )?20000\n$",
			bad: []badFlag{{"--cpu-period 10", "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"}}},
		{flag: "cpu-quota", args: "--cpu-quota 30000", in: group("cpu/cpu.cfs_quota_us", "cpu.max"), want: "^30000( 100000)?\n$",
			bad: []badFlag{{"--cpu-quota 10", "CPU cfs quota can not be less than 1ms (i.e. 1000)"}}},
		{flag: "cpuset-cpus", args: "--cpuset-cpus 0", in: "grep Cpus_allowed_list /proc/self/status", want: `^Cpus_allowed_list:\t0\n$`,
			bad: []badFlag{{"--cpuset-cpus 3-1", "Invalid value 3-1 for cpuset cpus"}, {"--cpuset-cpus 4095", "Requested CPUs are not available - requested 4095"}}},
		{flag: "cpuset-mems", args: "--cpuset-mems 0", in: "grep Mems_allowed_list /proc/self/status", want: `^Mems_allowed_list:\t0\n$`,
			bad: []badFlag{{"--cpuset-mems x", "Invalid value x for cpuset mems"}}},
		{flag: "pids-limit", args: "--pids-limit 77", in: group("pids/pids.max", "pids.max"), want: "^77\n$",
			bad: []badFlag{{"--pids-limit many", `invalid argument "many" for "--pids-limit" flag`}}},
		{flag: "cgroup-parent", args: "--cgroup-parent /berth-flags", look: ofPayload("cgroup"), want: "/berth-flags/"},
		{flag: "blkio-weight", args: "--blkio-weight 500", in: group("blkio/blkio.bfq.weight", "io.bfq.weight") + " 2>/dev/null || cat /sys/fs/cgroup/io.weight", want: "^(default )?(500|4950)\n$", bad: []badFlag{{"--blkio-weight 5", "Range of blkio weight is from 10 to 1000"}, {"--blkio-weight x", `invalid argument "x" for "--blkio-weight" flag`}}},
		throttle("device-read-bps", "read_bps_device", "rbps"),
		throttle("device-write-bps", "write_bps_device", "wbps"),
		throttle("device-read-iops", "read_iops_device", "riops"),
		throttle("device-write-iops", "write_iops_device", "wiops"),
	}
}

// oldLimit is the row of a flag that version 1 alone has a file for, and then
// not on every kernel: elsewhere it is refused, and the words say why.
func oldLimit(flag, args, file, want, why string, bad badFlag) flagRow {
	return flagRow{flag: flag, alone: func(s *stage) {
		got := s.do(append(words("run --rm", words(args)), "box", "cat", "/sys/fs/cgroup/"+file)...)
		if _, err := os.Stat("/sys/fs/cgroup/" + path.Dir(file) + "/berth/" + path.Base(file)); err == nil {
			s.says(got, 0, want+"\n")
		} else if got.code != 125 || !strings.Contains(got.errs, why) {
			s.t.Errorf("%s: exit code %d, stderr %q, want 125 and %q", args, got.code, got.errs, why)
		}
	}, bad: []badFlag{bad}}
}

// throttle is the row of a flag that bounds the machine's first disk.
func throttle(flag, v1, v2 string) flagRow {
	return flagRow{flag: flag, alone: func(s *stage) {
		disk := firstDisk(s.t)
		got := s.do("run", "--rm", "--"+flag, disk+":1048576", "box", "sh", "-c", group("blkio/blkio.throttle."+v1, "io.max"))
		if !strings.HasSuffix(strings.TrimSpace(got.out), " 1048576") && !strings.Contains(got.out, v2+"=1048576") {
			s.t.Errorf("stdout %q, stderr %q", got.out, got.errs)
		}
	}, bad: []badFlag{{"--" + flag + " /dev/null:1", "/dev/null: not a block device"}, {"--" + flag + " /dev/sda:fast", "invalid rate for device"}, {"--" + flag + " null:1", "bad format for device path"}}}
}

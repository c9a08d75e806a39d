package tests

import (
	"io"
	"os"
)

// lateRows are tier 2 and 3, and podman's: what works, and what is refused.
func lateRows() []flagRow {
	refused := func(flag, args, says string) flagRow {
		return flagRow{flag: flag, bad: []badFlag{{"--" + flag + args, "--" + flag + says + " is not supported: "}}}
	}
	return []flagRow{
		refused("cgroups", " split", ""),
		refused("cpu-count", " 1", ""),
		refused("cpu-percent", " 5", ""),
		refused("gpus", " all", ""),
		refused("io-maxbandwidth", " 1m", ""),
		refused("io-maxiops", " 5", ""),
		refused("sdnotify", " container", ""),
		refused("storage-opt", " size=1g", ""),
		refused("use-api-socket", "", ""),
		{flag: "isolation", args: "--isolation default", in: "echo runs", want: "runs", bad: []badFlag{{"--isolation hyperv", "--isolation hyperv is not supported"}}},
		{flag: "volume-driver", args: "--volume-driver local", in: "echo runs", want: "runs", bad: []badFlag{{"--volume-driver x", "--volume-driver is not supported"}}},
		{flag: "disable-content-trust", args: "--disable-content-trust", in: "echo runs", want: "runs"},
		{flag: "kernel-memory", args: "--kernel-memory 5m", in: "echo runs", want: "runs", bad: []badFlag{{"--kernel-memory x", "invalid size: 'x'"}}},
		{flag: "runtime", args: "--runtime runc", in: "echo runs", want: "runs", bad: []badFlag{{"--runtime other", "other"}}},
		{flag: "quiet", alone: func(s *stage) {
			name := s.registered("box")
			if r := s.do("run", "--rm", "-q", name, "true"); r.code != 0 || r.errs != "" {
				s.t.Errorf("exit code %d, stderr %q", r.code, r.errs)
			}
			s.must("rmi", name)
		}, bad: []badFlag{{"--quiet=x", `invalid argument "x" for "-q, --quiet" flag`}}},
		{flag: "device-cgroup-rule", alone: func(s *stage) {
			// The node is the container's own; opening it is up to the rule.
			const script = "mknod /there c 10 237; (: </there) 2>/dev/null && echo opened || echo closed"
			s.says(s.do("run", "--rm", "box", "sh", "-c", script), 0, "closed\n")
			s.says(s.do("run", "--rm", "--device-cgroup-rule", "c 10:237 rwm", "box", "sh", "-c", script), 0, "opened\n")
		}, bad: []badFlag{{"--device-cgroup-rule x", "invalid device cgroup format 'x'"}}},
		{flag: "label-file", args: "--label-file $T/file -l THREE=own", look: inspect("{{json .Config.Labels}}"), want: `^{"ONE":"1","THREE":"own"}$`,
			bad: []badFlag{{"--label-file /nonexistent", "open /nonexistent: no such file or directory"}}},
		{flag: "volumes-from", alone: func(s *stage) {
			s.must("create", "--name", "lender", "-v", s.dir+":/lent", "box", "true")
			s.says(s.do("run", "--rm", "--volumes-from", "lender:ro", "box", "sh", "-c", "head -n 1 /lent/file; touch /lent/x 2>/dev/null || echo closed"), 0, "ONE=1\nclosed\n")
			s.must("rm", "lender")
		}, bad: []badFlag{{"--volumes-from nobody", "No such container: nobody"}, {"--volumes-from beside:x", "invalid mode: x"}}},
		{flag: "preserve-fds", alone: func(s *stage) { s.passes("run", "--rm", "--preserve-fds", "1", "box") },
			bad: []badFlag{{"--preserve-fds x", `invalid argument "x" for "--preserve-fds" flag`}}},
		{flag: "userns", args: "--userns 100000:65536", in: "cat /proc/self/uid_map; stat -c %u /; id -u", want: `^ +0 +100000 +65536\n0\n0\n$`,
			bad: []badFlag{{"--userns 0:10", "--userns 0:10"}}},
		{flag: "publish", bad: []badFlag{{"-p 8080:80", "cannot publish ports"}}},
		// What the kernel of this machine lets one see is in container's own tests.
		{flag: "blkio-weight-device", bad: []badFlag{{"--blkio-weight-device /dev/null:100", "/dev/null"}, {"--blkio-weight-device x", "x"}}},
		oldLimit("cpu-rt-period", "--cpu-rt-period 900000", "cpu/cpu.rt_period_us", "900000", "--cpu-rt-period", badFlag{"--cpu-rt-period x", `invalid argument "x" for "--cpu-rt-period" flag`}),
		// Real time has to be handed down from the root group, and nobody does that unasked.
		{flag: "cpu-rt-runtime", bad: []badFlag{{"--cpu-rt-runtime 1000", "--cpu-rt-runtime"}, {"--cpu-rt-runtime x", `invalid argument "x" for "--cpu-rt-runtime" flag`}}},
		oldLimit("memory-swappiness", "--memory-swappiness 17", "memory/memory.swappiness", "17", "--memory-swappiness", badFlag{"--memory-swappiness 500", "Invalid value: 500, valid memory swappiness range is 0-100"}),
		oldLimit("oom-kill-disable", "-m 64m --oom-kill-disable", "memory/memory.oom_control", "oom_kill_disable 1\nunder_oom 0\noom_kill 0", "--oom-kill-disable", badFlag{"--oom-kill-disable=x", `invalid argument "x" for "--oom-kill-disable" flag`}),
	}
}

// passes runs berth with a pipe as descriptor 3, which a program in the
// container writes to.
func (s *stage) passes(args ...string) {
	s.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Close()
	cmd := s.command(append(args, "sh", "-c", "echo through >/proc/self/fd/3")...)
	cmd.ExtraFiles = []*os.File{w}
	s.says(finish(s.t, cmd), 0, "")
	w.Close()
	if got, err := io.ReadAll(r); string(got) != "through\n" {
		s.t.Errorf("got %q, %v", got, err)
	}
}

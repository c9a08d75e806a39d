package tests

import (
	"os"
	"strings"
)

// isolationRows are about namespaces, capabilities and devices.
func isolationRows() []flagRow {
	return []flagRow{
		{flag: "cap-add", args: "--cap-drop ALL --cap-add SYS_TIME", in: "grep CapEff /proc/self/status", want: `CapEff:\t0000000002000000`,
			bad: []badFlag{{"--cap-add FLY", `invalid CapAdd: unknown capability: "CAP_FLY"`}}},
		{flag: "cap-drop", args: "--cap-drop ALL", in: "grep -E 'Cap(Eff|Bnd)' /proc/self/status", want: `CapEff:\t0{16}\nCapBnd:\t0{16}`,
			bad: []badFlag{{"--cap-drop FLY", `invalid CapDrop: unknown capability: "CAP_FLY"`}}},
		{flag: "privileged", args: "--privileged", in: "grep -E 'Seccomp:|CapEff' /proc/self/status; test -w /proc/sys/kernel/core_pattern && echo open", want: `CapEff:\t0*1ff\S+\nSeccomp:\t0\nopen`},
		{flag: "security-opt", args: "--security-opt no-new-privileges --security-opt seccomp=unconfined", in: "grep -E 'NoNewPrivs|Seccomp:' /proc/self/status", want: `NoNewPrivs:\t1\nSeccomp:\t0`,
			bad: []badFlag{{"--security-opt what=ever", `invalid --security-opt 2: "what=ever"`}, {"--security-opt seccomp=/nonexistent", "opening seccomp profile (/nonexistent) failed"}}},
		{flag: "pid", args: "--pid container:$ID", in: "cat /proc/1/cmdline", want: "^sleep",
			bad: []badFlag{{"--pid elsewhere", "--pid: invalid PID mode"}, {"--pid container:nobody", "No such container: nobody"}}},
		{flag: "pid", args: "--pid host", look: sameNamespace("pid"), want: "^host$"},
		{flag: "ipc", args: "--ipc host", look: sameNamespace("ipc"), want: "^host$",
			bad: []badFlag{{"--ipc elsewhere", "invalid IPC mode: elsewhere"}}},
		{flag: "ipc", args: "--ipc private", look: sameNamespace("ipc"), want: "^own$"},
		{flag: "uts", args: "--uts host", look: sameNamespace("uts"), want: "^host$",
			bad: []badFlag{{"--uts elsewhere", "--uts: invalid UTS mode"}}},
		{flag: "userns", args: "--userns host", look: sameNamespace("user"), want: "^host$",
			bad: []badFlag{{"--userns elsewhere", "--userns: invalid USER mode"}}},
		{flag: "cgroupns", args: "--cgroupns host", look: sameNamespace("cgroup"), want: "^host$",
			bad: []badFlag{{"--cgroupns elsewhere", "--cgroupns: invalid CGROUP mode"}}},
		{flag: "cgroupns", args: "--cgroupns private", look: sameNamespace("cgroup"), want: "^own$"},
		// One that no container has, and that is harmless to open.
		{flag: "device", args: "--device /dev/loop-control:/dev/there:r", in: "test -c /dev/there && (: </dev/there) && echo read; (: >>/dev/there) 2>/dev/null || echo closed", want: `^read\nclosed\n$`,
			bad: []badFlag{{"--device relative", "relative is not an absolute path"}, {"--device /dev/null:/dev/x:rz", "bad mode specified: rz"}, {"--device /dev/nonexistent", "error gathering device information while adding custom device"}}},
		{flag: "sysctl", args: "--sysctl net.ipv4.ip_forward=1 --sysctl kernel.shmmni=99", in: "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmni", want: "^1\n99\n$",
			bad: []badFlag{{"--sysctl kernel.core_pattern=x", "sysctl 'kernel.core_pattern=x' is not allowed"}}},
	}
}

// sameNamespace tells whether a container's namespace is the host's.
func sameNamespace(kind string) func(s *stage, id string) string {
	return func(s *stage, id string) string {
		theirs, err := os.Readlink("/proc/" + s.must("inspect", "-f", "{{.State.Pid}}", id) + "/ns/" + kind)
		if err != nil {
			s.t.Error(err)
		}
		if ours, err := os.Readlink("/proc/self/ns/" + kind); err == nil && ours == theirs {
			return "host"
		}
		return "own"
	}
}

// execRows are the flags of exec.
func execRows() []flagRow {
	return []flagRow{
		{flag: "detach", alone: func(s *stage) {
			s.says(s.do("exec", "-d", s.beside, "sh", "-c", "echo done >/detached"), 0, "")
			s.until("it runs", func() bool { return s.do("exec", s.beside, "cat", "/detached").out == "done\n" })
		}},
		{flag: "interactive", alone: func(s *stage) {
			cmd := s.command("exec", "-i", s.beside, "cat")
			cmd.Stdin = strings.NewReader("typed\n")
			s.says(finish(s.t, cmd), 0, "typed\n")
		}},
		{flag: "tty", args: "-t", in: "tty", want: "^/dev/pts/[0-9]+\r?\n$"},
		{flag: "env", args: "-e A=1", in: `echo "$A $FROM"`, want: "^1 run\n$", bad: []badFlag{{"-e =x", "invalid environment variable: =x"}}},
		{flag: "env-file", args: "--env-file $T/file", in: "echo $THREE", want: "^three words\n$"},
		{flag: "workdir", args: "-w /etc", in: "pwd", want: "^/etc\n$"},
		{flag: "user", args: "-u 12:34", in: "id -u; id -g", want: "^12\n34\n$"},
		{flag: "privileged", args: "--privileged", in: "grep CapEff /proc/self/status", want: `CapEff:\t0*1ff`},
		{flag: "detach-keys", args: "--detach-keys ctrl-x,x", in: "echo runs", want: "^runs\n$"},
		{flag: "preserve-fds", alone: func(s *stage) { s.passes("exec", "--preserve-fds", "1", s.beside) },
			bad: []badFlag{{"--preserve-fds x", `invalid argument "x" for "--preserve-fds" flag`}}},
	}
}

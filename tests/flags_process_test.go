package tests

import (
	"os"
	"path/filepath"
	"strings"
)

// processRows are about the payload: its identity, environment and streams.
func processRows() []flagRow {
	return []flagRow{
		{flag: "interactive", args: "-i", alone: func(s *stage) {
			cmd := s.command("run", "--rm", "-i", "box", "cat")
			cmd.Stdin = strings.NewReader("typed\n")
			s.says(finish(s.t, cmd), 0, "typed\n")
		}},
		{flag: "tty", args: "-t", in: "tty; test -t 1 && echo terminal", want: `^/dev/pts/0\r?\nterminal`},
		{flag: "attach", args: "-a stderr", in: "echo out; echo err >&2", want: "^$",
			bad: []badFlag{{"-a stdfoo", "valid streams are STDIN, STDOUT and STDERR"}}},
		{flag: "env", args: "-e A=1 --env B=x=y -e UNSET_HERE", in: `echo "$A $B [$UNSET_HERE]"; env | grep -c UNSET_HERE`, want: `^1 x=y \[\]\n0\n$`,
			bad: []badFlag{{"-e =x", "invalid environment variable: =x"}}},
		{flag: "env-file", args: "--env-file $T/file -e ONE=own", in: `echo "$ONE [$TWO] $THREE"`, want: `^own \[\] three words\n$`,
			bad: []badFlag{{"--env-file /nonexistent", "open /nonexistent: no such file or directory"}}},
		{flag: "workdir", args: "-w /a/b/../c", in: "pwd", want: "^/a/c\n$",
			bad: []badFlag{{"-w rel", "the working directory 'rel' is invalid, it needs to be an absolute path"}}},
		{flag: "user", args: "-u 1234:567", in: "id -u; id -g; grep -E '^[UG]id' /proc/self/status", want: `^1234\n567\nUid:\t1234\t1234\t1234\t1234\nGid:\t567`,
			bad: []badFlag{{"-u 4294967296", "uids and gids must be in range"}, {"-u nobodyknows", "nobodyknows"}}},
		{flag: "group-add", args: "-u 5 --group-add 777 --group-add 888", in: "grep Groups /proc/self/status", want: `777 888`,
			bad: []badFlag{{"--group-add nogroupofthisname", "nogroupofthisname"}}},
		{flag: "entrypoint", args: "", alone: func(s *stage) {
			s.says(s.do("run", "--rm", "--entrypoint", "echo", "box", "its", "arguments"), 0, "its arguments\n")
			s.says(s.do("run", "--rm", "--entrypoint", "", "box", "echo", "none"), 0, "none\n")
		}},
		{flag: "init", args: "--init", in: "echo $$; grep -c . /proc/1/cmdline; readlink /proc/1/exe | grep -c '/bin/box' ", want: `^[2-9]\n`},
		{flag: "umask", args: "--umask 027", in: "umask; touch /f; stat -c %a /f; grep Umask /proc/self/status", want: `Umask:\t0027`,
			bad: []badFlag{{"--umask 9", "invalid umask 9"}}},
		{flag: "ulimit", args: "--ulimit fsize=1000000:2000000 --ulimit core=0", in: "grep -E 'Max (core )?file size' /proc/self/limits", want: `Max file size +1000000 +2000000 +bytes *\nMax core file size +0 +0 +bytes`,
			bad: []badFlag{{"--ulimit nofile=20:10", "ulimit soft limit must be less than or equal to hard limit: 20 > 10"}, {"--ulimit files=1", "invalid ulimit type: files"}, {"--ulimit nofile", "invalid ulimit argument: nofile"}}},
		{flag: "oom-score-adj", args: "--oom-score-adj 500", in: "cat /proc/self/oom_score_adj", want: "^500\n$",
			bad: []badFlag{{"--oom-score-adj 2000", "range for oom score adj is [-1000, 1000]"}, {"--oom-score-adj x", `invalid argument "x" for "--oom-score-adj" flag`}}},
		{flag: "detach-keys", args: "--detach-keys ctrl-x,x", in: "echo runs", want: "runs",
			bad: []badFlag{{"--detach-keys nokey", "Invalid detach keys (nokey) provided"}}},
		{flag: "sig-proxy", args: "--sig-proxy=false", in: "echo runs", want: "runs",
			bad: []badFlag{{"--sig-proxy=perhaps", `invalid argument "perhaps" for "--sig-proxy" flag`}}},
	}
}

// lifeRows are about names, marks, and how a container comes and goes.
func lifeRows() []flagRow {
	return []flagRow{
		{flag: "name", args: "--name called", look: inspect("{{.Name}}"), want: "^/called$",
			bad: []badFlag{{"--name a/b", "Invalid container name (a/b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"}, {"--name beside", "is already in use by container"}}},
		{flag: "label", args: "-l a=1 --label b", look: inspect("{{json .Config.Labels}}"), want: `^{"a":"1","b":""}$`,
			bad: []badFlag{{"-l =x", "empty name"}}},
		{flag: "annotation", args: "--annotation a=b=c", look: inspect("{{json .HostConfig.Annotations}}"), want: `^{"a":"b=c"}$`,
			bad: []badFlag{{"--annotation =x", "empty name"}}},
		{flag: "cidfile", args: "--cidfile $T/cid", look: func(s *stage, _ string) string { return s.read("cid") }, want: "^[0-9a-f]{64}$",
			bad: []badFlag{{"--cidfile $T/file", "container ID file found, make sure the other container isn't running or delete $T/file"}}},
		{flag: "pidfile", args: "--pidfile $T/pid", look: func(s *stage, id string) string {
			if got, want := s.read("pid"), s.must("inspect", "-f", "{{.State.Pid}}", id); got != want {
				return got + " instead of " + want
			}
			return "equal"
		}, want: "equal"},
		{flag: "rm", args: "", alone: func(s *stage) {
			id := s.must("run", "-d", "--rm", "box", "true")
			s.must("wait", s.must("run", "-d", "--name", "stays", "box", "true"))
			s.until("it is removed", func() bool { return s.do("inspect", id).code == 1 })
			s.must("rm", "stays")
		}, bad: []badFlag{{"--rm=perhaps", `invalid argument "perhaps" for "--rm" flag`}, {"--restart always", "conflicting options: cannot specify both --restart and --rm"}}},
		{flag: "detach", args: "", alone: func(s *stage) {
			id := s.must("run", "-d", "box", "sleep", "1000")
			s.says(s.do("inspect", "-f", "{{.State.Status}}", id), 0, "running\n")
			s.must("rm", "-f", id)
		}},
		{flag: "restart", args: "", alone: func(s *stage) {
			id := s.must("run", "-d", "--restart", "on-failure:2", "-v", s.dir+":/d", "box", "sh", "-c", "echo x >>/d/runs; exit 3")
			s.until("its last run", func() bool {
				return strings.TrimSpace(s.must("inspect", "-f", "{{.State.Status}} {{.RestartCount}} {{.State.ExitCode}}", id)) == "exited 2 3"
			})
			if runs, err := os.ReadFile(filepath.Join(s.dir, "runs")); string(runs) != "x\nx\nx\n" {
				s.t.Errorf("ran %q, %v", runs, err)
			}
			s.must("rm", id)
		}, bad: []badFlag{{"--restart sometimes", "invalid restart policy"}}},
		{flag: "replace", args: "", alone: func(s *stage) {
			old := s.must("run", "-d", "--name", "taken", "box", "sleep", "1000")
			if id := s.must("run", "-d", "--name", "taken", "--replace", "box", "sleep", "1000"); id == old || s.do("inspect", old).code != 1 {
				s.t.Errorf("%s is still there", old)
			}
			s.must("rm", "-f", "taken")
		}},
		{flag: "timeout", args: "", alone: func(s *stage) {
			if r := s.do("run", "--rm", "--timeout", "1", "box", "sleep", "1000"); r.code != 137 {
				s.t.Errorf("exit code %d, stderr %q", r.code, r.errs)
			}
		}, bad: []badFlag{{"--timeout soon", `invalid argument "soon" for "--timeout" flag`}}},
		{flag: "stop-signal", args: "", alone: func(s *stage) {
			id := s.must("run", "-d", "--stop-signal", "KILL", "box", "sleep", "1000")
			s.must("stop", id)
			s.says(s.do("wait", id), 0, "137\n")
			s.must("rm", id)
		}, bad: []badFlag{{"--stop-signal FOO", `invalid signal: FOO`}}},
		{flag: "stop-timeout", args: "", alone: func(s *stage) {
			id := s.must("run", "-d", "--stop-timeout", "0", "box", "sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.05; done")
			s.until("it is deaf", func() bool { return s.do("logs", id).out == "deaf\n" })
			s.must("stop", id)
			s.says(s.do("wait", id), 0, "137\n")
			s.must("rm", id)
		}, bad: []badFlag{{"--stop-timeout x", `invalid argument "x" for "--stop-timeout" flag`}}},
		{flag: "pull", alone: func(s *stage) { s.pulls() }, bad: []badFlag{{"--pull sometimes", "invalid pull option"}}},
		{flag: "platform", alone: func(s *stage) { s.pullsPlatform() }, bad: []badFlag{{"--platform a/b/c/d", "parse platform"}}},
	}
}

// read is a file in the row's folder.
func (s *stage) read(name string) string {
	data, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		s.t.Error(err)
	}
	return string(data)
}

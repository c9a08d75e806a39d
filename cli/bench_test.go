package cli

import (
	"bytes"
	"context"
	"os"
	"testing"

	"berth/container"
	"berth/nsenter"
)

// manyFlags is a run with some sixty flags.
func manyFlags() []string {
	args := []string{
		"run", "-i", "--rm", "--name", "web", "-w", "/srv", "-u", "5:6", "-h", "h", "--domainname", "d", "--init",
		"--read-only", "--cap-drop", "ALL", "--cap-add", "NET_ADMIN", "--security-opt", "no-new-privileges",
		"--ulimit", "nofile=1:2", "--pids-limit", "5", "-m", "64m", "--memory-reservation", "32m", "--memory-swap", "-1",
		"--cpus", "0.5", "-c", "5", "--cpuset-cpus", "0", "--cpuset-mems", "0", "--blkio-weight", "10",
		"--oom-score-adj", "1", "--shm-size", "1m", "--sysctl", "net.a=1", "--stop-signal", "INT", "--stop-timeout", "1",
		"--log-driver", "json-file", "--log-opt", "max-size=1m", "--group-add", "5", "--umask", "022",
		"--detach-keys", "ctrl-a", "--sig-proxy=true", "--pull", "never", "--platform", "linux", "--cgroup-parent", "/x",
		"--network", "none", "--tmpfs", "/t", "--annotation", "a=b", "--no-healthcheck", "--pidfile", "/tmp/x",
	}
	for _, l := range []string{"a", "b", "c", "d", "e", "f"} {
		args = append(args, "-e", l+"=1", "-l", l+"=1")
	}
	return append(args, "img", "true")
}

// BenchmarkRun measures what a run with sixty flags costs before the engine is
// asked. The aim is 0.3 ms.
func BenchmarkRun(b *testing.B) {
	w := newWorld()
	w.exit.Code = to(0)
	args := manyFlags()
	for b.Loop() {
		s := newSession(Process{Args: []string{"berth"}, LookupEnv: os.LookupEnv, Stdio: container.Stdio{}})
		var errs bytes.Buffer
		s.err = &errs
		s.open = func() (*backend, error) {
			return &backend{lookup: w, lifecycle: w, sessions: w, planner: w, images: w.images, trace: func(func(*nsenter.Plan, []nsenter.Result), string) {}}, nil
		}
		if _, err := s.run(context.Background(), args); err != nil {
			b.Fatal(err, errs.String())
		}
		w.made, w.calls = nil, nil
	}
}

func BenchmarkVersion(b *testing.B) {
	for b.Loop() {
		s := newSession(Process{Args: []string{"berth"}, LookupEnv: os.LookupEnv, Stdio: container.Stdio{}})
		s.out = new(bytes.Buffer)
		if _, err := s.run(context.Background(), []string{"--version"}); err != nil {
			b.Fatal(err)
		}
	}
}

package callers

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"berth/tests/fixture"
)

// TestDocker runs the scenarios with a dockerd, and its own containerd, that
// berth was added to.
func TestDocker(t *testing.T) {
	fixture.NeedRoot(t)
	notInMachine(t)
	fixture.NeedTool(t, "containerd")
	takeLedger(t)
	c := newDocker(t)
	play(t, c, append(commonScenarios(), dockerScenarios()...))
}

// newDocker starts a daemon that knows the runtime as "berth" and has one image.
func newDocker(t *testing.T) *caller {
	t.Helper()
	dropCgroups(t, group)
	run, data := shortDir(t), t.TempDir()
	link := runtimeUnderTest(t, data, "berth-runc")
	socket := "unix://" + run + "/docker.sock"
	c := &caller{
		argv: []string{dockerClient(t)},
		env:  append(os.Environ(), "DOCKER_HOST="+socket, "DOCKER_CONFIG="+data),
		flags: map[string][]string{
			"run":    {"--runtime", "berth", "--network", "none"},
			"create": {"--runtime", "berth", "--network", "none"},
		},
		remove: []string{"rm", "-f", "-v"},
		logs:   []string{filepath.Join(data, "dockerd.log")},

		runtime: link, below: "/" + group + "/below", notFound: 126, oomKilled: "true",
	}
	// No bridge and no rule of the host's changes.
	d := startDaemon(t, c.logs[0], fixture.NeedTool(t, "dockerd"), "--debug", "--experimental",
		"--data-root", filepath.Join(data, "docker"), "--exec-root", filepath.Join(run, "exec"),
		"--host", socket, "--pidfile", filepath.Join(run, "pid"),
		"--config-file", writeFile(t, filepath.Join(data, "config.json"), []byte("{}")),
		"--bridge=none", "--iptables=false", "--ip6tables=false",
		"--cgroup-parent", "/"+group, "--add-runtime", "berth="+link)
	d.ready(t, c, "version")
	c.ok(t, "import", "-c", `CMD ["sh"]`, rootFile(t), "busy")
	return c
}

// dockerClient prefers the one of the daemon's own package to a newer one that
// stands earlier in PATH.
func dockerClient(t *testing.T) string {
	if _, err := os.Stat("/usr/bin/docker"); err == nil {
		return "/usr/bin/docker"
	}
	return fixture.NeedTool(t, "docker")
}

func dockerScenarios() []scenario {
	return []scenario{
		{"docker-version", func(t *testing.T, c *caller, _ string) {
			c.says(t, `Runtimes:.* berth`, "info")
		}},
		{"registry", dockerRegistry},
		{"events", func(t *testing.T, c *caller, id string) {
			since := c.ok(t, "info", "-f", "{{.SystemTime}}")
			c.ok(t, "run", "-d", "--name", id, "busy", "sleep", "1000")
			c.ok(t, "exec", id, "true")
			c.ok(t, "pause", id)
			c.ok(t, "unpause", id)
			c.ok(t, "update", "--memory", "64m", "--memory-swap", "64m", id)
			c.ok(t, "kill", id)
			c.ok(t, "wait", id)
			until := c.ok(t, "info", "-f", "{{.SystemTime}}")
			got := strings.Fields(c.ok(t, "events", "--since", since, "--until", until, "--filter", "container="+id, "--format", "{{.Action}}"))
			for _, want := range []string{"create", "start", "exec_start:", "exec_die", "pause", "unpause", "update", "kill", "die"} {
				if !contains(got, want) {
					t.Errorf("no event %s in %q", want, got)
				}
			}
		}},
		{"oom-event", func(t *testing.T, c *caller, id string) {
			since := c.ok(t, "info", "-f", "{{.SystemTime}}")
			c.try(t, "run", "--name", id, "-m", "32m", "--memory-swap", "32m", "busy", "sh", "-c", hog)
			until := c.ok(t, "info", "-f", "{{.SystemTime}}")
			c.says(t, "(?m)^oom$", "events", "--since", since, "--until", until, "--filter", "container="+id, "--format", "{{.Action}}")
		}},
		{"health", func(t *testing.T, c *caller, id string) {
			c.ok(t, "run", "-d", "--name", id, "--health-cmd", "test ! -e /sick || { echo ill; exit 1; }",
				"--health-interval", "300ms", "--health-retries", "1", "busy", "sleep", "1000")
			c.until(t, "^healthy$", "inspect", "-f", "{{.State.Health.Status}}", id)
			c.ok(t, "exec", id, "touch", "/sick")
			c.until(t, "^unhealthy$", "inspect", "-f", "{{.State.Health.Status}}", id)
		}},
		{"restart-policy", func(t *testing.T, c *caller, id string) {
			c.ok(t, "run", "-d", "--name", id, "--restart", "on-failure:2", "busy", "sh", "-c", "exit 4")
			c.until(t, "^2 exited 4$", "inspect", "-f", "{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}", id)
		}},
		{"init", func(t *testing.T, c *caller, id string) {
			fixture.NeedTool(t, "docker-init")
			c.says(t, "docker-init", "run", "--name", id, "--init", "busy", "cat", "/proc/1/cmdline")
		}},
		{"checkpoint", func(t *testing.T, c *caller, id string) {
			c.ok(t, "run", "-d", "--name", id, "busy", "sleep", "1000")
			c.fails(t, 1, "(?i)checkpoint", "checkpoint", "create", id, "one")
			c.says(t, "^running$", "inspect", "-f", "{{.State.Status}}", id)
		}},
		{"shim-killed", shimKilled},
		{"update-pids", func(t *testing.T, c *caller, id string) {
			c.ok(t, "run", "-d", "--name", id, "--pids-limit", "50", "busy", "sleep", "1000")
			c.ok(t, "update", "--pids-limit", "60", id)
			expectCgroup(t, inspectPid(t, c, id), "pids", "pids.max", "pids.max", "60")
			c.ok(t, "update", "--pids-limit", "-1", id)
			expectCgroup(t, inspectPid(t, c, id), "pids", "pids.max", "pids.max", "max")
		}},
		{"made-directory", func(t *testing.T, c *caller, _ string) {
			c.says(t, "^/made/here$", "run", "--rm", "-w", "/made/here", "busy", "pwd")
		}},
		{"attach-code", func(t *testing.T, c *caller, id string) {
			c.ok(t, "run", "-d", "-i", "--name", id, "busy", "sh", "-c", "read word; sleep 0.5; exit 8")
			if got := c.speak(t, "spoken\n", "attach", id); got.code != 8 {
				t.Errorf("attach: %s", got)
			}
		}},
		{"mknod", func(t *testing.T, c *caller, id string) {
			c.says(t, "not permitted", "run", "--name", id, "busy", "sh", "-c", "mknod /dev/kmsg2 c 1 11 && cat /dev/kmsg2 2>&1; true")
		}},
		{"ipc-shareable", func(t *testing.T, c *caller, id string) {
			c.ok(t, "run", "-d", "--name", id, "--ipc", "shareable", "busy", "sleep", "1000")
			want := namespace(t, inspectPid(t, c, id), "ipc")
			c.says(t, quoted(want), "run", "--rm", "--ipc", "container:"+id, "busy", "readlink", "/proc/self/ns/ipc")
		}},
	}
}

// shimKilled ends the shim of a container: containerd then has the runtime
// clean up with "delete --force", and dockerd learns that the container is dead.
func shimKilled(t *testing.T, c *caller, id string) {
	c.ok(t, "run", "-d", "--name", id, "busy", "sleep", "1000")
	pid := inspectPid(t, c, id)
	if err := unix.Kill(parent(t, pid), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	gone(t, pid)
	c.until(t, "^exited 137$", "inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", id)
	c.ok(t, "start", id)
	c.says(t, "^running$", "inspect", "-f", "{{.State.Status}}", id)
}

func parent(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "\nPPid:\t")
	line, _, _ := strings.Cut(rest, "\n")
	return pidIn(t, line)
}

func contains(list []string, prefix string) bool {
	for _, s := range list {
		if strings.HasPrefix(s, prefix) {
			return true
		}
	}
	return false
}

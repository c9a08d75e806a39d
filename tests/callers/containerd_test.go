package callers

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"berth/tests/fixture"
)

// space is containerd's namespace for the tests, and so the cgroup that holds
// the containers.
const space = "berth-callers-ctr"

const image = "example.org/busy:latest"

// TestContainerd runs tasks with a containerd, through its shim for runc.
func TestContainerd(t *testing.T) {
	fixture.NeedRoot(t)
	notInMachine(t)
	takeLedger(t)
	play(t, newContainerd(t), containerdScenarios())
}

func newContainerd(t *testing.T) *caller {
	t.Helper()
	dropCgroups(t, space)
	run, data := shortDir(t), t.TempDir()
	link := runtimeUnderTest(t, data, "berth-runc")
	socket := filepath.Join(run, "ctrd.sock")
	settings := writeFile(t, filepath.Join(data, "config.toml"), fmt.Appendf(nil, `version = 2
root = %q
state = %q
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
address = %q
[debug]
level = "debug"
`, filepath.Join(data, "containerd"), filepath.Join(run, "state"), socket))
	c := &caller{
		argv: []string{fixture.NeedTool(t, "ctr"), "--address", socket, "--namespace", space},
		env:  os.Environ(),
		flags: map[string][]string{"run": {
			"--runtime", "io.containerd.runc.v2", "--runc-binary", link, "--runc-root", filepath.Join(run, "roots"),
			"--snapshotter", "overlayfs",
		}},
		logs: []string{filepath.Join(data, "containerd.log")},
	}
	d := startDaemon(t, c.logs[0], fixture.NeedTool(t, "containerd"), "--config", settings)
	d.ready(t, c, "version")
	c.ok(t, "images", "import", "--snapshotter", "overlayfs", imageArchive(t, image))
	t.Cleanup(func() { c.try(t, "images", "rm", "--sync", image) })
	return c
}

func containerdScenarios() []scenario {
	all := []scenario{
		{"run", func(t *testing.T, c *caller, id string) {
			c.says(t, "^hello$", "run", "--rm", image, id, "echo", "hello")
			c.fails(t, 3, "", "run", "--rm", image, id, "sh", "-c", "exit 3")
			c.fails(t, 1, "executable file.* not found", "run", "--rm", image, id, "nowhere")
			c.fails(t, 1, "permission denied", "run", "--rm", image, id, "/etc/plain")
			c.says(t, "^$", "tasks", "ls", "-q")
		}},
		{"terminal", func(t *testing.T, c *caller, id string) {
			got := c.onTerminal(t, 33, 111, "", "run", "--rm", "-t", image, id, "sh", "-c", "sleep 0.3; stty size; exit 4")
			if got.code != 4 || got.out != "33 111" {
				t.Errorf("run -t: %s", got)
			}
		}},
		{"task", tasks},
		{"exec", func(t *testing.T, c *caller, id string) {
			c.ok(t, "run", "-d", image, id, "sleep", "1000")
			c.says(t, "^inside$", "tasks", "exec", "--exec-id", "one", id, "echo", "inside")
			c.fails(t, 5, "", "tasks", "exec", "--exec-id", "two", id, "sh", "-c", "exit 5")
			c.fails(t, 1, "executable file.* not found", "tasks", "exec", "--exec-id", "three", id, "nowhere")
			c.says(t, "^/tmp 1000$", "tasks", "exec", "--exec-id", "four", "--cwd", "/tmp", "--user", "ana", id, "sh", "-c", "echo $(pwd) $(id -u)")
			got := c.onTerminal(t, 33, 111, "", "tasks", "exec", "-t", "--exec-id", "five", id, "sh", "-c", "sleep 0.3; stty size; exit 6")
			if got.code != 6 || got.out != "33 111" {
				t.Errorf("exec -t: %s", got)
			}
		}},
		{"metrics", func(t *testing.T, c *caller, id string) {
			c.ok(t, "run", "-d", "--memory-limit", "67108864", image, id, "sleep", "1000")
			c.says(t, `(?s)(memory\.usage_in_bytes|memory\.usage|memory\.current)\s+[1-9]`, "tasks", "metrics", id)
			pid := taskPid(t, c, id)
			expectCgroup(t, pid, "memory", "memory.limit_in_bytes", "memory.max", "67108864")
		}},
		{"registry", containerdRegistry},
		{"oom", func(t *testing.T, c *caller, id string) {
			c.fails(t, 137, "", "run", "--rm", "--memory-limit", "33554432", image, id, "sh", "-c", hog)
		}},
		{"checkpoint", func(t *testing.T, c *caller, id string) {
			c.ok(t, "run", "-d", image, id, "sleep", "1000")
			c.fails(t, 1, "(?i)checkpoint|criu", "tasks", "checkpoint", id)
			c.says(t, "RUNNING", "tasks", "ls")
		}},
		{"rights", func(t *testing.T, c *caller, id string) {
			c.says(t, "Seccomp:\t2", "run", "--rm", "--seccomp", image, id, "grep", "Seccomp:", "/proc/self/status")
			c.says(t, "CapEff:\t0+a80425fa$", "run", "--rm", "--cap-drop", "CAP_CHOWN", image, id, "grep", "CapEff", "/proc/self/status")
			c.fails(t, 1, "", "run", "--rm", "--read-only", image, id, "touch", "/file")
		}},
		{"shim-killed", func(t *testing.T, c *caller, id string) {
			c.ok(t, "run", "-d", image, id, "sleep", "1000")
			pid := taskPid(t, c, id)
			if err := unix.Kill(parent(t, pid), unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			gone(t, pid)
			c.until(t, "^(TASK.*)?$", "tasks", "ls")
		}},
	}
	// A task is in the way of its container's removal.
	for i, s := range all {
		all[i].run = func(t *testing.T, c *caller, id string) {
			t.Cleanup(func() {
				c.try(t, "tasks", "rm", "-f", id)
				c.try(t, "containers", "rm", id)
			})
			s.run(t, c, id)
		}
	}
	return all
}

// tasks walks through the commands on a running task.
func tasks(t *testing.T, c *caller, id string) {
	c.ok(t, "run", "-d", image, id, "sh", "-c", "trap 'exit 9' TERM; while :; do sleep 0.1; done")
	pid := taskPid(t, c, id)
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil || !strings.Contains(string(text), "/"+space+"/"+id) {
		t.Errorf("cgroup of %d: %s, %v", pid, text, err)
	}
	c.says(t, fmt.Sprintf(`(?m)^%d\s`, pid), "tasks", "ps", id)
	c.ok(t, "tasks", "pause", id)
	c.says(t, id+`\s+\d+\s+PAUSED`, "tasks", "ls")
	c.ok(t, "tasks", "resume", id)
	c.says(t, id+`\s+\d+\s+RUNNING`, "tasks", "ls")
	c.ok(t, "tasks", "kill", "-s", "TERM", id)
	c.until(t, id+`\s+\d+\s+STOPPED`, "tasks", "ls")
	gone(t, pid)
	if got := c.try(t, "tasks", "delete", id); got.code != 0 || !strings.Contains(got.err, "exit code 9") {
		t.Errorf("tasks delete: %s", got)
	}
	c.says(t, "^$", "tasks", "ls", "-q")
	c.ok(t, "tasks", "start", "-d", id)
	c.says(t, id+`\s+\d+\s+RUNNING`, "tasks", "ls")
	pid = taskPid(t, c, id)
	c.ok(t, "tasks", "kill", "-a", "-s", "KILL", id)
	gone(t, pid)
	c.until(t, id+`\s+\d+\s+STOPPED`, "tasks", "ls")
}

func taskPid(t *testing.T, c *caller, id string) int {
	t.Helper()
	list := c.ok(t, "tasks", "ls")
	row := regexp.MustCompile(`(?m)^` + id + `\s+(\d+)\s`).FindStringSubmatch(list)
	if row == nil {
		t.Fatalf("no task %s in %s", id, list)
	}
	return pidIn(t, row[1])
}

package callers

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// hog is a shell script that grows until the kernel ends it.
const hog = "x=a; while :; do x=$x$x; done"

// commonScenarios are those that docker and podman take the same words for.
func commonScenarios() []scenario {
	var all []scenario
	for _, group := range [][]scenario{outcomes(), lifeCycle(), entering(), terminals(), limits(), views(), rights(), spaces()} {
		all = append(all, group...)
	}
	return all
}

// outcomes are how a program that ends by itself, or cannot start, is reported.
func outcomes() []scenario {
	return []scenario{
		{"run", func(t *testing.T, c *caller, _ string) {
			c.says(t, "^hello$", "run", "--rm", "busy", "echo", "hello")
			c.fails(t, 3, "^oops$", "run", "--rm", "busy", "sh", "-c", "echo oops >&2; exit 3")
			if got := c.input(t, "through\n", "run", "--rm", "-i", "busy", "cat"); got.out != "through" {
				t.Errorf("cat: %s", got)
			}
		}},
		{"run-fails", func(t *testing.T, c *caller, id string) {
			c.fails(t, 127, "no such file|not found", "run", "--rm", "busy", "/nowhere")
			c.fails(t, 127, "executable file.* not found", "run", "--rm", "busy", "nowhere")
			c.fails(t, 126, "(?i)permission denied", "run", "--rm", "busy", "/etc/plain")
			c.fails(t, 126, "(?i)permission denied|is a directory", "run", "--rm", "busy", "/etc")
			c.fails(t, 127, "no such file|not found", "run", "-d", "--name", id, "busy", "/nowhere")
			c.says(t, "^created$", "inspect", "-f", "{{.State.Status}}", id)
		}},
		{"run-much", func(t *testing.T, c *caller, _ string) {
			c.says(t, "\n5000$", "run", "--rm", "busy", "seq", "5000")
		}},
		{"run-many", runMany},
		{"directory", func(t *testing.T, c *caller, _ string) {
			c.says(t, "^/tmp$", "run", "--rm", "-w", "/tmp", "busy", "pwd")
		}},
		{"environment", func(t *testing.T, c *caller, _ string) {
			c.says(t, "^one two$", "run", "--rm", "-e", "A=one two", "-h", "castle", "busy", "sh", "-c", "echo $A")
			c.says(t, "^castle$", "run", "--rm", "-h", "castle", "busy", "hostname")
		}},
	}
}

// runMany starts containers at once: locks and names must not get in the way.
func runMany(t *testing.T, c *caller, _ string) {
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			want := fmt.Sprint("number ", i)
			if got := c.try(t, "run", "--rm", "busy", "echo", want); got.code != 0 || got.out != want {
				t.Errorf("container %d: %s", i, got)
			}
		})
	}
	all.Wait()
}

// lifeCycle is what is done to a container from outside.
func lifeCycle() []scenario {
	return []scenario{
		{"detached", func(t *testing.T, c *caller, id string) {
			long := c.ok(t, "run", "-d", "--name", id, "busy", "sh", "-c", "echo out; echo err >&2; exec sleep 1000")
			c.until(t, "^out$", "logs", id)
			if got := c.try(t, "logs", id); got.out != "out" || got.err != "err" {
				t.Errorf("logs: %s", got)
			}
			pid := inspectPid(t, c, id)
			if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid)); err != nil || !strings.Contains(string(text), group) || !strings.Contains(string(text), long) {
				t.Errorf("cgroup of %d: %s, %v", pid, text, err)
			}
			c.says(t, "sleep 1000", "top", id)
			c.ok(t, append(c.remove, id)...)
			gone(t, pid)
		}},
		{"create", func(t *testing.T, c *caller, id string) {
			c.ok(t, "create", "--name", id, "busy", "sh", "-c", "echo made; exit 6")
			c.says(t, "^created$", "inspect", "-f", "{{.State.Status}}", id)
			c.ok(t, "start", id)
			c.says(t, "^6$", "wait", id)
			c.fails(t, 6, "", "start", "-a", id)
			c.says(t, "^made\nmade$", "logs", id)
			c.ok(t, "rm", id)
		}},
		{"kill", func(t *testing.T, c *caller, id string) {
			c.ok(t, "run", "-d", "--name", id, "busy", "sh", "-c", "trap 'echo got' USR1; trap 'exit 9' HUP; echo ready; while :; do sleep 0.1; done")
			c.until(t, "ready", "logs", id)
			c.ok(t, "kill", "-s", "USR1", id)
			c.until(t, "got", "logs", id)
			c.ok(t, "kill", "-s", "1", id)
			c.says(t, "^9$", "wait", id)
			c.fails(t, anyCode, "not running|not stopped|can only kill running", "kill", id)
			c.ok(t, "start", id)
			c.ok(t, "kill", id)
			c.says(t, "^137$", "wait", id)
		}},
		{"stop", func(t *testing.T, c *caller, id string) {
			c.ok(t, "run", "-d", "--name", id, "busy", "sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.1; done")
			c.until(t, "ready", "logs", id)
			c.ok(t, "stop", id)
			c.says(t, "^exited 7$", "inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", id)
			c.ok(t, "restart", id)
			c.says(t, "^running$", "inspect", "-f", "{{.State.Status}}", id)
			c.until(t, "ready\nready", "logs", id)
			c.ok(t, "stop", "-t", "0", id)
			// The handler and the second signal race.
			c.says(t, "^exited (7|137)$", "inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", id)
		}},
		{"stop-deaf", func(t *testing.T, c *caller, id string) {
			c.ok(t, "run", "-d", "--name", id, "busy", "sleep", "1000")
			pid := inspectPid(t, c, id)
			c.ok(t, "restart", "-t", "1", id)
			gone(t, pid)
			c.ok(t, "stop", "-t", "1", id)
			c.says(t, "^137$", "inspect", "-f", "{{.State.ExitCode}}", id)
		}},
		{"pause", func(t *testing.T, c *caller, id string) {
			c.ok(t, "run", "-d", "--name", id, "busy", "sh", "-c", "while :; do echo tick; sleep 0.05; done")
			c.until(t, "tick", "logs", id)
			c.ok(t, "pause", id)
			c.says(t, "^(true )?paused$", "inspect", "-f", "{{.State.Paused}} {{.State.Status}}", id)
			before := c.ok(t, "logs", id)
			if after := c.ok(t, "logs", id); after != before {
				t.Error("a paused container writes")
			}
			c.fails(t, anyCode, "(?i)paused|can only exec|improper", "exec", id, "true")
			c.ok(t, "unpause", id)
			c.ok(t, "exec", id, "true")
			c.until(t, "^"+regexp.QuoteMeta(before)+"\ntick", "logs", id)
			c.ok(t, "pause", id)
			c.ok(t, append(c.remove, id)...)
		}},
		{"remove", func(t *testing.T, c *caller, id string) {
			// Children that outlive their parent go with the container.
			c.ok(t, "run", "-d", "--name", id, "busy", "sh", "-c", "sleep 1000 & sleep 1001 & wait")
			pid := inspectPid(t, c, id)
			c.fails(t, anyCode, "(?i)running", "rm", id)
			c.ok(t, append(c.remove, id)...)
			gone(t, pid)
			c.says(t, "^$", "ps", "-aq")
		}},
		{"attach", func(t *testing.T, c *caller, id string) {
			c.ok(t, "run", "-d", "-i", "--name", id, "busy", "sh", "-c", "read word; echo heard $word; sleep 0.5; exit 8")
			if got := c.speak(t, "spoken\n", "attach", id); got.out != "heard spoken" {
				t.Errorf("attach: %s", got)
			}
			c.says(t, "^8$", "wait", id)
		}},
	}
}

// entering is exec.
func entering() []scenario {
	return []scenario{
		{"exec", func(t *testing.T, c *caller, id string) {
			c.ok(t, "run", "-d", "--name", id, "-e", "A=outer", "-h", "castle", "busy", "sleep", "1000")
			c.says(t, "^outer inner castle$", "exec", "-e", "B=inner", id, "sh", "-c", "echo $A $B $(hostname)")
			c.fails(t, 5, "^oops$", "exec", id, "sh", "-c", "echo oops >&2; exit 5")
			c.says(t, "^/tmp$", "exec", "-w", "/tmp", id, "pwd")
			c.says(t, "^1000:1000$", "exec", "-u", "ana", id, "sh", "-c", "echo $(id -u):$(id -g)")
			if got := c.input(t, "through\n", "exec", "-i", id, "cat"); got.out != "through" {
				t.Errorf("cat: %s", got)
			}
			c.fails(t, c.notFound, "executable file.* not found", "exec", id, "nowhere")
			c.fails(t, 126, "(?i)permission denied", "exec", id, "/etc/plain")
			c.ok(t, "exec", "-d", id, "sh", "-c", "echo later >/late; exec sleep 1001")
			c.until(t, "later", "exec", id, "cat", "/late")
			c.says(t, "sleep 1001", "top", id)
			c.fails(t, 137, "", "exec", id, "sh", "-c", "kill -9 $$")
			c.ok(t, "stop", "-t", "0", id)
			c.fails(t, anyCode, "(?i)not running|can only create exec|improper", "exec", id, "true")
		}},
		{"exec-rights", func(t *testing.T, c *caller, id string) {
			c.ok(t, "run", "-d", "--name", id, "--cap-drop", "ALL", "busy", "sleep", "1000")
			c.says(t, "CapEff:\t0{16}", "exec", id, "grep", "CapEff", "/proc/self/status")
			c.says(t, "Seccomp:\t2", "exec", id, "grep", "Seccomp:", "/proc/self/status")
			c.says(t, "CapEff:\t[0-9a-f]+[1-9a-f]", "exec", "--privileged", id, "grep", "CapEff", "/proc/self/status")
			pid := inspectPid(t, c, id)
			c.says(t, quoted(namespace(t, pid, "mnt")), "exec", id, "readlink", "/proc/self/ns/mnt")
			c.says(t, quoted(namespace(t, pid, "pid")), "exec", id, "readlink", "/proc/self/ns/pid")
		}},
	}
}

// terminals are runs and execs whose standard files are a terminal.
func terminals() []scenario {
	return []scenario{
		{"terminal", func(t *testing.T, c *caller, _ string) {
			got := c.onTerminal(t, 33, 111, "", "run", "--rm", "-it", "busy", "sh", "-c", "sleep 0.3; tty; stty size; exit 4")
			if got.code != 4 || got.out != "/dev/pts/0\n33 111" && got.out != "/dev/console\n33 111" {
				t.Errorf("run -it: %s", got)
			}
			got = c.onTerminal(t, 24, 80, "echo sum $((40+2))\nexit 5\n", "run", "--rm", "-it", "busy", "sh")
			if got.code != 5 || !strings.Contains(got.out, "sum 42") {
				t.Errorf("shell: %s", got)
			}
		}},
		{"terminal-exec", func(t *testing.T, c *caller, id string) {
			c.ok(t, "run", "-d", "--name", id, "busy", "sleep", "1000")
			got := c.onTerminal(t, 33, 111, "", "exec", "-it", id, "sh", "-c", "sleep 0.3; test -t 0 && test -t 1 && test -t 2 && stty size; exit 6")
			if got.code != 6 || got.out != "33 111" {
				t.Errorf("exec -it: %s", got)
			}
			got = c.onTerminal(t, 24, 80, "echo sum $((40+2))\nexit 5\n", "exec", "-it", "-u", "ana", id, "sh")
			if got.code != 5 || !strings.Contains(got.out, "sum 42") {
				t.Errorf("shell: %s", got)
			}
		}},
		{"terminal-detached", func(t *testing.T, c *caller, id string) {
			c.ok(t, "run", "-d", "-t", "--name", id, "busy", "sh", "-c", "test -t 0 && echo terminal; exec sleep 1000")
			c.until(t, "^terminal$", "logs", id)
		}},
	}
}

// limits are cgroups and what they report.
func limits() []scenario {
	return []scenario{
		{"limits", func(t *testing.T, c *caller, id string) {
			c.ok(t, "run", "-d", "--name", id, "-m", "64m", "--memory-swap", "64m", "--pids-limit", "50", "--cpus", "0.5", "--cpuset-cpus", "0", "busy", "sleep", "1000")
			pid := inspectPid(t, c, id)
			expectCgroup(t, pid, "memory", "memory.limit_in_bytes", "memory.max", "67108864")
			expectCgroup(t, pid, "pids", "pids.max", "pids.max", "50")
			if got := strings.TrimPrefix(cgroupFile(t, pid, "cpu", "cpu.cfs_quota_us", "cpu.max"), "max"); got != "50000" && got != "50000 100000" {
				t.Errorf("quota %q", got)
			}
			c.says(t, "Cpus_allowed_list:\t0\n?", "exec", id, "grep", "Cpus_allowed_list", "/proc/self/status")
			c.ok(t, "update", "--memory", "96m", "--memory-swap", "96m", id)
			expectCgroup(t, pid, "memory", "memory.limit_in_bytes", "memory.max", "100663296")
			expectCgroup(t, pid, "pids", "pids.max", "pids.max", "50")
			c.ok(t, "update", "--cpus", "0.25", "--cpuset-cpus", "0-1", id)
			if got := cgroupFile(t, pid, "cpu", "cpu.cfs_quota_us", "cpu.max"); got != "25000" && got != "25000 100000" {
				t.Errorf("quota %q", got)
			}
			expectCgroup(t, pid, "memory", "memory.limit_in_bytes", "memory.max", "100663296")
			c.says(t, "Cpus_allowed_list:\t0-1\n?", "exec", id, "grep", "Cpus_allowed_list", "/proc/self/status")
		}},
		{"stats", func(t *testing.T, c *caller, id string) {
			c.ok(t, "run", "-d", "--name", id, "-m", "64m", "busy", "sh", "-c", "sleep 1000 & sleep 1001 & wait")
			c.until(t, `^3 [1-9][0-9.]*[kKM]i?B / (64MiB|67.11MB)$`, "stats", "--no-stream", "--format", "{{.PIDs}} {{.MemUsage}}", id)
		}},
		{"oom", func(t *testing.T, c *caller, id string) {
			if got := c.try(t, "run", "--name", id, "-m", "32m", "--memory-swap", "32m", "busy", "sh", "-c", hog); got.code != 137 {
				t.Errorf("a hog ends with %s", got)
			}
			c.says(t, "^"+c.oomKilled+" 137$", "inspect", "-f", "{{.State.OOMKilled}} {{.State.ExitCode}}", id)
		}},
		{"cgroup-parent", func(t *testing.T, c *caller, id string) {
			c.ok(t, "run", "-d", "--name", id, "--cgroup-parent", c.below, "busy", "sleep", "1000")
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", inspectPid(t, c, id)))
			if err != nil || !strings.Contains(string(text), c.below+"/") {
				t.Errorf("cgroup %s: %v", text, err)
			}
		}},
		{"ulimit", func(t *testing.T, c *caller, _ string) {
			c.says(t, "^512 600$", "run", "--rm", "--ulimit", "nofile=512:600", "--ulimit", "nproc=1000:1000", "busy", "sh", "-c", "echo $(ulimit -Sn) $(ulimit -Hn)")
		}},
		{"oom-score", func(t *testing.T, c *caller, _ string) {
			c.says(t, "^321$", "run", "--rm", "--oom-score-adj", "321", "busy", "cat", "/proc/self/oom_score_adj")
		}},
	}
}

// views are what a container sees of files and devices.
func views() []scenario {
	return []scenario{
		{"read-only", func(t *testing.T, c *caller, id string) {
			c.fails(t, 1, "Read-only file system", "run", "--rm", "--read-only", "busy", "touch", "/file")
			c.says(t, "^fine$", "run", "--rm", "--read-only", "--tmpfs", "/scratch:size=1m,mode=1777", "busy", "sh", "-c",
				"touch /scratch/file && df -k /scratch | grep -q 1024 && echo fine")
		}},
		{"volume", func(t *testing.T, c *caller, _ string) {
			dir := t.TempDir()
			file := writeFile(t, filepath.Join(dir, "note"), []byte("from outside\n"))
			c.says(t, "^from outside$", "run", "--rm", "-v", dir+":/data", "busy", "sh", "-c", "cat /data/note; echo back >/data/answer")
			if text, err := os.ReadFile(filepath.Join(dir, "answer")); string(text) != "back\n" {
				t.Errorf("answer %q: %v", text, err)
			}
			c.fails(t, 1, "Read-only file system", "run", "--rm", "-v", dir+":/data:ro", "busy", "touch", "/data/file")
			c.says(t, "^from outside$", "run", "--rm", "-v", file+":/etc/note:ro", "busy", "cat", "/etc/note")
		}},
		{"shm-size", func(t *testing.T, c *caller, _ string) {
			c.says(t, "2048", "run", "--rm", "--shm-size", "2m", "busy", "df", "-k", "/dev/shm")
		}},
		{"devices", func(t *testing.T, c *caller, _ string) {
			c.says(t, "^4$", "run", "--rm", "--device", "/dev/zero:/dev/nought", "busy", "sh", "-c", "head -c 4 /dev/nought | wc -c")
			c.fails(t, 1, "not permitted", "run", "--rm", "--device", "/dev/kmsg:/dev/messages:r", "busy", "sh", "-c", "echo >/dev/messages")
		}},
		{"masks", func(t *testing.T, c *caller, _ string) {
			c.says(t, "^0$", "run", "--rm", "busy", "sh", "-c", "cat /proc/kcore /proc/keys /proc/timer_list 2>/dev/null | head -c 9 | wc -c")
			c.says(t, "^denied$", "run", "--rm", "busy", "sh", "-c", "echo 1 2>/dev/null >/proc/sys/kernel/sysrq || echo denied")
		}},
		{"sysctl", func(t *testing.T, c *caller, _ string) {
			c.says(t, "^4096$", "run", "--rm", "--sysctl", "kernel.msgmax=4096", "busy", "cat", "/proc/sys/kernel/msgmax")
			c.says(t, "^1$", "run", "--rm", "--sysctl", "net.ipv4.ip_forward=1", "busy", "cat", "/proc/sys/net/ipv4/ip_forward")
		}},
	}
}

// rights are users, capabilities and what else is taken away or given.
func rights() []scenario {
	return []scenario{
		{"user", func(t *testing.T, c *caller, _ string) {
			c.says(t, "^uid=1000.ana. gid=1000.ana. groups=.*2000", "run", "--rm", "-u", "ana", "busy", "id")
			c.says(t, "^uid=7.* gid=8", "run", "--rm", "-u", "7:8", "busy", "id")
			c.says(t, "3000", "run", "--rm", "--group-add", "3000", "busy", "id")
			c.says(t, "CapEff:\t0{16}", "run", "--rm", "-u", "ana", "busy", "grep", "CapEff", "/proc/self/status")
		}},
		{"capabilities", func(t *testing.T, c *caller, _ string) {
			c.says(t, "CapBnd:\t0{16}", "run", "--rm", "--cap-drop", "ALL", "busy", "grep", "CapBnd", "/proc/self/status")
			c.says(t, "CapEff:\t0{15}1", "run", "--rm", "--cap-drop", "ALL", "--cap-add", "CHOWN", "busy", "grep", "CapEff", "/proc/self/status")
		}},
		{"security", func(t *testing.T, c *caller, _ string) {
			c.says(t, "NoNewPrivs:\t1", "run", "--rm", "--security-opt", "no-new-privileges", "busy", "grep", "NoNewPrivs", "/proc/self/status")
			c.says(t, "Seccomp:\t0", "run", "--rm", "--security-opt", "seccomp=unconfined", "busy", "grep", "Seccomp:", "/proc/self/status")
			c.says(t, "Seccomp:\t2", "run", "--rm", "busy", "grep", "Seccomp:", "/proc/self/status")
		}},
		{"privileged", func(t *testing.T, c *caller, _ string) {
			c.says(t, "^fine$", "run", "--rm", "--privileged", "busy", "sh", "-c", "mount -t tmpfs none /mnt && test -e /dev/kmsg && echo fine")
		}},
	}
}

// spaces are namespaces shared with the host or with a container.
func spaces() []scenario {
	return []scenario{
		{"host-namespaces", func(t *testing.T, c *caller, _ string) {
			self := os.Getpid()
			for _, kind := range []string{"pid", "ipc", "uts"} {
				c.says(t, quoted(namespace(t, self, kind)), "run", "--rm", "--"+kind, "host", "busy", "readlink", "/proc/self/ns/"+kind)
			}
			c.says(t, quoted(namespace(t, self, "net")), "run", "--rm", "--network", "host", "busy", "readlink", "/proc/self/ns/net")
		}},
		{"own-namespaces", func(t *testing.T, c *caller, id string) {
			c.ok(t, "run", "-d", "--name", id, "busy", "sleep", "1000")
			pid := inspectPid(t, c, id)
			for _, kind := range []string{"pid", "ipc", "uts", "net", "mnt"} {
				if namespace(t, pid, kind) == namespace(t, os.Getpid(), kind) {
					t.Errorf("%s namespace of the host", kind)
				}
			}
			c.says(t, "^lo:$", "exec", id, "sh", "-c", "sed -n 's/^ *\\([a-z0-9]*:\\).*/\\1/p' /proc/net/dev")
			c.says(t, quoted(namespace(t, pid, "net")), "run", "--rm", "--network", "container:"+id, "busy", "readlink", "/proc/self/ns/net")
			c.says(t, quoted(namespace(t, pid, "pid")), "run", "--rm", "--pid", "container:"+id, "busy", "readlink", "/proc/self/ns/pid")
		}},
		{"cgroup-namespace", func(t *testing.T, c *caller, _ string) {
			c.says(t, "(?m):/$", "run", "--rm", "--cgroupns", "private", "busy", "cat", "/proc/self/cgroup")
			c.says(t, group, "run", "--rm", "--cgroupns", "host", "busy", "cat", "/proc/self/cgroup")
		}},
	}
}

func quoted(s string) string { return "^" + regexp.QuoteMeta(s) + "$" }

func inspectPid(t *testing.T, c *caller, id string) int {
	t.Helper()
	return pidIn(t, c.ok(t, "inspect", "-f", "{{.State.Pid}}", id))
}

func expectCgroup(t *testing.T, pid int, controller, v1, v2, want string) {
	t.Helper()
	if got := cgroupFile(t, pid, controller, v1, v2); got != want {
		t.Errorf("%s is %q, want %q", v1, got, want)
	}
}

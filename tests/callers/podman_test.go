package callers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"berth/tests/fixture"
)

// TestPodman runs the scenarios with podman, which looks at the runtime's name
// to know what it can do: runc is one that it trusts to report errors in JSON.
func TestPodman(t *testing.T) {
	fixture.NeedRoot(t)
	takeLedger(t, "/run/berth")
	c := newPodman(t, "runc")
	play(t, c, brief(append(commonScenarios(), podmanScenarios()...)))
}

// TestPodmanNames runs a few of them under the other names.
func TestPodmanNames(t *testing.T) {
	fixture.NeedRoot(t)
	if testing.Short() {
		t.Skip("by design: the other names are too slow for -short")
	}
	for _, name := range []string{"crun", "berth-runc"} {
		t.Run(name, func(t *testing.T) {
			takeLedger(t, "/run/berth")
			all := append(outcomes(), entering()...)
			if name == "crun" {
				all = append(all, crunScenarios()...)
			}
			play(t, newPodman(t, name), all)
		})
	}
}

// newPodman points podman at storage, state and settings of its own, and gives
// it one image. What its monitor starts finds them through the environment.
func newPodman(t *testing.T, name string) *caller {
	t.Helper()
	fixture.NeedTool(t, "conmon")
	dropCgroups(t, group)
	run, data := shortDir(t), t.TempDir()
	t.Cleanup(func() { unmountBelow(t, data) })
	link := runtimeUnderTest(t, data, name)
	manager := "cgroupfs"
	if _, err := os.Stat("/run/systemd/system"); err == nil {
		manager = "systemd"
	}
	storage := writeFile(t, filepath.Join(data, "storage.conf"), fmt.Appendf(nil,
		"[storage]\ndriver = \"overlay\"\ngraphroot = %q\nrunroot = %q\n", filepath.Join(data, "storage"), filepath.Join(run, "storage")))
	settings := filepath.Join(data, "containers.conf")
	environment := []string{"CONTAINERS_CONF=" + settings, "CONTAINERS_STORAGE_CONF=" + storage, "PATH=" + os.Getenv("PATH") + ":/usr/sbin:/sbin"}
	writeFile(t, settings, fmt.Appendf(nil, `[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
log_driver = "k8s-file"
[network]
network_config_dir = %q
[engine]
cgroup_manager = %q
events_logger = "file"
tmp_dir = %q
infra_image = "localhost/pause"
runtime = %q
runtime_supports_json = ["runc", "crun", "berth-runc"]
conmon_env_vars = ["%s"]
[engine.runtimes]
%s = [%q]
`, filepath.Join(data, "network"), manager, filepath.Join(run, "tmp"), name, strings.Join(environment, `", "`), name, link))
	parent, below := "/"+group, "/"+group+"/below"
	if manager == "systemd" {
		parent, below = group+".slice", group+"-below.slice"
		// systemd keeps a slice that it made for a scope.
		stop := exec.Command("systemctl", "stop", below, parent, "berth.slice")
		t.Cleanup(func() {
			if out, err := stop.CombinedOutput(); err != nil {
				t.Errorf("stop slices: %v: %s", err, out)
			}
		})
	}
	flags := []string{"--network", "none", "--cgroup-parent", parent}
	c := &caller{
		argv: []string{fixture.NeedTool(t, "podman")},
		env:  append(os.Environ(), environment...),
		// A pod's flags come with its scenario.
		flags:  map[string][]string{"run": flags, "create": flags},
		remove: []string{"rm", "-f", "-v", "-t", "0", "-i"},

		runtime: link, below: below, notFound: 127, oomKilled: "(true|false)",
	}
	root := rootFile(t)
	t.Cleanup(func() { awaitMonitors(t, environment[0]) })
	c.ok(t, "import", "-c", `CMD ["sh"]`, root, "busy")
	c.ok(t, "import", "-c", `CMD ["sleep", "1000"]`, root, "pause")
	return c
}

// awaitMonitors waits for the processes that have the variable in their
// environment: monitors, and the podman that each starts at last to tidy up.
func awaitMonitors(t *testing.T, variable string) {
	t.Helper()
	var pids []int
	for deadline := time.Now().Add(window); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if pids = processesWith(variable); len(pids) == 0 {
			return
		}
	}
	for _, pid := range pids {
		command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		t.Errorf("process %d does not end: %q", pid, command)
		if err := unix.Kill(pid, unix.SIGKILL); err != nil && err != unix.ESRCH {
			t.Error(err)
		}
	}
}

func processesWith(variable string) []int {
	var pids []int
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		// Processes come and go: one that cannot be read has ended.
		environ, _ := os.ReadFile("/proc/" + e.Name() + "/environ")
		if slices.Contains(strings.Split(string(environ), "\x00"), variable) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// brief picks what a short run has the time for: what differs between cgroup
// versions and their managers.
func brief(all []scenario) []scenario {
	if !testing.Short() {
		return all
	}
	wanted := []string{"limits", "stats"}
	return slices.DeleteFunc(all, func(s scenario) bool { return !slices.Contains(wanted, s.name) })
}

// crunScenarios need a name that podman believes to do without cgroups.
func crunScenarios() []scenario {
	return []scenario{
		{"no-cgroups", func(t *testing.T, c *caller, id string) {
			free := *c
			free.flags = map[string][]string{"run": {"--network", "none"}}
			free.ok(t, "run", "-d", "--name", id, "--cgroups", "disabled", "busy", "sleep", "1000")
			pid := inspectPid(t, c, id)
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
			if err != nil || strings.Contains(string(text), "libpod-") {
				t.Errorf("cgroup %s: %v", text, err)
			}
			c.says(t, "^inside$", "exec", id, "echo", "inside")
			c.ok(t, append(c.remove, id)...)
			gone(t, pid)
		}},
	}
}

// hooks has podman put a hook of each kind that leaves a trace into the bundle.
func hooks(t *testing.T, c *caller, id string) {
	dir := t.TempDir()
	trace := filepath.Join(dir, "trace")
	script := filepath.Join(dir, "hook.sh")
	if err := os.WriteFile(script, fmt.Appendf(nil, "#!/bin/sh\ncat >%s.$1\necho $1 >>%s\n", trace, trace), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, stage := range []string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart"} {
		hook := map[string]any{"path": script, "args": []string{script, stage}}
		if stage == "startContainer" {
			// Found in the container, unlike the others.
			hook = map[string]any{"path": "/bin/sh", "args": []string{"sh", "-c", "cat >/trace"}}
		}
		writeFile(t, filepath.Join(dir, stage+".json"), document(t, map[string]any{
			"version": "1.0.0", "when": map[string]any{"always": true}, "stages": []string{stage}, "hook": hook}))
	}
	hooked := *c
	hooked.argv = append(slices.Clone(c.argv), "--hooks-dir", dir)
	hooked.ok(t, "run", "-d", "--name", id, "busy", "sleep", "1000")
	hooked.says(t, `"status":\s*"created"`, "exec", id, "cat", "/trace")
	if got, err := os.ReadFile(trace); string(got) != "prestart\ncreateRuntime\ncreateContainer\npoststart\n" {
		t.Errorf("hooks ran as %q: %v", got, err)
	}
	for stage, status := range map[string]string{"prestart": "creat(ing|ed)", "createContainer": "creat(ing|ed)", "poststart": "(created|running)"} {
		got, err := os.ReadFile(trace + "." + stage)
		if err != nil || !regexp.MustCompile(`"status":\s*"`+status).Match(got) {
			t.Errorf("%s hook was told %q: %v", stage, got, err)
		}
	}
}

func podmanScenarios() []scenario {
	return []scenario{
		{"pod", func(t *testing.T, c *caller, id string) {
			t.Cleanup(func() { c.try(t, "pod", "rm", "-f", "-t", "0", "-i", id+"s") })
			parent := c.flags["run"][3]
			c.ok(t, "pod", "create", "--name", id+"s", "--network", "none", "--cgroup-parent", parent, "--share", "net,ipc,uts,pid")
			c.ok(t, "run", "-d", "--pod", id+"s", "--name", id, "busy", "sleep", "1001")
			c.says(t, "(?s)sleep 1000.*sleep 1001", "exec", id, "ps")
			want := namespace(t, inspectPid(t, c, id), "net")
			c.says(t, quoted(want), "run", "--rm", "--pod", id+"s", "busy", "readlink", "/proc/self/ns/net")
			c.ok(t, "pod", "pause", id+"s")
			c.ok(t, "pod", "unpause", id+"s")
			c.ok(t, "pod", "stop", "-t", "0", id+"s")
			c.until(t, "^exited$", "inspect", "-f", "{{.State.Status}}", id)
			c.ok(t, "pod", "start", id+"s")
			c.says(t, "^running$", "inspect", "-f", "{{.State.Status}}", id)
			c.ok(t, "pod", "rm", "-f", "-t", "0", id+"s")
		}},
		{"userns", func(t *testing.T, c *caller, id string) {
			c.ok(t, "run", "-d", "--name", id, "--uidmap", "0:100000:65536", "--gidmap", "0:200000:65536", "busy", "sleep", "1000")
			c.says(t, `^\s*0\s+100000\s+65536$`, "exec", id, "cat", "/proc/self/uid_map")
			c.says(t, `^\s*0\s+200000\s+65536$`, "exec", id, "cat", "/proc/self/gid_map")
			c.says(t, "^0 0$", "exec", id, "stat", "-c", "%u %g", "/dev/pts")
			c.ok(t, "exec", id, "touch", "/file")
			got := c.onTerminal(t, 24, 80, "", "exec", "-it", "-u", "ana", id, "sh", "-c", "sleep 0.2; tty && id -u")
			if got.code != 0 || !strings.HasSuffix(got.out, "\n1000") {
				t.Errorf("exec -it in a user namespace: %s", got)
			}
		}},
		{"userns-terminal", func(t *testing.T, c *caller, _ string) {
			got := c.onTerminal(t, 33, 111, "", "run", "--rm", "-it", "--uidmap", "0:100000:65536", "--gidmap", "0:200000:65536",
				"busy", "sh", "-c", "sleep 0.3; stty size; echo >/dev/console && exit 4")
			if got.code != 4 || !strings.Contains(got.out, "33 111") {
				t.Errorf("run -it in a user namespace: %s", got)
			}
		}},
		{"healthcheck", func(t *testing.T, c *caller, id string) {
			c.ok(t, "run", "-d", "--name", id, "--health-cmd", "test ! -e /sick", "--health-interval", "disable", "busy", "sleep", "1000")
			c.ok(t, "healthcheck", "run", id)
			c.ok(t, "exec", id, "touch", "/sick")
			c.fails(t, 1, "", "healthcheck", "run", id)
		}},
		{"descriptors", func(t *testing.T, c *caller, _ string) {
			cmd, cancel := c.start(t, []string{"run", "--rm", "--preserve-fds", "1", "busy", "cat", "/proc/self/fd/3"})
			defer cancel()
			file, err := os.Open(writeFile(t, filepath.Join(t.TempDir(), "note"), []byte("kept")))
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			cmd.ExtraFiles = []*os.File{file}
			if out, err := cmd.CombinedOutput(); err != nil || string(out) != "kept" {
				t.Errorf("cat: %q, %v", out, err)
			}
		}},
		{"init-podman", func(t *testing.T, c *caller, _ string) {
			path, err := exec.LookPath("catatonit")
			if err != nil {
				notInMachine(t)
				path = fixture.NeedTool(t, "docker-init")
			}
			c.says(t, "init", "run", "--rm", "--init", "--init-path", path, "busy", "cat", "/proc/1/cmdline")
		}},
		{"copy", func(t *testing.T, c *caller, id string) {
			c.ok(t, "run", "-d", "--name", id, "--tmpfs", "/scratch", "busy", "sleep", "1000")
			c.ok(t, "cp", writeFile(t, filepath.Join(t.TempDir(), "note"), []byte("copied")), id+":/scratch/note")
			c.says(t, "^copied$", "exec", id, "cat", "/scratch/note")
		}},
		{"umask", func(t *testing.T, c *caller, _ string) {
			c.says(t, "^0027$", "run", "--rm", "--umask", "0027", "busy", "sh", "-c", "umask")
		}},
		{"checkpoint-podman", func(t *testing.T, c *caller, id string) {
			c.ok(t, "run", "-d", "--name", id, "busy", "sleep", "1000")
			c.fails(t, 125, "(?i)checkpoint|criu", "container", "checkpoint", id)
			c.says(t, "^running$", "inspect", "-f", "{{.State.Status}}", id)
		}},
		{"hooks", hooks},
		{"monitor-killed", func(t *testing.T, c *caller, id string) {
			c.ok(t, "run", "-d", "--name", id, "busy", "sleep", "1000")
			pid := inspectPid(t, c, id)
			long := c.ok(t, "inspect", "-f", "{{.Id}}", id)
			monitor := pidIn(t, c.ok(t, "inspect", "-f", "{{.State.ConmonPid}}", id))
			if err := unix.Kill(monitor, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			c.ok(t, append(c.remove, id)...)
			gone(t, pid)
			c.says(t, "^$", "ps", "-aq")
			// Without its monitor podman does not have the runtime delete it.
			if out, err := exec.Command(c.runtime, "delete", "--force", long).CombinedOutput(); err != nil {
				t.Errorf("delete --force: %v: %s", err, out)
			}
		}},
	}
}

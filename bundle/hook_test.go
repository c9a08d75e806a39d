package bundle

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// script is a hook that runs a shell script. $0 is the path given.
func script(text string, args ...string) specs.Hook {
	return specs.Hook{Path: "/bin/sh", Args: append([]string{"sh", "-c", text}, args...), Env: []string{"PATH=/usr/bin:/bin"}}
}

// report is a hook that writes what it sees into a file of the host.
func report(kind, dir string) specs.Hook {
	return script(`{ echo kind=`+kind+`; cat; echo; readlink /proc/self/ns/mnt /proc/self/ns/pid /proc/self/ns/net; pwd; id -u; env | grep -v ^PWD= | sort | tr "\n" " "; } > "$0" 2>&1`, filepath.Join(dir, kind))
}

// TestHooks runs a hook of every kind, and looks at where and when each ran.
func TestHooks(t *testing.T) {
	h := newHarness(t)
	out := t.TempDir()
	s := shell("test -e /out/start && echo started > /out/payload; sleep 60")
	s.Mounts = append(s.Mounts, specs.Mount{Destination: "/out", Type: "bind", Source: out, Options: []string{"bind"}})
	s.Annotations = map[string]string{"color": "blue"}
	s.Process.User = specs.User{UID: 1234, GID: 1234}
	if err := os.Chmod(out, 0o777); err != nil {
		t.Fatal(err)
	}
	start := script(`{ echo kind=startContainer; cat; echo; readlink /proc/self/ns/mnt; grep -E "^(CapEff|NoNewPrivs|Seccomp):" /proc/self/status; id -u; env | grep -v ^PWD= | sort | tr "\n" " "; : > /out/start; } > /out/startContainer 2>&1`)
	s.Hooks = &specs.Hooks{
		//nolint:staticcheck // deprecated, and still used
		Prestart:        []specs.Hook{report("prestart", out)},
		CreateRuntime:   []specs.Hook{report("createRuntime", out)},
		CreateContainer: []specs.Hook{report("createContainer", out)},
		StartContainer:  []specs.Hook{start},
		Poststart:       []specs.Hook{report("poststart", out)},
		Poststop:        []specs.Hook{script("exit 3"), report("poststop", out)},
	}
	read := func(kind string) (specs.State, []string) {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(out, kind))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(data), "\n")
		var state specs.State
		if len(lines) < 3 || lines[0] != "kind="+kind || json.Unmarshal([]byte(lines[1]), &state) != nil {
			t.Fatalf("%s wrote:\n%s", kind, data)
		}
		if state.ID != "hooked" || state.Annotations["color"] != "blue" || state.Version != specs.Version || !filepath.IsAbs(state.Bundle) {
			t.Errorf("%s got state %+v", kind, state)
		}
		return state, lines[2:]
	}
	link := func(pid any, kind string) string {
		t.Helper()
		name, err := os.Readlink(fmt.Sprintf("/proc/%v/ns/%s", pid, kind))
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	h.create("hooked", s)
	made, err := h.State(t.Context(), "hooked")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"prestart", "createRuntime", "createContainer"} {
		state, lines := read(kind)
		who, pid, status := any("self"), made.Pid, specs.StateCreating
		switch kind {
		case "createContainer":
			who, pid = made.Pid, 1
		case "prestart":
			status = specs.StateCreated
		}
		if state.Status != status || state.Pid != pid {
			t.Errorf("%s: status %s, pid %d; want %s and %d", kind, state.Status, state.Pid, status, pid)
		}
		if lines[0] != link(who, "mnt") || lines[1] != link(who, "pid") || lines[2] != link(who, "net") {
			t.Errorf("%s ran in the namespaces %v", kind, lines[:3])
		}
		if lines[4] != "0" || strings.TrimSpace(strings.ReplaceAll(lines[5], "_=/usr/bin/env", "")) != "PATH=/usr/bin:/bin" {
			t.Errorf("%s: user and environment %q", kind, lines[4:])
		}
	}
	for _, kind := range []string{"startContainer", "poststart", "payload"} {
		if _, err := os.Stat(filepath.Join(out, kind)); err == nil {
			t.Errorf("%s came before start", kind)
		}
	}
	h.start("hooked")
	state, lines := read("startContainer")
	if state.Status != specs.StateCreated || state.Pid != 1 || lines[0] != link(made.Pid, "mnt") {
		t.Errorf("startContainer: %+v in %s", state, lines[0])
	}
	if lines[1] != "CapEff:\t0000000000000000" || lines[4] != "1234" {
		t.Errorf("startContainer has powers that the payload has not: %q", lines)
	}
	if state, _ := read("poststart"); state.Status != specs.StateRunning || state.Pid != made.Pid {
		t.Errorf("poststart: %+v", state)
	}
	if err := h.Delete(t.Context(), "hooked", true); err != nil {
		t.Error(err)
	}
	if state, _ := read("poststop"); state.Status != specs.StateStopped || state.Pid != 0 {
		t.Errorf("poststop: %+v", state)
	}
	if len(h.warnings) != 1 || !strings.Contains(h.warnings[0], "error running poststop hook #0: exit status 3") {
		t.Errorf("warnings: %q", h.warnings)
	}
}

// TestHooksThatFail: whichever hook fails, its words are in the error, and the
// container does not live on.
func TestHooksThatFail(t *testing.T) {
	h := newHarness(t)
	broken := []specs.Hook{script("exit 0"), script("echo on stdout; echo on stderr >&2; exit 7")}
	one := 1
	slow := script("echo begun; sleep 60 & sleep 60")
	slow.Timeout = &one
	for _, x := range []struct {
		name  string
		hooks specs.Hooks
		want  string
	}{
		{"prestart", specs.Hooks{Prestart: broken}, "error running prestart hook #1: exit status 7, stdout: on stdout, stderr: on stderr"}, //nolint:staticcheck // still used
		{"createRuntime", specs.Hooks{CreateRuntime: broken}, "error running createRuntime hook #1: exit status 7, stdout: on stdout, stderr: on stderr"},
		{"createContainer", specs.Hooks{CreateContainer: broken}, "error running createContainer hook #1: exit status 7, stdout: on stdout, stderr: on stderr"},
		{"startContainer", specs.Hooks{StartContainer: broken}, "error running startContainer hook #1: exit status 7, stdout: on stdout, stderr: on stderr"},
		{"slow on the host", specs.Hooks{CreateRuntime: []specs.Hook{slow}}, "error running createRuntime hook #0: hook ran past specified timeout of 1.0s, stdout: begun"},
		{"slow inside", specs.Hooks{CreateContainer: []specs.Hook{slow}}, "error running createContainer hook #0: hook ran past specified timeout of 1.0s, stdout: begun"},
		{"killed", specs.Hooks{CreateRuntime: []specs.Hook{script("kill -9 $$")}}, "signal: SIGKILL"},
		{"missing", specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/no/such/hook"}}}, "error running createRuntime hook #0: fork/exec /no/such/hook: no such file or directory"},
		{"missing inside", specs.Hooks{CreateContainer: []specs.Hook{{Path: "/no/such/hook"}}}, "error running createContainer hook #0"},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := shell("echo payload; sleep 60")
			s.Hooks = &x.hooks
			begin := time.Now()
			_, _, err := h.run(s)
			if err == nil || !strings.Contains(err.Error(), x.want) {
				t.Errorf("got %v, want %s", err, x.want)
			}
			if took := time.Since(begin); took > 20*time.Second {
				t.Errorf("took %s", took)
			}
			h.empty()
		})
	}
}

// TestHooksSeeTheRoot: createContainer hooks find the container's mounts below
// the root's path, and what they mount there is the container's.
func TestHooksSeeTheRoot(t *testing.T) {
	h := newHarness(t)
	s := shell("cat /tmp/extra/file")
	dir := h.bundle(s)
	root := filepath.Join(dir, "rootfs")
	s.Hooks = &specs.Hooks{
		CreateRuntime: []specs.Hook{script(`test ! -e "$0/proc/self"; pid=$(sed "s/.*\"pid\":\([0-9]*\).*/\1/"); test -e "/proc/$pid/root$0/proc/1/status"`, root)},
		CreateContainer: []specs.Hook{script(`test "$(pwd)" = / && test -e "$0/proc/self/status" && mkdir "$0/tmp/extra" &&
			mount -t tmpfs tmpfs "$0/tmp/extra" && echo hooked > "$0/tmp/extra/file"`, root)},
	}
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	out, code, err := h.runBundle("root", dir)
	if err != nil || code != 0 || out != "hooked\n" {
		t.Errorf("%q, %d, %v", out, code, err)
	}
	if _, err := os.Stat(filepath.Join(root, "tmp/extra")); err == nil {
		t.Error("the hook has written on the host")
	}
	h.empty()
}

// TestPoststartThatFails: the payload runs already, so there is a warning, and
// the other hooks run.
func TestPoststartThatFails(t *testing.T) {
	h := newHarness(t)
	file := filepath.Join(t.TempDir(), "second")
	s := shell("echo payload")
	s.Hooks = &specs.Hooks{Poststart: []specs.Hook{script("exit 7"), script(`: > "$0"`, file)}}
	out, code, err := h.run(s)
	if err != nil || code != 0 || out != "payload\n" {
		t.Errorf("%q, %d, %v", out, code, err)
	}
	if len(h.warnings) != 1 || !strings.Contains(h.warnings[0], "error running poststart hook #0: exit status 7") {
		t.Errorf("warnings: %q", h.warnings)
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}

// TestHookLeavesSomethingRunning: a hook may leave a process that holds its
// output open, and is not waited for.
func TestHookLeavesSomethingRunning(t *testing.T) {
	h := newHarness(t)
	pidFile := filepath.Join(t.TempDir(), "pid")
	s := shell("echo payload")
	s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{script(`sleep 60 & echo $! > "$0"`, pidFile)}}
	begin := time.Now()
	out, code, err := h.run(s)
	if err != nil || code != 0 || out != "payload\n" || time.Since(begin) > 30*time.Second {
		t.Errorf("%q, %d, %v after %s", out, code, err, time.Since(begin))
	}
	killByFile(t, pidFile)
}

// killByFile kills the process whose number is in a file.
func killByFile(t *testing.T, name string) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(string(data), &pid); err != nil || pid <= 1 {
		t.Fatalf("%q: %v", data, err)
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		t.Error(err)
	}
}

// TestTalk: more input and output than a pipe holds, and a hook that reads
// nothing.
func TestTalk(t *testing.T) {
	x := &hookRunner{about: specs.State{Bundle: t.TempDir()}}
	input := []byte(strings.Repeat("x", 1<<20))
	run := func(text string) error {
		return talk(t.Context(), input, func(_ context.Context, files []*os.File) (*hookProcess, error) { return x.onHost(script(text), files) })
	}
	if err := run(`test $(wc -c) = 1048576`); err != nil {
		t.Error(err)
	}
	if err := run(`true`); err != nil {
		t.Error(err)
	}
	err := run(`head -c 300000 /dev/zero | tr "\0" y; exit 1`)
	if err == nil || len(err.Error()) < hookOutput || len(err.Error()) > hookOutput+200 {
		t.Errorf("got an error of %d bytes", len(fmt.Sprint(err)))
	}
}

// TestRunWithStartHooks: the same process makes the container and lets it go.
func TestRunWithStartHooks(t *testing.T) {
	h := newHarness(t)
	s := shell("cat /tmp/file")
	s.Hooks = &specs.Hooks{StartContainer: []specs.Hook{script("echo hooked > /tmp/file")}}
	if out, code, err := h.run(s); err != nil || code != 0 || out != "hooked\n" {
		t.Errorf("%q, %d, %v", out, code, err)
	}
}

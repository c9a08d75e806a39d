package nsenter

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"berth/tests/ledger"
)

// helperEnv makes the test binary one of the programs in helpers: payloads,
// attackers, and host sides that a test wants to trace or to kill.
const helperEnv = "NSENTER_TEST_HELPER"

// helpers returns the programs by name. They report by their exit status: 0,
// or 2 with a panic's text on stderr.
func helpers() map[string]func(args []string) {
	return map[string]func([]string){
		"plans":  plansHelper,
		"attack": attackHelper,
		"host":   hostHelper,
		"victim": victimHelper,
		"sleep":  func([]string) { select {} },
		"hello":  func([]string) { os.Stdout.WriteString("hello") },
	}
}

func TestMain(m *testing.M) {
	name := os.Getenv(helperEnv)
	if name == "" {
		os.Exit(ledger.Main(m))
	}
	run, ok := helpers()[name]
	if !ok {
		panic("no helper " + name)
	}
	run(os.Args[1:])
}

// helperCommand returns a command that runs a helper.
func helperCommand(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Env = append(os.Environ(), helperEnv+"="+name)
	cmd.Stderr = os.Stderr
	return cmd
}

// needRoot skips a test that makes namespaces or mounts.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("this test needs root")
	}
	t.Skip("needs root")
}

// must ends a helper that cannot go on.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// shell is an execve step of sh -c script with an environment of its own.
func shell(script string, env ...string) Step {
	return Call(Child, unix.SYS_EXECVE, Str("/bin/sh"), Strs([]string{"sh", "-c", script}), Strs(env)).On("/bin/sh")
}

// statusFields reads /proc/PID/status into a map.
func statusFields(pid int) (map[string]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return nil, err
	}
	fields := map[string]string{}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(line, ":")
		fields[key] = strings.TrimSpace(value)
	}
	return fields, nil
}

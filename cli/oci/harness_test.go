package oci

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-spec/specs-go/features"
	"golang.org/x/sys/unix"

	"berth/bundle"
	"berth/cgroup"
	"berth/container"
)

// fake records what commands ask for and answers as told.
type fake struct {
	calls []string
	err   error
	code  int
	state bundle.State
	list  []bundle.State
	spec  specs.Spec
	pids  []int
	stats cgroup.Stats
	kills chan struct{}

	created bundle.CreateOptions
	ran     bundle.RunOptions
	execed  bundle.ExecOptions
	res     *specs.LinuxResources
	rdt     *specs.LinuxIntelRdt
}

func (f *fake) call(format string, args ...any) error {
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
	return f.err
}

func (f *fake) Create(_ context.Context, id string, o bundle.CreateOptions) error {
	f.created = o
	return f.call("create %s", id)
}
func (f *fake) Start(_ context.Context, id string) error { return f.call("start %s", id) }
func (f *fake) Kill(_ context.Context, id string, sig unix.Signal, all bool) error {
	return f.call("kill %s %d %t", id, sig, all)
}
func (f *fake) Delete(_ context.Context, id string, force bool) error {
	return f.call("delete %s %t", id, force)
}
func (f *fake) State(_ context.Context, id string) (bundle.State, error) {
	return f.state, f.call("state %s", id)
}
func (f *fake) Run(_ context.Context, id string, o bundle.RunOptions) (int, error) {
	f.ran = o
	return f.code, f.call("run %s", id)
}
func (f *fake) Exec(_ context.Context, id string, o bundle.ExecOptions) (int, error) {
	f.execed = o
	return f.code, f.call("exec %s", id)
}
func (f *fake) List(context.Context) ([]bundle.State, error) { return f.list, f.call("list") }
func (f *fake) Spec(id string) (*specs.Spec, error)          { return &f.spec, f.call("spec %s", id) }
func (f *fake) Processes(_ context.Context, id string) ([]int, error) {
	return f.pids, f.call("processes %s", id)
}
func (f *fake) Features() *features.Features { return &features.Features{OCIVersionMin: "1.0.0"} }
func (f *fake) Stats(_ context.Context, id string) (cgroup.Stats, error) {
	return f.stats, f.call("stats %s", id)
}
func (f *fake) OOM(_ context.Context, id string) (<-chan struct{}, error) {
	return f.kills, f.call("oom %s", id)
}
func (f *fake) Pause(_ context.Context, id string) error  { return f.call("pause %s", id) }
func (f *fake) Resume(_ context.Context, id string) error { return f.call("resume %s", id) }
func (f *fake) Update(_ context.Context, id string, res *specs.LinuxResources, rdt *specs.LinuxIntelRdt) error {
	f.res, f.rdt = res, rdt
	return f.call("update %s", id)
}

// outcome is one run of the command line.
type outcome struct {
	code             int
	stdout, stderr   string
	session          *session
	opened           bool
	calls            []string
	root             string
	systemd, jsonLog bool
}

// moment is when all tests run.
func moment() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC) }

// command runs args, the first of which is the program's name, against f.
func (f *fake) command(t *testing.T, stdin string, args ...string) outcome {
	t.Helper()
	in := filepath.Join(t.TempDir(), "stdin")
	if err := os.WriteFile(in, []byte(stdin), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(in)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var stdout, stderr bytes.Buffer
	s := newSession(Process{
		Args: args, LookupEnv: func(string) (string, bool) { return "", false },
		Stdio: container.Stdio{In: file}, Version: "1.2.3",
	})
	s.out, s.err = &stdout, &stderr
	s.log.to, s.log.now, s.log.terminal = &stderr, moment, false
	var o outcome
	s.open = func() (backend, error) { o.opened = true; return f, nil }
	f.calls = nil
	err = s.run(t.Context())
	s.report(err)
	o.code, o.stdout, o.stderr, o.session, o.calls = statusOf(err), stdout.String(), stderr.String(), s, f.calls
	o.root, o.systemd, o.jsonLog = s.globals.root, s.globals.systemd, s.log.json
	return o
}

// exampled is a fake with a container that exec can join.
func exampled() *fake { return &fake{spec: *exampleSpec(false)} }

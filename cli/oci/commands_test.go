package oci

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"berth/bundle"
)

// TestCalls holds what each command line asks of the containers.
func TestCalls(t *testing.T) {
	tests := map[string]struct {
		args   string
		want   string // calls, separated by "; "
		code   int
		stderr string
	}{
		"create":                  {args: "create id", want: "create id"},
		"create, flags behind":    {args: "create id --bundle /b", want: "create id"},
		"create without id":       {args: "create", code: 1, stderr: `runc: \"create\" requires exactly 1 argument(s)`},
		"create, two ids":         {args: "create a b", code: 1, stderr: "requires exactly 1 argument(s)"},
		"create, bad count":       {args: "create --preserve-fds x id", code: 1, stderr: "invalid value"},
		"create, count below 0":   {args: "create --preserve-fds -1 id", code: 1, stderr: "invalid value"},
		"create as crun has it":   {args: "create --no-subreaper id", want: "create id"},
		"start":                   {args: "start id", want: "start id"},
		"start, flag":             {args: "start -x id", code: 1, stderr: "flag provided but not defined: -x"},
		"run":                     {args: "run -d id", want: "run id"},
		"run without id":          {args: "run -d", code: 1, stderr: "requires exactly 1"},
		"state":                   {args: "state id", want: "state id"},
		"state without id":        {args: "state", code: 1, stderr: "requires exactly 1"},
		"kill":                    {args: "kill id", want: "kill id 15 false"},
		"kill by number":          {args: "kill id 9", want: "kill id 9 false"},
		"kill by name":            {args: "kill id KILL", want: "kill id 9 false"},
		"kill by whole name":      {args: "kill id SIGUSR1", want: "kill id 10 false"},
		"kill by small name":      {args: "kill id sigterm", want: "kill id 15 false"},
		"kill a realtime signal":  {args: "kill id RTMIN+3", want: "kill id 37 false"},
		"kill to look":            {args: "kill id 0", want: "kill id 0 false"},
		"kill all":                {args: "kill -a id KILL", want: "kill id 9 true"},
		"kill all, as crun":       {args: "kill id 9 --all", want: "kill id 9 true"},
		"kill, one dash":          {args: "kill -all id TERM", want: "kill id 15 true"},
		"kill, unknown":           {args: "kill id BOGUS", code: 1, stderr: `unknown signal \"BOGUS\"`},
		"kill, too high":          {args: "kill id 65", code: 1, stderr: "unknown signal"},
		"kill, empty":             {args: "kill", code: 1, stderr: "requires a minimum of 1 argument(s)"},
		"kill, three":             {args: "kill a 9 b", code: 1, stderr: "requires a maximum of 2 argument(s)"},
		"delete":                  {args: "delete id", want: "delete id false"},
		"delete by force":         {args: "delete -f id", want: "delete id true"},
		"delete by force, behind": {args: "delete id --force", want: "delete id true"},
		"delete without id":       {args: "delete --force", code: 1, stderr: "requires exactly 1"},
		"pause":                   {args: "pause id", want: "pause id"},
		"resume":                  {args: "resume id", want: "resume id"},
		"resume without id":       {args: "resume", code: 1, stderr: "requires exactly 1"},
		"list":                    {args: "list", want: "list"},
		"list, argument":          {args: "list x", code: 1, stderr: "requires exactly 0"},
		"list, bad format":        {args: "list -f yaml", code: 1, stderr: "invalid format option"},
		"ps as json":              {args: "ps -f json id", want: "processes id"},
		"ps without id":           {args: "ps", code: 1, stderr: "requires a minimum of 1"},
		"ps, bad format":          {args: "ps --format=yaml id", code: 1, stderr: "invalid format option"},
		"exec":                    {args: "exec id sh -c x", want: "spec id; exec id"},
		"exec without command":    {args: "exec id", want: "spec id", code: 255, stderr: "exec failed: process args cannot be empty"},
		"exec without id":         {args: "exec", code: 1, stderr: "requires a minimum of 1"},
		"exec, bad flag":          {args: "exec -x id sh", code: 1, stderr: "not defined: -x"},
		"events":                  {args: "events --stats id", want: "state id; stats id"},
		"events, no interval":     {args: "events --interval 0s id", code: 1, stderr: "duration interval must be greater than 0"},
		"events, bad interval":    {args: "events --interval soon id", code: 1, stderr: "invalid value"},
		"features":                {args: "features", want: ""},
		"features, argument":      {args: "features x", code: 1, stderr: "requires exactly 0"},
		"update":                  {args: "update --memory 10m id", want: "state id; update id"},
		"update, flags behind":    {args: "update id --memory 10m", want: "state id; update id"},
		"update, no file":         {args: "update -r /nowhere id", want: "state id", code: 1, stderr: "open /nowhere: no such file or directory"},
		"update, empty stdin":     {args: "update -r - id", want: "state id", code: 1, stderr: "read resources from stdin: unexpected EOF"},
		"update, bad memory":      {args: "update --memory much id", code: 1, stderr: "invalid value"},
		"checkpoint":              {args: "checkpoint --image-path /x --leave-running id", code: 1, stderr: "checkpoint is not supported by berth"},
		"restore":                 {args: "restore -no-subreaper --bundle /b id", code: 1, stderr: "restore is not supported by berth"},
		"spec, no folder":         {args: "spec -b /nowhere", code: 1, stderr: "no such file or directory"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := exampled()
			f.state.Status = "running"
			o := f.command(t, "", append([]string{"runc"}, strings.Fields(tt.args)...)...)
			if o.code != tt.code || !strings.Contains(o.stderr, tt.stderr) || tt.code == 0 && o.stderr != "" {
				t.Errorf("code %d, stderr %q", o.code, o.stderr)
			}
			if got := strings.Join(o.calls, "; "); got != tt.want {
				t.Errorf("calls %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCreationFlags(t *testing.T) {
	f := &fake{}
	dir := t.TempDir()
	t.Chdir(dir)
	o := f.command(t, "", strings.Fields("runc create -bundle b -console-socket=/c --pidfd-socket /p --pid-file pid --no-pivot --no-new-keyring --preserve-fds 3 id")...)
	got := f.created
	got.Stdio.In = nil
	want := bundle.CreateOptions{
		Bundle: dir + "/b", ConsoleSocket: "/c", PidfdSocket: "/p", PidFile: dir + "/pid",
		NoPivot: true, NoNewKeyring: true, PreserveFds: 3,
	}
	if o.code != 0 || got != want {
		t.Errorf("code %d, create has %+v", o.code, got)
	}
	o = f.command(t, "", strings.Fields("runc run -d --keep -no-subreaper id")...)
	if r := f.ran; o.code != 0 || !r.Detach || !r.Keep || !r.NoSubreaper || r.Bundle != dir || r.PidFile != "" {
		t.Errorf("code %d, run has %+v", o.code, r)
	}
}

// TestStatus holds whose exit status a command ends with.
func TestStatus(t *testing.T) {
	broken := errors.New("broken")
	tests := map[string]struct {
		args   string
		code   int
		err    error
		want   int
		stderr string
	}{
		"run, the program's":     {args: "run id", code: 7, want: 7},
		"run, a signal's":        {args: "run id", code: 137, want: 137},
		"run, failed":            {args: "run id", err: broken, want: 1, stderr: "runc run failed: broken"},
		"exec, the program's":    {args: "exec id x", code: 7, want: 7},
		"exec, failed":           {args: "exec id x", err: broken, want: 255, stderr: "exec failed: broken"},
		"create, failed":         {args: "create id", err: broken, want: 1, stderr: "runc create failed: broken"},
		"create, interrupted":    {args: "create id", err: &bundle.InterruptError{Signal: 15}, want: 143, stderr: "runc create failed: interrupted by SIGTERM"},
		"run, interrupted":       {args: "run id", err: &bundle.InterruptError{Signal: 2}, want: 130, stderr: "runc run failed: interrupted by SIGINT"},
		"start, failed":          {args: "start id", err: broken, want: 1, stderr: "msg=broken"},
		"delete, unknown":        {args: "delete id", err: bundle.ErrNotExist, want: 1, stderr: "container does not exist"},
		"delete -f, unknown":     {args: "delete -f id", err: bundle.ErrNotExist},
		"delete -f, other error": {args: "delete -f id", err: broken, want: 1, stderr: "broken"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := exampled()
			f.code, f.err = tt.code, tt.err
			o := f.command(t, "", append([]string{"runc"}, strings.Fields(tt.args)...)...)
			if o.code != tt.want || !strings.Contains(o.stderr, tt.stderr) || tt.stderr == "" && o.stderr != "" {
				t.Errorf("code %d, stderr %q", o.code, o.stderr)
			}
		})
	}
}

func TestStateAndList(t *testing.T) {
	one := bundle.State{Version: "1.3.0", ID: "one", Pid: 12, Status: "running", Bundle: "/b", Rootfs: "/b/rootfs", Created: moment(), Owner: "root"}
	f := &fake{state: one, list: []bundle.State{one}}
	want := `{"ociVersion":"1.3.0","id":"one","pid":12,"status":"running","bundle":"/b","rootfs":"/b/rootfs","created":"2026-03-04T05:06:07Z","owner":"root"}`
	if got := compact(t, f.command(t, "", "runc", "state", "one").stdout); got != want {
		t.Errorf("state prints %s", got)
	}
	if got := compact(t, f.command(t, "", "runc", "list", "--format=json").stdout); got != "["+want+"]" {
		t.Errorf("list prints %s", got)
	}
	if got := f.command(t, "", "runc", "list", "-q").stdout; got != "one\n" {
		t.Errorf("list -q prints %q", got)
	}
	lines := strings.Split(f.command(t, "", "runc", "list").stdout, "\n")
	if got := strings.Fields(lines[0]); !slices.Equal(got, strings.Fields("ID PID STATUS BUNDLE CREATED OWNER")) {
		t.Errorf("header is %q", got)
	}
	if got := strings.Fields(lines[1]); !slices.Equal(got, strings.Fields("one 12 running /b 2026-03-04T05:06:07Z root")) {
		t.Errorf("row is %q", got)
	}
	f.list = nil
	if got := f.command(t, "", "runc", "list", "-f", "json").stdout; got != "[]\n" {
		t.Errorf("an empty list prints %q", got)
	}
	if got := f.command(t, "", "runc", "features").stdout; compact(t, got) != `{"ociVersionMin":"1.0.0"}` {
		t.Errorf("features prints %q", got)
	}
}

func compact(t *testing.T, text string) string {
	t.Helper()
	var v json.RawMessage
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %q", err, text)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestSpecKeepsWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	if o := (&fake{}).command(t, "", "runc", "spec", "-b", dir); o.code != 0 || o.opened {
		t.Fatalf("code %d: %s", o.code, o.stderr)
	}
	path := filepath.Join(dir, "config.json")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	o := (&fake{}).command(t, "", "runc", "spec", "--bundle", dir, "--rootless")
	after, err := os.ReadFile(path)
	if err != nil || o.code != 1 || !strings.Contains(o.stderr, "exists: remove it first") || string(before) != string(after) {
		t.Errorf("code %d, %s (%v)", o.code, o.stderr, err)
	}
}

package oci

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestGlobalFlags(t *testing.T) {
	tests := map[string]struct {
		args          string
		root          string
		systemd, json bool
		stderr        string
		code          int
	}{
		"none":                   {args: "list -q"},
		"go-runc":                {args: "--root /r --log-format json --systemd-cgroup list -q", root: "/r", systemd: true, json: true},
		"one dash":               {args: "-root /r -log-format=json -systemd-cgroup list -q", root: "/r", systemd: true, json: true},
		"podman with crun":       {args: "--cgroup-manager systemd list -q", systemd: true},
		"podman without":         {args: "--cgroup-manager cgroupfs list -q"},
		"no cgroups asked for":   {args: "--cgroup-manager disabled list -q", stderr: "level=warning"},
		"rootless":               {args: "--rootless=true --criu /usr/sbin/criu list -q"},
		"a bad format":           {args: "--log-format yaml list", code: 1, stderr: `invalid log-format \"yaml\"`},
		"a bad manager":          {args: "--cgroup-manager other list", code: 1, stderr: "invalid cgroup-manager"},
		"a bad rootless":         {args: "--rootless perhaps list", code: 1, stderr: "invalid rootless"},
		"a bad level":            {args: "--log-level loud list", code: 1, stderr: "invalid log-level"},
		"a bad switch":           {args: "--debug=perhaps list", code: 1, stderr: "invalid boolean value"},
		"a log that cannot be":   {args: "--log /nowhere/log list", code: 1, stderr: "open /nowhere/log: no such file or directory"},
		"debug":                  {args: "--debug list -q", stderr: `level=debug msg="runc list"`},
		"debug by level":         {args: "--log-level debug list -q", stderr: "level=debug"},
		"an unknown flag":        {args: "--bogus list", code: 1, stderr: "flag provided but not defined: -bogus"},
		"an unknown command":     {args: "bogus", code: 1, stderr: `unknown command \"bogus\"`},
		"no command":             {args: ""},
		"global flags end there": {args: "list --root /r", code: 1, stderr: "flag provided but not defined: -root"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			o := (&fake{}).command(t, "", append([]string{"runc"}, strings.Fields(tt.args)...)...)
			if o.code != tt.code || !strings.Contains(o.stderr, tt.stderr) || tt.stderr == "" && o.stderr != "" {
				t.Errorf("code %d, stderr %q", o.code, o.stderr)
			}
			if o.code == 0 && (o.root != tt.root || o.systemd != tt.systemd || o.jsonLog != tt.json) {
				t.Errorf("root %q, systemd %t, json %t", o.root, o.systemd, o.jsonLog)
			}
			if tt.code != 0 && o.stdout != "" {
				t.Errorf("an error put %q on stdout, where callers look for JSON", o.stdout)
			}
		})
	}
}

// TestVersion holds what go-runc and dockerd take from --version.
func TestVersion(t *testing.T) {
	for _, tt := range []struct{ args, first string }{
		{"runc --version", "runc version 1.2.3"},
		{"runc -v", "runc version 1.2.3"},
		{"runc --root /x -version list", "runc version 1.2.3"},
		{"crun --version", "crun version 1.2.3"},
		{"crun -V", "crun version 1.2.3"},
		{"berth-runc --version", "runc version 1.2.3"},
		{"berth oci --version", "runc version 1.2.3"},
	} {
		o := (&fake{}).command(t, "", strings.Fields(tt.args)...)
		lines := strings.Split(strings.TrimSpace(o.stdout), "\n")
		if o.code != 0 || len(lines) < 3 || lines[0] != tt.first || lines[1] != "commit: 1.2.3" || lines[2] != "spec: 1.3.0" || o.opened {
			t.Errorf("%s: code %d, %q", tt.args, o.code, o.stdout)
		}
		for _, line := range lines[1:] {
			if strings.Contains(line, "version") {
				t.Errorf("%s: dockerd takes the version from %q", tt.args, line)
			}
		}
	}
}

func TestHelp(t *testing.T) {
	for _, args := range []string{"--help", "-h", "help", "", "--help list"} {
		o := (&fake{}).command(t, "", append([]string{"runc"}, strings.Fields(args)...)...)
		if o.code != 0 || !strings.Contains(o.stdout, "Commands:\n") || !strings.Contains(o.stdout, "--systemd-cgroup") || strings.Contains(o.stdout, "--criu") {
			t.Errorf("runc %s: code %d, %q", args, o.code, o.stdout)
		}
	}
	for _, c := range commands() {
		for _, args := range [][]string{{c.name, "--help"}, {c.name, "-h"}, {"help", c.name}} {
			o := (&fake{}).command(t, "", append([]string{"crun"}, args...)...)
			switch {
			case c.refused != nil && o.code == 0:
				t.Errorf("%v succeeds: podman takes that for support", args)
			case c.refused == nil && (o.code != 0 || !strings.HasPrefix(o.stdout, "Usage:  crun "+c.name) || o.opened):
				t.Errorf("%v: code %d, %q", args, o.code, o.stdout)
			}
		}
	}
}

// TestLog reads the file of --log as containerd's shim does: JSON objects, the
// last error of which is the reason.
func TestLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.json")
	f := &fake{}
	for _, id := range []string{"a", "b"} {
		f.err = &quoted{"no \"" + id + "\"\nat all"}
		o := f.command(t, "", "runc", "--debug", "--log", path, "--log-format", "json", "start", id)
		if want := "no \"" + id + "\"\nat all\n"; o.code != 1 || o.stderr != want {
			t.Errorf("code %d, stderr %q, want %q", o.code, o.stderr, want)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines, want a debug line and an error for each call: %s", len(lines), data)
	}
	var last struct {
		Level, Msg string
		Time       time.Time
	}
	if err := json.Unmarshal([]byte(lines[3]), &last); err != nil {
		t.Fatal(err)
	}
	if last.Level != "error" || last.Msg != "no \"b\"\nat all" || !last.Time.Equal(moment()) {
		t.Errorf("last line is %+v", last)
	}
}

type quoted struct{ text string }

func (q *quoted) Error() string { return q.text }

func TestLogLines(t *testing.T) {
	tests := map[string]struct {
		json, terminal bool
		text, want     string
	}{
		"plain":      {text: "short", want: "time=\"2026-03-04T05:06:07Z\" level=error msg=short\n"},
		"quoted":     {text: "a \"b\"\n", want: `time="2026-03-04T05:06:07Z" level=error msg="a \"b\"\n"` + "\n"},
		"empty":      {text: "", want: "time=\"2026-03-04T05:06:07Z\" level=error msg=\n"},
		"json":       {json: true, text: "a \"<b>\"\n", want: `{"level":"error","msg":"a \"\u003cb\u003e\"\n","time":"2026-03-04T05:06:07Z"}` + "\n"},
		"a terminal": {terminal: true, text: "a b", want: "ERRO[0000] a b\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			l := &logger{to: &b, json: tt.json, terminal: tt.terminal, now: moment}
			l.line(levelError, tt.text)
			if b.String() != tt.want {
				t.Errorf("got  %q\nwant %q", b.String(), tt.want)
			}
			l.debugf("hidden")
			if b.String() != tt.want {
				t.Error("a debug line without --debug")
			}
		})
	}
}

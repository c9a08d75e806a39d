package oci

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestExecProcess(t *testing.T) {
	tests := map[string]struct {
		args string
		base func(*specs.Process)
		want func(*specs.Process) // changes to the container's own process
		err  string
	}{
		"as the container": {args: "id true", want: func(*specs.Process) {}},
		"environment": {args: "-e A=1 --env B=2,3 id true", want: func(p *specs.Process) {
			p.Env = append(p.Env, "A=1", "B=2,3")
		}},
		"terminal":      {args: "-t id true", want: func(p *specs.Process) { p.Terminal = true }},
		"folder":        {args: "--cwd /tmp id true", want: func(p *specs.Process) { p.Cwd = "/tmp" }},
		"user":          {args: "-u 5 id true", want: func(p *specs.Process) { p.User.UID = 5 }},
		"user of group": {args: "--user=5:6 id true", want: func(p *specs.Process) { p.User.UID, p.User.GID = 5, 6 }},
		"groups": {args: "-g 7 --additional-gids 8 id true", base: func(p *specs.Process) { p.User.AdditionalGids = []uint32{1} },
			want: func(p *specs.Process) { p.User.AdditionalGids = []uint32{1, 7, 8} }},
		"labels": {args: "--process-label l --apparmor a id true", want: func(p *specs.Process) { p.SelinuxLabel, p.ApparmorProfile = "l", "a" }},
		"no new privileges": {args: "--no-new-privs id true", base: func(p *specs.Process) { p.NoNewPrivileges = false },
			want: func(p *specs.Process) { p.NoNewPrivileges = true }},
		"capabilities": {args: "--cap CAP_SYS_TIME -c net_raw id true", want: func(p *specs.Process) {
			for _, set := range []*[]string{&p.Capabilities.Bounding, &p.Capabilities.Effective, &p.Capabilities.Permitted} {
				*set = append(*set, "CAP_SYS_TIME", "CAP_NET_RAW")
			}
		}},
		"capabilities with ambient": {args: "--cap CAP_KILL id true",
			base: func(p *specs.Process) { p.Capabilities = &specs.LinuxCapabilities{Inheritable: []string{"CAP_CHOWN"}} },
			want: func(p *specs.Process) {
				one := []string{"CAP_KILL"}
				p.Capabilities = &specs.LinuxCapabilities{Bounding: one, Effective: one, Permitted: one, Ambient: one, Inheritable: []string{"CAP_CHOWN", "CAP_KILL"}}
			}},
		"capabilities from none": {args: "--cap CAP_KILL id true", base: func(p *specs.Process) { p.Capabilities = nil },
			want: func(p *specs.Process) {
				one := []string{"CAP_KILL"}
				p.Capabilities = &specs.LinuxCapabilities{Bounding: one, Effective: one, Permitted: one}
			}},
		"a size is not inherited": {args: "id true", base: func(p *specs.Process) { p.ConsoleSize = &specs.Box{Width: 1} }, want: func(*specs.Process) {}},
		"the program's own flags": {args: "-t id true -t --cwd x", want: func(p *specs.Process) {
			p.Terminal, p.Args = true, []string{"true", "-t", "--cwd", "x"}
		}},
		"relative folder":  {args: "--cwd tmp id true", err: `process cwd "tmp" must be an absolute path`},
		"user by name":     {args: "-u root id true", err: `read user "root": must be uid[:gid] in numbers`},
		"group by name":    {args: "-u 0:wheel id true", err: `read user "0:wheel"`},
		"user below 0":     {args: "-u -1 id true", err: `read user "-1"`},
		"user too high":    {args: "-u 4294967296 id true", err: "value out of range"},
		"no group behind":  {args: "-u 1: id true", err: `read user "1:"`},
		"no such file":     {args: "-p /nowhere id", err: "open /nowhere: no such file or directory"},
		"nothing to start": {args: "id true", base: func(p *specs.Process) { p.Cwd = "" }, err: "process cwd cannot be empty"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := exampled()
			if tt.base != nil {
				tt.base(f.spec.Process)
			}
			before := *f.spec.Process
			before.User.AdditionalGids = append([]uint32(nil), before.User.AdditionalGids...)
			o := f.command(t, "", append([]string{"runc", "exec"}, strings.Fields(tt.args)...)...)
			if tt.err != "" {
				if o.code != 255 || !strings.Contains(strings.ReplaceAll(o.stderr, `\"`, `"`), tt.err) {
					t.Errorf("code %d, stderr %q", o.code, o.stderr)
				}
				return
			}
			if diff := cmp.Diff(&before, f.spec.Process); diff != "" {
				t.Errorf("the container's own process changed:\n%s", diff)
			}
			want := *f.spec.Process
			want.Args, want.Terminal, want.ConsoleSize = []string{"true"}, false, nil
			caps := specs.LinuxCapabilities{}
			if want.Capabilities != nil {
				caps = *want.Capabilities
			}
			want.Capabilities = &caps
			tt.want(&want)
			if o.code != 0 {
				t.Fatalf("code %d: %s", o.code, o.stderr)
			}
			if diff := cmp.Diff(&want, f.execed.Process); diff != "" {
				t.Errorf("wanted -, got +:\n%s", diff)
			}
		})
	}
}

func TestExecProcessFile(t *testing.T) {
	tests := map[string]struct{ text, err string }{
		"whole":    {text: `{"args":["x"],"cwd":"/","terminal":true,"user":{"uid":3,"gid":4}}`},
		"no args":  {text: `{"cwd":"/"}`, err: "process args cannot be empty"},
		"no cwd":   {text: `{"args":["x"]}`, err: "process cwd cannot be empty"},
		"empty":    {text: ``, err: "read process from"},
		"not JSON": {text: `args`, err: "read process from"},
		"an array": {text: `[]`, err: "read process from"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "process.json")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			f := exampled()
			o := f.command(t, "", "runc", "exec", "--process", path, "-d", "--pid-file", "/p", "--console-socket", "/c", "--ignore-paused", "--cgroup", "sub", "--preserve-fds", "2", "--pidfd-socket", "/s", "--no-subreaper", "id")
			if tt.err != "" {
				if o.code != 255 || !strings.Contains(o.stderr, tt.err) {
					t.Errorf("code %d, stderr %q", o.code, o.stderr)
				}
				return
			}
			e := f.execed
			if o.code != 0 || !e.Detach || e.PidFile != "/p" || e.ConsoleSocket != "/c" || !e.IgnorePaused || e.SubCgroup != "sub" || e.PreserveFds != 2 || e.PidfdSocket != "/s" || !e.NoSubreaper {
				t.Errorf("code %d, stderr %q, %+v", o.code, o.stderr, e)
			}
			// What the file leaves out and what confines is the container's.
			want := &specs.Process{
				Args: []string{"x"}, Cwd: "/", Terminal: true, User: specs.User{UID: 3, GID: 4},
				Capabilities: f.spec.Process.Capabilities, Rlimits: f.spec.Process.Rlimits,
			}
			if diff := cmp.Diff(want, e.Process); diff != "" {
				t.Error(diff)
			}
		})
	}
}

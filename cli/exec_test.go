package cli

import (
	"os"
	"slices"
	"strings"
	"testing"

	"berth/container"
)

// execWorld keeps what exec asks for.
func execWorld(t *testing.T, args ...string) (container.ExecOptions, result) {
	t.Helper()
	w := newWorld()
	w.env = map[string]string{"MINE": "yes", "TERM": "dumb"}
	w.exit.Code = to(0)
	r := w.berth(t, append([]string{"exec"}, args...)...)
	return w.execs, r
}

func TestExecFlags(t *testing.T) {
	file := t.TempDir() + "/vars"
	if err := os.WriteFile(file, []byte("A=file\nMINE\nF=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		flags string
		ok    func(o container.ExecOptions) bool
	}{
		{"", func(o container.ExecOptions) bool {
			return len(o.Env) == 0 && !o.TTY && !o.Detach && !o.Interactive && !o.Privileged && o.Files == nil && slices.Equal(o.Args, []string{"ls", "-l"})
		}},
		{"-d", func(o container.ExecOptions) bool { return o.Detach }},
		{"-t", func(o container.ExecOptions) bool { return o.TTY && len(o.Env) == 0 && o.DetachKeys == "" }},
		{"-t --detach-keys ctrl-x,x", func(o container.ExecOptions) bool { return o.DetachKeys == "ctrl-x,x" }},
		{"--privileged -i", func(o container.ExecOptions) bool { return o.Privileged && o.Interactive }},
		{"-u 5:6 -w /tmp", func(o container.ExecOptions) bool { return o.User == "5:6" && o.Cwd == "/tmp" }},
		{"-e B=2 -e MINE -e GONE --env-file " + file + " -e A=flag", func(o container.ExecOptions) bool {
			return strings.Join(o.Env, " ") == "A=flag MINE=yes F=1 B=2 GONE"
		}},
	} {
		if o, r := execWorld(t, append(strings.Fields(tt.flags), "web", "ls", "-l")...); r.code != 0 || !tt.ok(o) {
			t.Errorf("exec %s: %+v, %+v", tt.flags, o, r)
		}
	}
}

func TestExecRefuses(t *testing.T) {
	for _, tt := range []struct {
		flags string
		code  int
		want  string
	}{
		{"-it", 1, "Error: the input device is not a TTY\n"},
		{"-w there", 1, "the working directory 'there' is invalid, it needs to be an absolute path"},
		{"--detach-keys ctrl-1", 1, "Error: Invalid detach keys (ctrl-1) provided\n"},
		{"--env-file /does/not/exist", 1, "no such file or directory"},
		{"--preserve-fds 1000", 125, "Error: file descriptor "},
		{"--preserve-fds 1025", 125, "at most 1024 descriptors"},
		{"--preserve-fds -1", 125, `invalid argument "-1" for "--preserve-fds" flag`},
		{"--preserve-fds x", 125, `invalid argument "x" for "--preserve-fds" flag`},
		{"-e =x", 125, "invalid environment variable"},
	} {
		o, r := execWorld(t, append(strings.Fields(tt.flags), "web", "true")...)
		if r.code != tt.code || !strings.Contains(r.err, tt.want) || o.Args != nil {
			t.Errorf("exec %s: %+v, want %d and %q; asked for %+v", tt.flags, r, tt.code, tt.want, o)
		}
	}
}

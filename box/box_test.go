package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain lets the test binary be the multi-call program under test: through the
// links that install makes.
func TestMain(m *testing.M) {
	if name := filepath.Base(os.Args[0]); !strings.HasSuffix(name, ".test") {
		main()
		return
	}
	os.Exit(m.Run())
}

// install makes a folder of links to this binary, one per applet.
func install(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name := range applets() {
		if err := os.Symlink(self, dir+"/"+name); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestShell(t *testing.T) {
	bin := install(t)
	tests := []struct {
		name, script, stdin, want string
		code                      int
	}{
		{name: "exit code", script: "exit 42", code: 42},
		{name: "not found", script: "nosuch 2>/dev/null", code: 127},
		{name: "not executable", script: "/etc/passwd 2>/dev/null", code: 126},
		{name: "signal", script: "sh -c 'kill -9 $$'; echo $?", want: "137\n"},
		{name: "pipeline", script: "seq 10 | grep 1 | wc -l", want: "2\n"},
		{name: "parameters", script: `echo "$1-$#"; shift; echo $1`, want: "a-2\nb\n"},
		{name: "exec keeps the pid", script: `echo $$; exec sh -c 'echo $$'`, want: "same"},
		{name: "exec in a subshell", script: "(exec echo in); echo out", want: "in\nout\n"},
		{name: "trap", script: `trap 'echo got; exit 3' TERM; sh -c "sleep 0.2; kill -TERM $$" & sleep 5; echo no`, want: "got\n", code: 3},
		{name: "trap ignore", script: `trap '' TERM; kill -TERM $$; sleep 0.1; echo alive`, want: "alive\n"},
		{name: "trap exit", script: `trap 'echo bye' EXIT; exit 2`, want: "bye\n", code: 2},
		{name: "errexit", script: "set -e; false; echo no", code: 1},
		{name: "here document", script: "cat <<E\nx $((1+2))\nE", want: "x 3\n"},
		{name: "read", script: "while read a b; do echo $b; done", stdin: "1 2\n3 4\n", want: "2\n4\n"},
		{name: "ulimit", script: "ulimit -n 77; sh -c 'ulimit -n'", want: "77\n"},
		{name: "soft limit", script: "ulimit -Sn 66; sh -c 'ulimit -n'", want: "66\n"},
		{name: "umask", script: "umask 027; umask", want: "0027\n"},
		{name: "head and tail", script: "seq 9 | head -n 3 | tail -1", want: "3\n"},
		{name: "sort uniq", script: "printf 'b\\na\\nb\\n' | sort | uniq -c", want: "      1 a\n      2 b\n"},
		{name: "sort numbers", script: "printf '10\\n9\\n-1\\n' | sort -nr", want: "10\n9\n-1\n"},
		{name: "tr", script: "echo hello | tr a-y b-z | tr -d z", want: "ifmmp\n"},
		{name: "cut", script: "echo a:b:c:d | cut -d: -f2-3", want: "b:c\n"},
		{name: "test", script: "[ -d / ] && test 3 -ge 3 && test ! -e /nosuch && test a = a -a -n x && echo ok", want: "ok\n"},
		{name: "external test", script: "env test 2 -lt 1; echo $?; env '[' x = x ']'; echo $?", want: "1\n0\n"},
		{name: "external printf", script: `env printf '%05d|%s|%x\n' 42 hi 255`, want: "00042|hi|ff\n"},
		{name: "dd", script: "dd if=/dev/zero bs=1k count=3 status=none | wc -c", want: "3072\n"},
		{name: "od", script: "printf 'AB\\001' | od", want: "00000000  41 42 01                                         |AB.|\n00000003\n"},
		{name: "timeout", script: "timeout 0.1 sleep 5; echo $?; timeout 5 sh -c 'exit 6'; echo $?", want: "124\n6\n"},
		{name: "grep codes", script: "echo a | grep -q b; echo $?; echo a | grep -c a; grep x /nosuch 2>/dev/null; echo $?", want: "1\n1\n2\n"},
		{name: "basic grep", script: `printf 'a+b\naab\n' | grep 'a+b'; printf 'aab\n' | grep -E 'a+b'`, want: "a+b\naab\n"},
		{name: "yes ends", script: "yes | head -n 2", want: "y\ny\n"},
		{name: "base64", script: "printf hi | base64", want: "aGk=\n"},
		{name: "sleep is short", script: "sleep 0.01 0.01", want: ""},
		{name: "date", script: "date -u -d @0 '+%Y-%m-%d %H:%M:%S'", want: "1970-01-01 00:00:00\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := exec.Command(bin+"/sh", "-c", tt.script, "sh", "a", "b")
			c.Env = []string{"PATH=" + bin}
			c.Stdin = strings.NewReader(tt.stdin)
			var out, errOut bytes.Buffer
			c.Stdout, c.Stderr = &out, &errOut
			err := c.Run()
			if code := c.ProcessState.ExitCode(); code != tt.code {
				t.Errorf("exit code %d, want %d (%v)\n%s", code, tt.code, err, errOut.String())
			}
			if tt.want == "same" {
				if f := strings.Fields(out.String()); len(f) != 2 || f[0] != f[1] {
					t.Errorf("pids %v differ", f)
				}
				return
			}
			if out.String() != tt.want {
				t.Errorf("output %q, want %q\n%s", out.String(), tt.want, errOut.String())
			}
		})
	}
}

func TestFiles(t *testing.T) {
	bin := install(t)
	c := exec.Command(bin+"/sh", "-ec", `
		mkdir -p a/b; echo x > a/f; ln -s f a/l; ln a/f a/h; readlink a/l; stat -c '%a %h %s %F' a/f
		cp a/f a/g; mv a/g a/i; cat a/i; chmod 600 a/i; stat -c %a a/i; mkfifo a/p; stat -c %F a/p
		basename /x/y.c .c; dirname /x/y; rm -rf a; ls`)
	c.Env = []string{"PATH=" + bin}
	c.Dir = t.TempDir()
	out, err := c.CombinedOutput()
	want := "f\n644 2 2 regular file\nx\n600\nfifo\ny\n/x\n"
	if err != nil || string(out) != want {
		t.Errorf("%q, %v\nwant %q", out, err, want)
	}
}

package container

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

func TestParseSignal(t *testing.T) {
	for text, want := range map[string]unix.Signal{
		"9": 9, "KILL": 9, "SIGKILL": 9, "sigkill": 9, "Term": 15, "SIGUSR1": 10, "64": 64, "1": 1,
		"RTMIN": 34, "SIGRTMIN": 34, "RTMIN+3": 37, "SIGRTMAX": 64, "RTMAX-1": 63, "WINCH": 28, "CHLD": 17,
		"": 0, "0": 0, "65": 0, "-1": 0, "KILLER": 0, "SIG": 0, "RTMIN+31": 0, "RTMAX+1": 0, "RTMIN-1": 0, "RTMAX-31": 0, "9 ": 0,
		"SIGSIGKILL": 0, "99999999999999999999": 0, "RTMIN+": 0, "RTMINX": 0,
	} {
		got, err := ParseSignal(text)
		if got != want || (err == nil) != (want != 0) {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
}

func TestCapabilityName(t *testing.T) {
	for text, want := range map[string]string{
		"NET_ADMIN": "CAP_NET_ADMIN", "CAP_NET_ADMIN": "CAP_NET_ADMIN", "cap_net_admin": "CAP_NET_ADMIN",
		"checkpoint_restore": "CAP_CHECKPOINT_RESTORE", "": "", "CAP_": "", "CAP_CAP_CHOWN": "", "ALL": "", "CHOWN ": "", "0": "",
	} {
		got, err := CapabilityName(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestSearchPath(t *testing.T) {
	for _, x := range []struct {
		name string
		env  []string
		want string
	}{
		{"/bin/sh", nil, "/bin/sh"},
		{"./sh", []string{"PATH=/bin"}, "./sh"},
		{"dir/sh", []string{"PATH=/bin"}, "dir/sh"},
		{"sh", []string{"PATH=/bin:/sbin"}, "/bin/sh /sbin/sh"},
		{"sh", []string{"PATH=/a", "PATH=/b"}, "/b/sh"},
		{"sh", []string{"XPATH=/a", "PATH=:/b:"}, "./sh /b/sh ./sh"},
		{"sh", []string{"PATH=.:rel"}, "./sh rel/sh"},
		{"sh", nil, "/usr/local/sbin/sh /usr/local/bin/sh /usr/sbin/sh /usr/bin/sh /sbin/sh /bin/sh"},
	} {
		if got := strings.Join(searchPath(x.name, x.env), " "); got != x.want {
			t.Errorf("%s with %v: %s, want %s", x.name, x.env, got, x.want)
		}
	}
}

func TestMergeEnv(t *testing.T) {
	old := []string{"A=1", "B=2", "AB=3"}
	got := mergeEnv(old, []string{"B=9", "C=4", "A=", "C=5", "D", "E=6", "E"})
	if want := []string{"A=", "B=9", "AB=3", "C=5"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if !slices.Equal(old, []string{"A=1", "B=2", "AB=3"}) {
		t.Errorf("the container's own variables changed: %v", old)
	}
}

func TestParseRelease(t *testing.T) {
	for text, want := range map[string]int{
		"6.18.44-x": 6018, "5.15": 5015, "5.15.0-91-generic": 5015, "6.1-rc3": 6001, "10.0.0": 10000, "6.8+": 6008,
		"": 0, "6": 0, "six.one": 0, ".1": 0, "6.": 0, "6.1000": 0,
	} {
		got, err := parseRelease(text)
		if got != want || (err == nil) != (want != 0) {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
}

func TestCheckSysctl(t *testing.T) {
	all := DefaultSpec()
	for key, want := range map[string]string{
		"net.ipv4.ip_forward":              "sys/net/ipv4/ip_forward",
		"net/ipv4/ip_forward":              "sys/net/ipv4/ip_forward",
		"net.ipv4.conf.eth0/1.rp_filter":   "sys/net/ipv4/conf/eth0.1/rp_filter",
		"net/ipv4/conf/eth0.1/rp_filter":   "sys/net/ipv4/conf/eth0.1/rp_filter",
		"kernel.shmmax":                    "sys/kernel/shmmax",
		"kernel/shmmax":                    "sys/kernel/shmmax",
		"kernel.hostname":                  "",
		"net.ipv4.ip_forward.":             "",
		"fs.mqueue.msg_max":                "sys/fs/mqueue/msg_max",
		"kernel.domainname":                "sys/kernel/domainname",
		"kernel.core_pattern":              "",
		"kernel.shmmax/../core_pattern":    "",
		"kernel.shmmax.x":                  "",
		"vm.overcommit_memory":             "",
		"fs.mqueue":                        "",
		"fs.file-max":                      "",
		"net":                              "",
		"netx.ipv4":                        "",
		"net/../../kernel/core_pattern":    "",
		"net....kernel.core_pattern":       "",
		"/net/ipv4/ip_forward":             "",
		"../net/ipv4/ip_forward":           "",
		"net.ipv4/../../kernel/sysrq":      "",
		"":                                 "",
		"net.ipv4.\x00":                    "",
		"kernel.yama.ptrace_scope":         "",
		"kernel.unprivileged_userns_clone": "",
	} {
		got, err := sysctlPath(key), checkSysctl(all, key, "1")
		if err != nil {
			got = ""
		}
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, %v; want %q", key, got, err, want)
		}
	}
}

func TestStartError(t *testing.T) {
	execve := nsenter.Call(nsenter.Child, unix.SYS_EXECVE, nsenter.Str("x"))
	tried := func(errnos ...unix.Errno) (*nsenter.Plan, []nsenter.Result) {
		p := &nsenter.Plan{}
		var results []nsenter.Result
		for _, e := range errnos {
			p.Add(execve)
			results = append(results, nsenter.Result{State: nsenter.Tolerated, Value: -int64(e)})
		}
		return p, results
	}
	mount := nsenter.Call(nsenter.Child, unix.SYS_MOUNT).On("/x")
	for _, x := range []struct {
		name, program string
		errnos        []unix.Errno
		err           error
		code          int
		want          string
	}{
		{"nowhere", "sh", []unix.Errno{unix.ENOENT, unix.ENOTDIR}, nsenter.ErrNoExec, 127, `exec: "sh": executable file not found in $PATH`},
		{"no such path", "/x", []unix.Errno{unix.ENOENT}, nsenter.ErrNoExec, 127, `exec: "/x": stat /x: no such file or directory`},
		{"not allowed", "sh", []unix.Errno{unix.ENOENT, unix.EACCES, unix.ENOENT}, nsenter.ErrNoExec, 126, `exec: "sh": permission denied`},
		{"not a program", "sh", nil, &nsenter.StepError{Number: 1, Step: &execve, Err: unix.ENOEXEC}, 126, `exec: "sh"`},
		{"wrapped", "sh", nil, fmt.Errorf("run: %w", &nsenter.StepError{Number: 1, Step: &execve, Err: unix.E2BIG}), 126, `exec: "sh"`},
		{"another step", "sh", nil, &nsenter.StepError{Number: 7, Step: &mount, Err: unix.EPERM}, 125, "step 7, mount /x: EPERM"},
		{"machinery", "sh", nil, errors.New("no memory"), 125, "no memory"},
	} {
		t.Run(x.name, func(t *testing.T) {
			p, results := tried(x.errnos...)
			c := &Config{Spec: &specs.Spec{Process: &specs.Process{Args: []string{x.program}}}}
			err := startError(c, p, results, x.err)
			var start *StartError
			if !errors.As(err, &start) || start.Code != x.code || !strings.Contains(err.Error(), x.want) {
				t.Errorf("got %#v: %v; want code %d and %q", start, err, x.code, x.want)
			}
		})
	}
}

func TestExitCode(t *testing.T) {
	for status, want := range map[unix.WaitStatus]int{0: 0, 1 << 8: 1, 255 << 8: 255, 9: 137, 15: 143, 11 | 0x80: 139} {
		if got := exitCode(status); got != want {
			t.Errorf("status %#x is %d, want %d", int(status), got, want)
		}
	}
}

// TestLimitFiles: never above what this process may hand on, and never where
// somebody asked for something else.
func TestLimitFiles(t *testing.T) {
	for ours, want := range map[uint64][2]uint64{1 << 30: {1024, 524288}, 4096: {1024, 4096}, 512: {512, 512}} {
		c := &Config{Spec: DefaultSpec()}
		limitFiles(c.Spec.Process, ours)
		limitFiles(c.Spec.Process, ours)
		if r := c.Spec.Process.Rlimits; len(r) != 1 || r[0].Soft != want[0] || r[0].Hard != want[1] {
			t.Errorf("with %d: %+v, want %v", ours, r, want)
		}
	}
}

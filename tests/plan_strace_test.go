package tests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"berth/tests/fixture"
	"berth/tests/ledger"
)

// watchedCalls change mounts, namespaces, ids, capabilities, filters or what
// goes with them. Nothing of the kind may happen that the plan does not list.
const watchedCalls = "mount,umount2,pivot_root,chroot,setns,unshare,clone,clone3,fork,vfork,execve,execveat," +
	"fsopen,fsconfig,fsmount,fspick,move_mount,open_tree,mount_setattr," +
	"setuid,setgid,setreuid,setregid,setresuid,setresgid,setgroups,setfsuid,setfsgid," +
	"capset,prctl,seccomp,sethostname,setdomainname,keyctl,personality"

// traceEvent is one system call: what strace saw, or what a plan lists. An
// argument of "*" is one that the two do not show alike.
type traceEvent struct {
	name string
	args []string
}

func (e traceEvent) String() string { return e.name + "(" + strings.Join(e.args, ", ") + ")" }

// like compares the arguments that both show.
func (e traceEvent) like(o traceEvent) bool {
	if e.name != o.name {
		return false
	}
	for i := range min(len(e.args), len(o.args)) {
		if e.args[i] != "*" && o.args[i] != "*" && e.args[i] != o.args[i] {
			return false
		}
	}
	return true
}

// sides are the calls of the host process and of the child, each in its order.
// The child is started on a thread of its own, at any time.
type sides struct{ host, spawns, child []traceEvent }

// planEvents reads the watched steps from a trace in JSON.
func planEvents(t *testing.T, text []byte) sides {
	t.Helper()
	var entries []struct {
		Who, Call, Text string
		Args            []string
		Raw             []*int64
		Result          struct{ State string }
	}
	if err := json.Unmarshal(text, &entries); err != nil {
		t.Fatalf("read the trace: %v\n%s", err, text)
	}
	var s sides
	for _, e := range entries {
		if e.Result.State == "pending" || e.Result.State == "skipped" {
			continue
		}
		event := traceEvent{name: e.Call}
		for i := range e.Args {
			event.args = append(event.args, planArg(e.Args[i], e.Raw[i]))
		}
		switch {
		case strings.Contains(e.Text, "execute berth anew"):
			s.spawns = append(s.spawns, traceEvent{"spawn", event.args[:1]})
			s.child = append(s.child, traceEvent{"execve", []string{"*"}})
			continue
		case strings.Contains(e.Text, "scratch mount namespace"):
			s.host = append(s.host, traceEvent{"unshare", []string{"131584"}}, traceEvent{"mount", []string{"*", `"/"`}},
				traceEvent{"mount", []string{`"overlay"`}}, traceEvent{"open_tree", []string{"*"}})
			continue
		case strings.HasPrefix(e.Text, "fork"):
			event = traceEvent{"clone", nil}
		case !slices.Contains(strings.Split(watchedCalls, ","), e.Call):
			continue
		}
		if e.Who == "host" {
			s.host = append(s.host, event)
		} else {
			s.child = append(s.child, event)
		}
	}
	return s
}

// planArg writes an argument of a plan as seenArg does.
func planArg(text string, raw *int64) string {
	switch {
	case strings.HasPrefix(text, `"`):
		if s, err := strconv.Unquote(text); err == nil {
			return strconv.Quote(s)
		}
	case raw != nil:
		return strconv.FormatInt(*raw, 10)
	}
	return "*"
}

// straceLine is a line of strace -f, or of a call that other lines interrupt.
var (
	straceLine   = regexp.MustCompile(`^(\d+) +(\w+)\((.*)$`)
	resumedLine  = regexp.MustCompile(`^(\d+) +<\.\.\. (\w+) resumed>(.*)$`)
	straceResult = regexp.MustCompile(`\) += (-?\d+|0x[0-9a-f]+|\?)(?: E\w+ .*)?$`)
)

// seenCall is a call as strace logs it.
type seenCall struct {
	tid    int
	event  traceEvent
	text   string
	result string
}

// seenCalls parses a log; calls stand where they begin.
func seenCalls(log string) []*seenCall {
	var calls []*seenCall
	open := map[int]*seenCall{}
	for line := range strings.Lines(log) {
		line = strings.TrimSpace(line)
		if m := resumedLine.FindStringSubmatch(line); m != nil {
			tid, _ := strconv.Atoi(m[1])
			if c := open[tid]; c != nil {
				c.finish(c.text + m[3])
			}
			continue
		}
		m := straceLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		c := &seenCall{event: traceEvent{name: m[2]}}
		c.tid, _ = strconv.Atoi(m[1])
		calls = append(calls, c)
		if rest, unfinished := strings.CutSuffix(m[3], " <unfinished ...>"); unfinished {
			c.text = rest
			open[c.tid] = c
			c.finish(rest)
			continue
		}
		c.finish(m[3])
	}
	return calls
}

// finish takes apart what is behind a call's name.
func (c *seenCall) finish(text string) {
	c.text = text
	if at := straceResult.FindStringSubmatchIndex(text); at != nil {
		c.result, text = text[at[2]:at[3]], text[:at[0]]
	}
	c.event.args = nil
	for _, a := range splitArgs(text) {
		c.event.args = append(c.event.args, seenArg(a))
	}
}

// splitArgs cuts at the commas that are in no string and no bracket.
func splitArgs(text string) []string {
	var args []string
	depth, from, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case strings.IndexByte("{[(", c) >= 0:
			depth++
		case strings.IndexByte("}])", c) >= 0:
			depth--
		case c == ',' && depth == 0:
			args = append(args, strings.TrimSpace(text[from:i]))
			from = i + 1
		}
	}
	if last := strings.TrimSpace(text[from:]); last != "" {
		args = append(args, last)
	}
	return args
}

// seenArg writes an argument of strace as planArg does.
func seenArg(text string) string {
	if text == "NULL" {
		return "0"
	}
	if n, err := strconv.ParseInt(text, 0, 64); err == nil {
		if n > 1<<32 {
			return "*" // an address
		}
		return strconv.FormatInt(n, 10)
	}
	if s, err := strconv.Unquote(text); err == nil && text[0] == '"' {
		return strconv.Quote(s)
	}
	return "*"
}

// Flags of clone(2).
const (
	cloneThread     = 0x10000
	cloneNamespaces = 0x7e020080
)

var cloneFlags = regexp.MustCompile(`flags=(0x[0-9a-f]+|\d+)`)

func (c *seenCall) cloneFlags() int64 {
	m := cloneFlags.FindStringSubmatch(c.text)
	if m == nil {
		return 0
	}
	n, _ := strconv.ParseInt(m[1], 0, 64)
	return n
}

func (c *seenCall) isClone() bool {
	return slices.Contains([]string{"clone", "clone3", "fork", "vfork"}, c.event.name)
}

// straceEvents sorts a log into the two sides, up to the payload's execve. The
// executor's and the Go runtime's own few calls are left out, and of each
// spawn exactly the four that seal the binary.
func straceEvents(t *testing.T, log string) sides {
	t.Helper()
	calls := seenCalls(log)
	if len(calls) == 0 {
		t.Fatalf("strace saw nothing:\n%s", log)
	}
	host := map[int]bool{calls[0].tid: true}
	for range calls { // until no thread is added by a pass
		n := len(host)
		for _, c := range calls {
			if host[c.tid] && c.isClone() && c.cloneFlags()&cloneThread != 0 {
				tid, _ := strconv.Atoi(c.result)
				host[tid] = true
			}
		}
		if len(host) == n {
			break
		}
	}
	var s sides
	sealing := sealCalls(calls, host)
	payload := false
	for i, c := range calls {
		switch {
		case i == 0 && c.event.name == "execve" || sealing[c]:
		case host[c.tid]:
			switch {
			case !c.isClone():
				if !isRuntimes(c) {
					s.host = append(s.host, c.event)
				}
			case c.cloneFlags()&cloneThread == 0:
				s.spawns = append(s.spawns, traceEvent{"spawn", []string{strconv.FormatInt(c.cloneFlags()&cloneNamespaces, 10)}})
			}
		case payload || isExecutors(c):
		case c.isClone():
			s.child = append(s.child, traceEvent{name: "clone"})
		default:
			s.child = append(s.child, c.event)
			payload = c.event.name == "execve" && c.result == "0" && !strings.Contains(c.text, `"/proc/self/fd/`)
		}
	}
	return s
}

// sealCalls finds the calls of nsenter's seal: an overlay of two lower layers
// given by descriptor. They go by the number of the context, which nobody else
// has while it is open, as a goroutine may change threads between two calls.
func sealCalls(calls []*seenCall, host map[int]bool) map[*seenCall]bool {
	found := map[*seenCall]bool{}
	for i, c := range calls {
		if !host[c.tid] || c.event.name != "fsconfig" || !strings.Contains(c.text, `"lowerdir", "/proc/self/fd/`) || len(found) > 0 {
			continue
		}
		fd := c.event.args[0]
		ours := func(o *seenCall, name string) bool { return host[o.tid] && o.event.name == name }
		for _, o := range slices.Backward(calls[:i]) {
			if ours(o, "fsopen") && o.result == fd && o.event.args[0] == `"overlay"` {
				found[o], found[c] = true, true
				break
			}
		}
		wanted := []string{"fsconfig", "fsmount"}
		for _, o := range calls[i+1:] {
			if len(wanted) > 0 && ours(o, wanted[0]) && o.event.args[0] == fd {
				found[o] = true
				wanted = wanted[1:]
			}
		}
	}
	return found
}

// isRuntimes: the Go runtime names its memory, and berth asks which
// capabilities it has; neither changes anything.
func isRuntimes(c *seenCall) bool {
	const setVMA, capBoundRead = "1398164801", "23"
	return c.event.name == "prctl" && (c.event.args[0] == setVMA || c.event.args[0] == capBoundRead)
}

// isExecutors: before its first step the executor makes itself undumpable and
// takes a name (nsenter/executor.c).
func isExecutors(c *seenCall) bool {
	if c.event.name != "prctl" {
		return false
	}
	return slices.ContainsFunc([]traceEvent{
		{"prctl", []string{"4", "0"}}, {"prctl", []string{"15", `"berth-child"`}}, {"prctl", []string{"15", `"berth-init"`}},
	}, c.event.like)
}

// differences compares two sequences and says where they part.
func differences(side string, listed, seen []traceEvent) string {
	for i := range max(len(listed), len(seen)) {
		switch {
		case i >= len(listed):
			return fmt.Sprintf("%s: %s is made, and the plan has no more calls", side, seen[i])
		case i >= len(seen):
			return fmt.Sprintf("%s: the plan lists %s, which is not made", side, listed[i])
		case !listed[i].like(seen[i]):
			return fmt.Sprintf("%s, call %d: %s is made where the plan lists %s", side, i+1, seen[i], listed[i])
		}
	}
	return ""
}

// compare returns what is made and not listed, or listed and not made.
func (s sides) compare(seen sides) string {
	return differences("host", s.host, seen.host) + differences("spawn", s.spawns, seen.spawns) + differences("child", s.child, seen.child)
}

// underStrace runs berth and returns its stderr and what strace wrote.
func underStrace(t *testing.T, args ...string) (stderr []byte, log string) {
	t.Helper()
	strace := fixture.NeedTool(t, "strace")
	file := filepath.Join(t.TempDir(), "log")
	run := exec.Command(strace, append([]string{"-f", "-X", "raw", "-s", "8192", "-e", "trace=" + watchedCalls, "-e", "signal=none", "-o", file, fixture.Berth(t)}, args...)...)
	var errs bytes.Buffer
	run.Stderr = &errs
	if out, err := run.Output(); err != nil {
		t.Fatalf("berth %s: %v\n%s%s", strings.Join(args, " "), err, out, errs.String())
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return errs.Bytes(), string(text)
}

// TestPlanIsWhatHappens compares the steps that a trace lists with the calls
// that strace sees, for starts of every kind.
func TestPlanIsWhatHappens(t *testing.T) {
	fixture.NeedRoot(t)
	root, run := fixture.Roots(t)
	l := ledger.Take(t, root, run)
	source := t.TempDir()
	for name, flags := range map[string][]string{
		"default":     nil,
		"privileged":  {"--privileged"},
		"host":        {"--network", "host"},
		"user":        {"--user", "1000:1000", "--workdir", "/tmp", "--security-opt", "no-new-privileges"},
		"volumes":     {"-v", source + ":/data:ro", "--tmpfs", "/run", "--read-only", "--tmpfs", "/data/sub"},
		"limits":      {"--memory", "64m", "--pids-limit", "50", "--ulimit", "core=0", "--sysctl", "net.ipv4.ip_forward=1", "--oom-score-adj", "100"},
		"unconfined":  {"--security-opt", "seccomp=unconfined", "--cap-drop", "ALL"},
		"init":        {"--init"},
		"other names": {"--hostname", "other", "--domainname", "example"},
	} {
		t.Run(name, func(t *testing.T) {
			args := append(append([]string{"run", "--rm", "--trace=json"}, flags...), "box", "true")
			trace, log := underStrace(t, args...)
			listed, seen := planEvents(t, trace), straceEvents(t, log)
			if diff := listed.compare(seen); diff != "" {
				t.Errorf("%s\n%s", diff, log)
			}
			if len(seen.host) < 15 || len(seen.child) < 25 {
				t.Errorf("only %d calls of the host and %d of the child are compared", len(seen.host), len(seen.child))
			}
			injectCalls(t, listed, log)
		})
	}
	l.Check(t, settle)
}

// injectCalls proves that the comparison finds one call more, one less and one
// with another argument, wherever it is.
func injectCalls(t *testing.T, listed sides, log string) {
	t.Helper()
	lines := strings.SplitAfter(log, "\n")
	child := slices.IndexFunc(lines, func(s string) bool { return strings.Contains(s, " pivot_root(") })
	spawn := slices.IndexFunc(lines, func(s string) bool { return strings.Contains(s, `"lowerdir", "/proc/self/fd/`) })
	if child < 0 || spawn < 0 {
		t.Fatal("there is no pivot_root or no sealing")
	}
	for _, at := range []int{child, spawn} {
		tid, _, _ := strings.Cut(lines[at], " ")
		for _, call := range []string{
			"setns(5, 0x20000) = 0", "unshare(0x40000000) = 0", "mount(\"/\", \"/mnt\", NULL, 0x1000, NULL) = 0",
			"umount2(\"/proc/kcore\", 0x2) = 0", "chroot(\"/tmp\") = 0", "prctl(0x26, 1, 0, 0, 0) = 0", "prctl(0x18, 0x15) = 0",
			"setresuid(0, 0, 0) = 0", "setuid(0) = 0", "setgroups(0, NULL) = 0", "capset({version=0x20080522, pid=0}, {effective=0}) = 0",
			"seccomp(0x1, 0, {len=1}) = 0", "clone(child_stack=NULL, flags=0x11) = 99999", "move_mount(5, \"\", 6, \"\", 0x44) = 0",
			"fsopen(\"overlay\", 0x1) = 5", "fsconfig(14, 0x1, \"lowerdir\", \"/proc/self/fd/1:/proc/self/fd/2\", 0) = 0",
			"open_tree(-100, \"/\", 0x1) = 7", "keyctl(0x1, NULL) = 1", "sethostname(\"x\", 1) = 0", "execve(\"/bin/sh\", [\"sh\"], NULL) = -1 ENOENT (No such file or directory)",
		} {
			changed := slices.Insert(slices.Clone(lines), at+1, tid+" "+call+"\n")
			if listed.compare(straceEvents(t, strings.Join(changed, ""))) == "" {
				t.Errorf("%s after %q is not noticed", call, lines[at])
			}
		}
	}
	for change, by := range map[string]string{
		" umount2(\".\", 0x2)": " umount2(\".\", 0x1)", " pivot_root(\".\", \".\")": " pivot_root(\".\", \"/mnt\")", " capset(": " capget(",
		" prctl(0x1, 9)": " prctl(0x1, 15)", "\"proc\"": "\"sysfs\"",
	} {
		changed := strings.Replace(log, change, by, 1)
		if changed == log {
			t.Errorf("there is no %q to change", change)
		} else if listed.compare(straceEvents(t, changed)) == "" {
			t.Errorf("%q instead of %q is not noticed", by, change)
		}
	}
}

// TestExecIsWhatHappens: exec joins all namespaces at once, forks, and then
// gives up powers as the container's first process did.
func TestExecIsWhatHappens(t *testing.T) {
	fixture.NeedRoot(t)
	root, run := fixture.Roots(t)
	l := ledger.Take(t, root, run)
	berth := fixture.Berth(t)
	trace, _ := underStrace(t, "run", "--rm", "--trace=json", "box", "true")
	first := planEvents(t, trace)
	if out, err := exec.Command(berth, "run", "-d", "--rm", "--name", "target", "box", "sleep", "1000").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, log := underStrace(t, "exec", "target", "true")
	tail := slices.IndexFunc(first.child, func(e traceEvent) bool { return e.name == "keyctl" })
	const allSpaces = "1845624832" // mnt, cgroup, uts, ipc, pid, net
	listed := sides{
		spawns: []traceEvent{{"spawn", []string{"0"}}},
		child:  append([]traceEvent{{"execve", []string{"*"}}, {"setns", []string{"*", allSpaces}}, {"clone", nil}}, first.child[tail:]...),
	}
	if diff := listed.compare(straceEvents(t, log)); diff != "" {
		t.Errorf("%s\n%s", diff, log)
	}
	if out, err := exec.Command(berth, "rm", "-f", "target").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	l.Check(t, settle)
}

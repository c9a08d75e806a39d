package nsenter

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// seenCall is a system call as strace saw it.
type seenCall struct {
	call uint64
	args []int64
	ret  int64 // or -errno
	text string
}

// parseStrace reads what "strace -f -n -e raw=all" wrote: the calls of each
// process in order, with the halves of interrupted lines put together.
func parseStrace(path string) (map[int][]seenCall, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	line := regexp.MustCompile(`^(\d+)\s+\[\s*(\d+)\] (.*)$`)
	resumed := regexp.MustCompile(`^<\.\.\. \w+ resumed>`)
	half := map[int]string{}
	calls := map[int][]seenCall{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		m := line.FindStringSubmatch(lines.Text())
		if m == nil || strings.HasPrefix(m[3], "+++") || strings.HasPrefix(m[3], "---") {
			continue
		}
		pid, _ := strconv.Atoi(m[1])
		number, _ := strconv.ParseUint(m[2], 10, 64)
		text := m[3]
		if before, ok := strings.CutSuffix(text, "<unfinished ...>"); ok {
			half[pid] = before
			continue
		}
		if strings.HasPrefix(text, "<... ??? ") {
			continue // a call that never ended: the process was killed
		}
		if start := resumed.FindString(text); start != "" {
			text = half[pid] + text[len(start):]
		}
		c, err := parseCall(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", lines.Text(), err)
		}
		c.call = number
		// Without a vDSO the executor's clock is a call of its own.
		if number != unix.SYS_CLOCK_GETTIME {
			calls[pid] = append(calls[pid], c)
		}
	}
	return calls, lines.Err()
}

// parseCall reads "name(0x1, 0x2) = 0x3" and the forms of failing calls.
func parseCall(text string) (seenCall, error) {
	c := seenCall{text: text}
	_, rest, ok := strings.Cut(text, "(")
	args, result, ok2 := strings.Cut(rest, ")")
	_, result, ok3 := strings.Cut(result, "= ")
	if !ok || !ok2 || !ok3 {
		return c, fmt.Errorf("cannot read %q", text)
	}
	for a := range strings.SplitSeq(args, ",") {
		if a = strings.TrimSpace(a); a != "" {
			v, err := strconv.ParseUint(a, 0, 64)
			if err != nil {
				return c, err
			}
			c.args = append(c.args, int64(v))
		}
	}
	fields := strings.Fields(result)
	switch {
	case fields[0] == "-1" && len(fields) > 1:
		for e := unix.Errno(1); e < 200; e++ {
			if unix.ErrnoName(e) == fields[1] {
				c.ret = -int64(e)
			}
		}
	case fields[0] != "?":
		v, err := strconv.ParseUint(fields[0], 0, 64)
		if err != nil {
			return c, err
		}
		c.ret = int64(v)
	}
	return c, nil
}

// match compares what a process did with what it was to do. The slots hold
// the child's numbers of host descriptors, learnt at their first use.
func (l life) match(seen []seenCall, slots map[int64]int64) (next int, err error) {
	for i, want := range l {
		if i >= len(seen) && want.Maybe {
			break
		}
		if i >= len(seen) {
			return 0, fmt.Errorf("call %d is missing: want %s %+v", i, CallName(uintptr(want.Call)), want)
		}
		got := seen[i]
		ok := got.call == want.Call && want.Ret.matches(got.ret, slots) && len(want.Args) <= 6
		for j := range want.Args {
			// strace leaves out what a call does not take.
			ok = ok && (j >= len(got.args) || want.Args[j].matches(got.args[j], slots))
		}
		if !ok {
			return 0, fmt.Errorf("call %d: strace saw %s, want %s %+v", i, got.text, CallName(uintptr(want.Call)), want)
		}
		if want.Forks {
			next = int(got.ret)
		}
	}
	// After its execve a process is the payload.
	last := l[len(l)-1].Call
	if len(seen) > len(l) && last != unix.SYS_EXECVE {
		return 0, fmt.Errorf("call %d, %s, is in no plan", len(l), seen[len(l)].text)
	}
	return next, nil
}

func (v value) matches(got int64, slots map[int64]int64) bool {
	switch v.Kind {
	case "any":
		return true
	case "errno":
		return got == -v.Value
	case "slot":
		before, ok := slots[v.Value]
		slots[v.Value] = got
		return got > planFd && (!ok || before == got)
	default:
		// strace cuts numbers to the width that the call takes.
		return got == v.Value || got == v.Value&0xffffffff
	}
}

// fromFirstMessage cuts off the calls before the first message. The last of
// them must be the executor's own, which make it safe: see executor().
func fromFirstMessage(seen []seenCall) ([]seenCall, error) {
	own := []uint64{unix.SYS_GETSOCKOPT, unix.SYS_FCNTL, unix.SYS_PRCTL, unix.SYS_PRCTL, unix.SYS_CLOSE_RANGE}
	for i, c := range seen {
		if c.call != unix.SYS_RECVMSG {
			continue
		}
		if i < len(own) {
			break
		}
		for j, want := range own {
			if got := seen[i-len(own)+j]; got.call != want {
				return nil, fmt.Errorf("before the first message: %s, want %s", got.text, CallName(uintptr(want)))
			}
		}
		dumpable := seen[i-3]
		if dumpable.args[0] != unix.PR_SET_DUMPABLE || dumpable.args[1] != 0 {
			return nil, fmt.Errorf("before the first message: %s, want PR_SET_DUMPABLE 0", dumpable.text)
		}
		return seen[i:], nil
	}
	return nil, fmt.Errorf("no message in %d calls", len(seen))
}

// matchPlan compares all lives of a plan's child with the trace.
func matchPlan(p *tracedPlan, seen map[int][]seenCall) error {
	if p.Wrong != "" {
		return fmt.Errorf("results: %s", p.Wrong)
	}
	calls, err := fromFirstMessage(seen[p.Pid])
	if err != nil {
		return err
	}
	slots := map[int64]int64{}
	for i, l := range p.Lives {
		next, err := l.match(calls, slots)
		if err != nil {
			return fmt.Errorf("process %d of the child: %w", i+1, err)
		}
		calls = seen[next]
	}
	return nil
}

// TestPlansUnderStrace runs arbitrary plans, and compares what the kernel was
// asked for with the plan: every call, in order, with its arguments and its
// result, and nothing else.
func TestPlansUnderStrace(t *testing.T) {
	needRoot(t)
	strace, err := exec.LookPath("strace")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("needs strace")
	}
	count := 300
	if testing.Short() {
		count = 20
	}
	log := filepath.Join(t.TempDir(), "log")
	helper := helperCommand(t, "plans", "1", strconv.Itoa(count))
	helper.Args = append([]string{strace, "-f", "-n", "-e", "raw=all", "-e", "signal=none", "-o", log, helper.Path}, helper.Args[1:]...)
	helper.Path = strace
	out, err := helper.Output()
	if err != nil {
		t.Fatal(err)
	}
	seen, err := parseStrace(log)
	if err != nil {
		t.Fatal(err)
	}
	plans, states := 0, map[string]int{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); plans++ {
		var p tracedPlan
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		if err := matchPlan(&p, seen); err != nil {
			t.Errorf("seed %d: %v\nresults:\n%s", p.Seed, err, strings.Join(p.Log, "\n"))
		}
		for _, l := range p.Log {
			states[l[strings.Index(l, "State:"):][:7]]++
		}
	}
	if plans != count {
		t.Fatalf("%d plans, want %d", plans, count)
	}
	t.Logf("steps by state: %v", states)
}

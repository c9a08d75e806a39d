package top

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"berth/tests/fixture"
)

// sample is a process as /proc shows it, started an hour and a minute ago.
func sample(t *testing.T, pid int, change ...func(*Process)) Process {
	t.Helper()
	p := Process{
		PID: pid, args: []string{"nginx:", "worker"}, age: 61 * time.Minute,
		status: map[string]string{"Uid": "0\t65534\t2\t3", "Gid": "0\t1\t2\t3", "Groups": "4 5", "NSpid": "77\t7", "VmLck": "8 kB", "CapEff": "00000000a80425fb"},
	}
	line := "77 (a) (b) R 5 6 77 34816 6 4194560 11 12 13 14 18000 600 0 0 30 10 2 0 88 1048576 256 18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 3 0 0 0 0 0 0 0 0 0 0 0 0 0"
	if err := p.parseStat([]byte(line)); err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(&p)
	}
	p.used, p.over = p.processorTime(), p.age
	return p
}

// printed is what a format shows, all runs of blanks made one.
func printed(t *testing.T, list []Process, args ...string) string {
	t.Helper()
	f, err := Parse(args)
	if err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	var b strings.Builder
	if err := f.Print(&b, list, time.Date(2026, 11, 21, 10, 30, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(` +`).ReplaceAllString(strings.ReplaceAll(b.String(), " \n", "\n"), " ")
}

// unused is a number that no process has: the kernel's limit is 2^22.
const unused = 99999999

func TestStyles(t *testing.T) {
	list := []Process{sample(t, unused)}
	for _, c := range []struct{ args, head, row string }{
		{"", "UID PID PPID C STIME TTY TIME CMD", "nobody 99999999 5 5 09:29 pts/0 00:03:06 nginx: worker"},
		{"-ef", "UID PID PPID C STIME TTY TIME CMD", "nobody 99999999 5 5 09:29 pts/0 00:03:06 nginx: worker"},
		{"-F", "UID PID PPID C SZ RSS PSR STIME TTY TIME CMD", "nobody 99999999 5 5 256 1024 3 09:29 pts/0 00:03:06 nginx: worker"},
		{"-e", "PID TTY TIME CMD", "99999999 pts/0 00:03:06 a) (b"},
		{"-el", "F S UID PID PPID C PRI NI ADDR SZ WCHAN TTY TIME CMD", "4 R 65534 99999999 5 5 90 10 - 256 - pts/0 00:03:06 a) (b"},
		{"-lf", "F S UID PID PPID C PRI NI ADDR SZ WCHAN STIME TTY TIME CMD", "4 R nobody 99999999 5 5 90 10 - 256 - 09:29 pts/0 00:03:06 nginx: worker"},
		{"-j", "PID PGID SID TTY TIME CMD", "99999999 6 77 pts/0 00:03:06 a) (b"},
		{"-jf", "UID PID PPID PGID SID C STIME TTY TIME CMD", "nobody 99999999 5 6 77 5 09:29 pts/0 00:03:06 nginx: worker"},
		{"ax", "PID TTY STAT TIME COMMAND", "99999999 pts/0 RNLl+ 3:06 nginx: worker"},
		{"j", "PPID PID PGID SID TTY TPGID STAT UID TIME COMMAND", "5 99999999 6 77 pts/0 6 RNLl+ 65534 3:06 nginx: worker"},
		{"l", "F UID PID PPID PRI NI VSZ RSS WCHAN STAT TTY TIME COMMAND", "4 65534 99999999 5 30 10 1024 1024 - RNLl+ pts/0 3:06 nginx: worker"},
		{"-eo pid,comm=NAME -o etime", "PID NAME ELAPSED", "99999999 a) (b 01:01:00"},
		{"-o ruser,%cpu,C,start,lstart,supgid,nspid,capeff,cls,s", "RUSER %CPU C STARTED STARTED SUPGID NSPID CAPEFF CLS S", "root 5.1 5 09:29:00 Sat Nov 21 09:29:00 2026 4,5 7 00000000a80425fb TS R"},
		{"-O ppid", "PID PPID TTY TIME CMD", "99999999 5 pts/0 00:03:06 a) (b"},
		{"--format pid h", "", "99999999"},
		{"--no-headers --format=pid", "", "99999999"},
		{"-o pid= -o ppid=", "", "99999999 5"},
	} {
		want := strings.TrimPrefix(c.head+"\n", "\n") + c.row + "\n"
		if got := printed(t, list, strings.Fields(c.args)...); got != want {
			t.Errorf("%s:\n%swant\n%s", c.args, got, want)
		}
	}
	for _, args := range []string{"aux", "-aux", "u"} {
		want := `^USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND\nnobody 99999999 5.1 0.0 1024 1024 pts/0 RNLl\+ 09:29 3:06 nginx: worker\n$`
		if got := printed(t, list, args); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%s:\n%s", args, got)
		}
	}
}

func TestUnknown(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"-o pid,colour", `unknown ps column "colour"`},
		{"--sort colour", `unknown ps column "colour"`},
		{"-Z", `unknown ps option "-Z"`},
		{"-efL", `unknown ps option "L" in "-efL"`},
		{"-p 1", `unknown ps option "-p"`},
		{"--tree", `unknown ps option "--tree"`},
		{"auz", `unknown ps option "z" in "auz"`},
		{"-", `unknown ps option "-"`},
		{"-o", `ps option "-o" needs a list of columns`},
		{"--sort", `ps option "--sort" needs a list of columns`},
	} {
		if _, err := Parse(strings.Fields(c.args)); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.args, err, c.want)
		}
	}
}

// TestEveryColumn shows each of a real process: one that cannot be found out is
// a dash, never nothing.
func TestEveryColumn(t *testing.T) {
	list, err := Read([]int{os.Getpid()})
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	for _, name := range Columns() {
		lines := strings.Split(printed(t, list, "-o", name), "\n")
		if len(lines) != 3 || lines[0] == "" || lines[1] == "" {
			t.Errorf("%s: %q", name, lines)
		}
	}
}

// asleep waits until a process is what it will be, and sleeps.
func asleep(t *testing.T, pid int) []Process {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		list, err := Read([]int{pid})
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		if list[0].name == "sleep" && list[0].field(3) == "S" && len(list[0].args) == 2 {
			return list
		}
	}
	t.Fatal("it does not sleep")
	return nil
}

// TestAsPs compares with the ps of the host.
func TestAsPs(t *testing.T) {
	ps := fixture.NeedTool(t, "ps")
	sleep := exec.Command("sleep", "100")
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sleep.Process.Kill(); _ = sleep.Wait() }()
	list := asleep(t, sleep.Process.Pid)
	const columns = "pid,ppid,pgid,sid,tpgid,uid,ruid,gid,user,group,tty,s,ni,pri,nlwp,comm,cls,rtprio,vsz,sz,netns,pidns,args"
	f, err := Parse([]string{"-o", columns})
	if err != nil {
		t.Fatal(err)
	}
	var ours strings.Builder
	if err := f.Print(&ours, list, time.Now()); err != nil {
		t.Fatal(err)
	}
	theirs, err := exec.Command(ps, "-ww", "-o", columns, "-p", list[0].field(4), "-p", strings.Fields(printed(t, list, "-o", "pid="))[0]).Output()
	if err != nil {
		t.Fatalf("ps: %v", err)
	}
	want := strings.Split(strings.TrimSpace(string(theirs)), "\n")
	have := strings.Split(strings.TrimSpace(ours.String()), "\n")
	for i, line := range []string{want[0], want[len(want)-1]} {
		if a, b := strings.Join(strings.Fields(have[i]), " "), strings.Join(strings.Fields(line), " "); a != b {
			t.Errorf("ours\n%s\nps's\n%s", a, b)
		}
	}
}

func TestOrder(t *testing.T) {
	memory := func(pages string) func(*Process) { return func(p *Process) { p.stat[24-3] = pages } }
	list := []Process{sample(t, 30, memory("9")), sample(t, 4, memory("100")), sample(t, 5, memory("100"))}
	for _, c := range []struct{ sort, want string }{
		{"pid", "4 5 30"}, {"-pid", "30 5 4"}, {"rss", "30 4 5"}, {"-rss,-pid", "5 4 30"}, {"+comm", "4 5 30"},
	} {
		got := strings.Join(strings.Fields(printed(t, list, "-o", "pid=", "--sort", c.sort)), " ")
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.sort, got, c.want)
		}
	}
	if got := strings.Join(strings.Fields(printed(t, list, "-o", "pid=")), " "); got != "4 5 30" {
		t.Errorf("without an order: %s", got)
	}
}

func TestForest(t *testing.T) {
	below := func(parent string) func(*Process) {
		return func(p *Process) { p.stat[4-3], p.name = parent, "p"+strconv.Itoa(p.PID) }
	}
	list := []Process{
		sample(t, 9, below("3")), sample(t, 3, below("1")), sample(t, 2, below("77")), sample(t, 1, below("0")),
		sample(t, 4, below("1")), sample(t, 5, below("4")), sample(t, 6, below("6")),
	}
	want := "p1\n \\_ p3\n | \\_ p9\n \\_ p4\n \\_ p5\np2\np6\n"
	for _, args := range [][]string{{"--forest", "-o", "comm="}, {"axf", "-o", "comm="}} {
		if got := printed(t, list, args...); got != want {
			t.Errorf("%q:\n%swant\n%s", args, got, want)
		}
	}
}

// TestHostileNames: a process cannot speak to the terminal of who looks at it.
func TestHostileNames(t *testing.T) {
	p := sample(t, 1, func(p *Process) {
		p.args = []string{"a\x1b[2J\nb", "\u009bX", "\xff"}
		p.name = "c\x07"
	})
	if got, want := printed(t, []Process{p}, "-o", "args=,comm="), "a?[2J?b ?X ? c?\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	zombie := sample(t, 1, func(p *Process) { p.args = nil; p.stat[0] = "Z" })
	if got, want := printed(t, []Process{zombie}, "-o", "args="), "[a) (b] <defunct>\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestSince(t *testing.T) {
	before := []Process{sample(t, 7), sample(t, 8)}
	now := []Process{
		sample(t, 7, func(p *Process) { p.stat[14-3] = "18050" }),
		sample(t, 8, func(p *Process) { p.stat[22-3] = "99"; p.stat[14-3] = "18050" }), // its number has been given to another
	}
	Since(before, now, time.Second)
	if got := strings.Fields(printed(t, now, "-o", "%cpu=")); strings.Join(got, " ") != "50.0 5.1" {
		t.Errorf("got %q", got)
	}
}

func TestTimes(t *testing.T) {
	now := time.Date(2026, 11, 21, 10, 30, 0, 0, time.UTC)
	for _, c := range []struct {
		got, want string
	}{
		{clock(59*time.Second, true), "00:00:59"}, {clock(59*time.Second, false), "00:59"},
		{clock(26*time.Hour, false), "1-02:00:00"}, {minutes(100 * time.Minute), "100:00"},
		{startTime(now.Add(-24*time.Hour), now), "Nov20"}, {startTime(now.Add(-365*24*time.Hour), now), "2025"},
		{startOfDay(now.Add(-25*time.Hour), now), "Nov 20"},
	} {
		if c.got != c.want {
			t.Errorf("%s, want %s", c.got, c.want)
		}
	}
}

func TestGoneProcess(t *testing.T) {
	done := exec.Command("true")
	if err := done.Run(); err != nil {
		t.Fatal(err)
	}
	if list, err := Read([]int{done.Process.Pid}); err != nil || len(list) != 0 {
		t.Errorf("got %v, %v", list, err)
	}
	var p Process
	for _, line := range []string{"", "1 sh R 2", "1 (sh) R 2"} {
		if err := p.parseStat([]byte(line)); err == nil || errors.Is(err, errGone) {
			t.Errorf("%q: %v", line, err)
		}
	}
}

// TestNamesArePrintable holds that what the host calls a user is no command for
// the terminal either: a broken file of users has whatever it has.
func TestNamesArePrintable(t *testing.T) {
	for name, want := range map[string]string{"root": "root", "\x1b[2J": "?[2J", "\x00\x00\x00\x00\x00\x00\x00\x00\x00": "???????+", "": "7"} {
		if got := cached(map[string]string{}, "7", func() (string, error) { return name, nil }); got != want {
			t.Errorf("%q is shown as %q, want %q", name, got, want)
		}
	}
}

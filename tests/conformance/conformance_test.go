package conformance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/tests/fixture"
	"berth/tests/ledger"
)

// TestConformance runs every program against berth, called runc. No more may
// fail than known.txt names, no program may check less than it does with a
// runtime that passes it, and nothing may be left behind.
func TestConformance(t *testing.T) {
	fixture.NeedRoot(t)
	where := kind(t)
	if where == "v1" {
		t.Skip("needs results of the established runtimes: no v2 or hybrid hierarchy here")
	}
	dir, names := programs(t)
	drivers := []string{"cgroupfs"}
	if systemd() {
		drivers = append(drivers, "systemd")
	}
	for _, driver := range drivers {
		t.Run(driver, func(t *testing.T) {
			fixture.Roots(t)
			s := suite{dir: dir, runtime: berthAs(t, driver)}
			for _, name := range names {
				if testing.Short() && !slices.Contains(few(driver), name) {
					continue
				}
				t.Run(name, func(t *testing.T) { judge(t, s, name, where) })
			}
		})
	}
}

// few are the programs of a -short run: what depends most on the kind of cgroup
// and on who makes it.
func few(driver string) []string {
	if driver == "systemd" {
		return []string{"default", "kill_no_effect", "linux_devices", "start"}
	}
	return []string{"create", "default", "hooks_stdin", "linux_seccomp", "linux_uid_mappings", "mounts", "state"}
}

// tries is how often a program may run before its failure counts, here and with
// the runtimes that berth is held against: some race with the container, such
// as killsig, whose shell may get the signal before it has set its trap.
const tries = 3

// judge runs one program in a ledger of its own.
func judge(t *testing.T, s suite, name, where string) {
	temp := tempDir(t)
	l := ledger.Take(t)
	for try := 1; ; try++ {
		began := time.Now()
		o, text := s.run(t, name, temp)
		t.Logf("try %d: %d passed, %d skipped, %d failed in %.1f s", try, o.passed, o.skipped, len(o.failed), time.Since(began).Seconds())
		wrong := unexpected(t, o, name, where)
		if len(wrong) == 0 {
			break
		}
		if try < tries {
			t.Logf("not ok, yet: %q", wrong)
			continue
		}
		for _, w := range wrong {
			t.Errorf("not ok: %s", w)
		}
		t.Log(text)
		break
	}
	if strings.HasPrefix(name, "linux_cgroups_relative_") {
		removeParents(t)
	}
	l.Check(t, 5*time.Second)
}

// removeParents removes the groups above those of the programs for relative
// paths, testdir/cgrouptest/container: they stay, as with runc and crun, because
// nobody can tell whose they are. A container's own group in them is a leak.
func removeParents(t *testing.T) {
	t.Helper()
	found, err := filepath.Glob("/sys/fs/cgroup/*/berth/testdir")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range append(found, "/sys/fs/cgroup/berth/testdir") {
		for _, d := range []string{filepath.Join(dir, "cgrouptest"), dir} {
			if err := os.Remove(d); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("remove the parents of a relative cgroup: %v", err)
			}
		}
	}
}

// unexpected lists what a program found that neither known.txt nor the results
// of the established runtimes explain.
func unexpected(t *testing.T, o outcome, name, where string) []string {
	t.Helper()
	var wrong []string
	list := readKnown(t)
	for _, check := range o.failed {
		if k := find(list, name, where, check); k != nil {
			t.Logf("fails as known: %s: %s", check, k.reason)
			continue
		}
		wrong = append(wrong, check)
	}
	for _, peer := range peers() {
		seen, ok := readResults(t, where, peer)[name]
		if ok && len(seen.failed) == 0 && o.passed < seen.passed {
			wrong = append(wrong, fmt.Sprintf("only %d checks passed, %d with %s", o.passed, seen.passed, peer))
		}
	}
	return wrong
}

// TestUnexpected: a check that fails without being known, and a program that
// checks less than it does with runc, are found.
func TestUnexpected(t *testing.T) {
	good := readResults(t, "hybrid", "runc")["default"]
	if good.passed == 0 || len(good.failed) > 0 {
		t.Fatalf("runc's result of default: %+v", good)
	}
	if wrong := unexpected(t, good, "default", "hybrid"); len(wrong) > 0 {
		t.Errorf("runc's own result: %q", wrong)
	}
	for name, o := range map[string]outcome{
		"fails":       {passed: good.passed, failed: []string{"has a file at /dev/null"}},
		"checks less": {passed: good.passed - 1},
		"dies":        {passed: good.passed, failed: []string{"(exit code 2)"}},
	} {
		if len(unexpected(t, o, "default", "hybrid")) == 0 {
			t.Errorf("%s: not found", name)
		}
	}
}

// tempDir is a folder that everybody may walk to, as in /tmp: a container in a
// user namespace has to.
func tempDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// systemd tells whether this machine's cgroups can be made by systemd.
func systemd() bool {
	_, err := os.Stat("/run/systemd/system")
	return err == nil && os.Getenv("CONFORMANCE_NO_SYSTEMD") == ""
}

// berthAs makes a folder in which berth is called runc, and returns the path to
// call. The programs cannot pass flags, so a script adds the driver's.
func berthAs(t *testing.T, driver string) string {
	t.Helper()
	dir := t.TempDir()
	runc := filepath.Join(dir, "runc")
	if err := os.Symlink(fixture.Berth(t), runc); err != nil {
		t.Fatal(err)
	}
	if driver == "cgroupfs" {
		return runc
	}
	return script(t, dir, fmt.Sprintf("exec %s --systemd-cgroup \"$@\"\n", runc))
}

func script(t *testing.T, dir, text string) string {
	t.Helper()
	path := filepath.Join(dir, "runtime")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestRecord writes what the runtime in CONFORMANCE_RECORD (runc, crun, berth or
// berth-systemd) does, three times over for the established ones, as lines for
// testdata/results; record.sh collects them.
func TestRecord(t *testing.T) {
	who := os.Getenv("CONFORMANCE_RECORD")
	if who == "" {
		t.Skip("by design: only record.sh asks for it")
	}
	fixture.NeedRoot(t)
	dir, names := programs(t)
	s, again, root := suite{dir: dir}, 1, ""
	switch who {
	case "berth":
		fixture.Roots(t)
		s.runtime = berthAs(t, "cgroupfs")
	case "berth-systemd":
		fixture.Roots(t)
		s.runtime = berthAs(t, "systemd")
	case "crun":
		again, s.away, s.v2only = tries, true, kind(t) != "v2"
		root = t.TempDir()
		s.runtime = script(t, t.TempDir(), fmt.Sprintf(crunScript, root))
	default:
		again, s.away, root = tries, true, t.TempDir()
		s.runtime = script(t, t.TempDir(), fmt.Sprintf("exec %s --root %s \"$@\"\n", fixture.NeedTool(t, who), root))
	}
	if os.Getenv("CONFORMANCE_TRIES") == "1" {
		again = 1
	}
	for _, name := range names {
		var best outcome
		for i := range again {
			o, _ := s.run(t, name, tempDir(t))
			s.sweep(t, who, root)
			if i == 0 || len(o.failed) < len(best.failed) {
				best = o
			}
			if len(best.failed) == 0 {
				break
			}
		}
		fmt.Printf("record\t%s\n", best.line(name))
	}
}

// sweep deletes what a program left behind with a peer.
func (s suite) sweep(t *testing.T, runtime, root string) {
	t.Helper()
	if root == "" {
		return
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		argv := s.argv(runtime, "--root", root, "delete", "--force", e.Name())
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			t.Logf("%s delete: %v: %s", runtime, err, out)
		}
	}
}

// crunScript makes the programs' configs ones that Debian's crun 1.8.1 takes: it
// refuses a newer ociVersion, and the rule that denies all devices, which it needs
// CAP_SYS_RESOURCE for.
const crunScript = `previous=
for word; do
	[ "$previous" != --bundle ] || config=$word/config.json
	previous=$word
done
if [ "$1" = create ] && [ -f "$config" ]; then
	sed -i -e 's/"ociVersion": "1\.[1-9][^"]*"/"ociVersion": "1.0.2"/' "$config"
	if ! capsh --has-p=cap_sys_resource 2>/dev/null; then
		tr -d '\n\t' <"$config" | sed 's/"devices": \[{"allow": false,"access": "rwm"}\]/"devices": []/' >"$config.new"
		mv "$config.new" "$config"
	fi
fi
exec crun --root %s "$@"
`

// TestTable holds docs/conformance.md against testdata/results.
func TestTable(t *testing.T) {
	top, err := fixture.Top()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(top, "docs/conformance.md")
	if os.Getenv("CONFORMANCE_UPDATE") != "" {
		if err := os.WriteFile(path, []byte(table(t)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) && top != "" && os.Getenv("CONFORMANCE_DIR") != "" {
		t.Skip("by design: the documents are not in the machine")
	}
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != table(t) {
		t.Errorf("docs/conformance.md is not what the results say: CONFORMANCE_UPDATE=1 go test ./tests/conformance -run TestTable")
	}
}

// columns are the runs that the table shows, in its order.
func columns() [][2]string {
	return [][2]string{
		{"hybrid", "runc"}, {"hybrid", "crun"}, {"hybrid", "berth"},
		{"v2", "runc"}, {"v2", "crun"}, {"v2", "berth"}, {"v2", "berth-systemd"},
	}
}

// pattern is an expression as known.txt has it, for a cell of a table.
func pattern(re *regexp.Regexp) string {
	return strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(re.String(), "^(?:"), ")$"), "|", "\\|")
}

// table is the text of docs/conformance.md.
func table(t *testing.T) string {
	t.Helper()
	head, err := os.ReadFile("testdata/table.md")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.Write(head)
	title, rule := "| program |", "|---|"
	var all []results
	var names []string
	for _, c := range columns() {
		r := readResults(t, c[0], c[1])
		all = append(all, r)
		for name := range r {
			names = append(names, name)
		}
		title += fmt.Sprintf(" %s, %s |", strings.Replace(c[1], "-", ", ", 1), c[0])
		rule += "---|"
	}
	slices.Sort(names)
	fmt.Fprintf(&b, "%s\n%s\n", title, rule)
	for _, name := range slices.Compact(names) {
		fmt.Fprintf(&b, "| %s |", name)
		for _, r := range all {
			o, ok := r[name]
			switch {
			case !ok:
				b.WriteString(" not run |")
			case len(o.failed) == 0:
				fmt.Fprintf(&b, " pass (%d) |", o.passed)
			default:
				fmt.Fprintf(&b, " **fail** (%d of %d) |", len(o.failed), len(o.failed)+o.passed)
			}
		}
		b.WriteString("\n")
	}
	b.WriteString("\n## What berth fails, and why\n\n| program | where | check | why |\n|---|---|---|---|\n")
	for _, k := range readKnown(t) {
		fmt.Fprintf(&b, "| `%s` | %s | `` %s `` | %s |\n", pattern(k.program), strings.Replace(k.where, "*", "everywhere", 1), pattern(k.check), k.reason)
	}
	return b.String()
}

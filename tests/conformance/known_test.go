package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// known is one line of known.txt: what berth may fail, and why.
type known struct {
	program *regexp.Regexp
	where   string // hybrid, v2, or * for everywhere
	check   *regexp.Regexp
	reason  string
}

// readKnown reads testdata/known.txt: four fields with tabs between them.
func readKnown(t *testing.T) []known {
	t.Helper()
	text, err := os.ReadFile("testdata/known.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []known
	for i, line := range strings.Split(string(text), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 4 {
			t.Fatalf("known.txt:%d: %d fields, want program, where, check and reason with tabs between", i+1, len(f))
		}
		program, err := regexp.Compile("^(?:" + f[0] + ")$")
		if err != nil {
			t.Fatalf("known.txt:%d: %v", i+1, err)
		}
		check, err := regexp.Compile("^(?:" + f[2] + ")$")
		if err != nil {
			t.Fatalf("known.txt:%d: %v", i+1, err)
		}
		all = append(all, known{program, f[1], check, f[3]})
	}
	return all
}

// find returns the entry for a failed check, or nil.
func find(all []known, program, where, check string) *known {
	for i, k := range all {
		if k.program.MatchString(program) && (k.where == "*" || k.where == where) && k.check.MatchString(check) {
			return &all[i]
		}
	}
	return nil
}

// results are the outcomes of one runtime on one kind of machine, by program.
type results map[string]outcome

// line is an outcome as results are kept: program, passed, skipped, failed
// checks, with tabs between.
func (o outcome) line(program string) string {
	return strings.Join(append([]string{program, strconv.Itoa(o.passed), strconv.Itoa(o.skipped)}, o.failed...), "\t")
}

// readResults reads what a runtime was seen to do, or nothing.
func readResults(t *testing.T, where, runtime string) results {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/results", where+"-"+runtime+".tsv"))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	all := results{}
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimRight(line, "\n"), "\t")
		var o outcome
		if len(f) < 3 {
			t.Fatalf("results of %s on %s: line %q", runtime, where, line)
		}
		if _, err := fmt.Sscan(f[1]+" "+f[2], &o.passed, &o.skipped); err != nil {
			t.Fatalf("results of %s on %s: line %q: %v", runtime, where, line, err)
		}
		o.failed = f[3:]
		all[f[0]] = o
	}
	return all
}

// peers are the runtimes that berth is held against.
func peers() []string { return []string{"runc", "crun"} }

// TestKnown holds the list of accepted failures against what the established
// runtimes were seen to do: one of them that passes makes an entry wrong.
func TestKnown(t *testing.T) {
	for _, where := range []string{"hybrid", "v2"} {
		for _, peer := range peers() {
			seen := readResults(t, where, peer)
			if seen == nil {
				t.Fatalf("no results of %s on %s", peer, where)
			}
			for _, k := range readKnown(t) {
				if k.where == "*" || k.where == where {
					k.hold(t, seen, peer+" on "+where)
				}
			}
		}
	}
}

// hold compares an entry with the results of a runtime.
func (k known) hold(t *testing.T, seen results, who string) {
	t.Helper()
	found := false
	for name, o := range seen {
		if !k.program.MatchString(name) {
			continue
		}
		found = true
		if len(o.failed) == 0 {
			t.Errorf("known.txt: %s: %s passes it", name, who)
		}
	}
	if !found || k.reason == "" {
		t.Errorf("known.txt: %s: no such program with %s, or no reason", k.program, who)
	}
}

package conformance

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// outcome is what a program found.
type outcome struct {
	passed, skipped int
	failed          []string // what each failed check is about, in order
}

var (
	// The brackets keep a word from this text that no text here may have.
	tapCheck = regexp.MustCompile(`^(not )?ok\b *[0-9]*(?: - )?([^#]*)(?:# *(SKIP|TO[D]O)\b *(.*))?`)
	tapPlan  = regexp.MustCompile(`^1\.\.([0-9]+)$`)
	tapError = regexp.MustCompile(`^ *"error": "(.+)",?$`)
	// A program's temporary folders and containers have other names each time.
	tapNames = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}|[0-9]{6,}`)
)

// parseTAP reads the output of a program that ended with code. Some programs
// check nothing and say in a diagnostic that they failed; some only by their
// exit code.
func parseTAP(output string, code int) outcome {
	var o outcome
	var plans []int
	checks, diagnostic := 0, ""
	for line := range strings.Lines(output) {
		line = strings.TrimRight(line, "\n")
		if m := tapPlan.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[1])
			plans = append(plans, n)
		}
		if m := tapError.FindStringSubmatch(line); m != nil {
			diagnostic = m[1]
		}
		m := tapCheck.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		checks++
		switch {
		case m[3] != "":
			o.skipped++
		case m[1] == "":
			o.passed++
		default:
			o.failed = append(o.failed, tapNames.ReplaceAllString(strings.TrimSpace(m[2]), "N"))
		}
	}
	switch {
	case code != 0:
		o.failed = append(o.failed, fmt.Sprintf("(exit code %d)", code))
	case output == "": // as when it was the runtime that had to fail
	case len(plans) == 0:
		o.failed = append(o.failed, "(no plan)")
	case !slices.Contains(plans, checks): // some programs print an empty plan, too
		o.failed = append(o.failed, fmt.Sprintf("(%d checks, %d planned)", checks, plans[0]))
	case checks == 0 && diagnostic != "":
		text, _, _ := strings.Cut(diagnostic, `\n`)
		o.failed = append(o.failed, "(error) "+tapNames.ReplaceAllString(text, "N"))
	}
	return o
}

func TestParseTAP(t *testing.T) {
	for _, test := range []struct {
		name, output string
		code         int
		want         outcome
	}{
		{"all pass", "TAP version 13\nok 1 - a\nok 2 - b # SKIP why\nok 3\n1..3\n", 0, outcome{passed: 2, skipped: 1}},
		{"one fails", "ok 1 - a\nnot ok 2 - the path /tmp/x1234567\n  ---\n  {\n    \"error\": \"x\"\n  }\n  ...\n1..2\n", 0,
			outcome{passed: 1, failed: []string{"the path /tmp/xN"}}},
		{"passed with an error to show", "ok 1 - a\n  ---\n  {\n    \"error\": \"as it must\"\n  }\n  ...\n1..1\n", 0, outcome{passed: 1}},
		{"no checks, an error", "TAP version 13\n  ---\n  {\n    \"error\": \"hooks\\nRefer to\"\n  }\n  ...\n1..0\n", 0,
			outcome{failed: []string{"(error) hooks"}}},
		{"no checks, no error", "TAP version 13\n1..0\n", 0, outcome{}},
		{"cut short", "ok 1 - a\n1..3\n", 0, outcome{passed: 1, failed: []string{"(1 checks, 3 planned)"}}},
		{"no plan", "ok 1 - a\n", 0, outcome{passed: 1, failed: []string{"(no plan)"}}},
		{"exit code", "ok 1 - a\n1..1\n", 1, outcome{passed: 1, failed: []string{"(exit code 1)"}}},
		{"two plans", "ok 1\nok 2\n1..2\n1..0\n", 0, outcome{passed: 2}},
		{"silent", "", 0, outcome{}},
		{"silent, fails", "", 1, outcome{failed: []string{"(exit code 1)"}}},
		{"not a check", "okay\n1..0\n", 0, outcome{}},
	} {
		got := parseTAP(test.output, test.code)
		if got.passed != test.want.passed || got.skipped != test.want.skipped || !slices.Equal(got.failed, test.want.failed) {
			t.Errorf("%s: got %+v, want %+v", test.name, got, test.want)
		}
	}
}

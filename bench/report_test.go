package main

import (
	"errors"
	"strings"
	"testing"
)

func TestSmallestLimit(t *testing.T) {
	const grain, mib = 64 << 10, 1 << 20
	tests := map[string]struct {
		floor, needs, want int64
	}{
		"on a grain":           {1 << 10, mib, mib},
		"between two":          {1 << 10, mib + 1, mib + grain},
		"below one grain":      {1 << 10, 1, grain},
		"at the top":           {1 << 10, limitTop, limitTop},
		"nothing below floor":  {6 * mib, mib, 6 * mib},
		"something above that": {6 * mib, 6*mib + grain, 6*mib + grain},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := smallestLimit(test.floor, limitTop, func(bytes int64) error {
				if bytes < test.floor {
					t.Errorf("tried %d, below the floor", bytes)
				}
				if bytes < test.needs {
					return errors.New("killed")
				}
				return nil
			})
			if err != nil || got != test.want {
				t.Errorf("got %d, %v, want %d", got, err, test.want)
			}
		})
	}
}

func TestSmallestLimitNeedsEveryTry(t *testing.T) {
	tries := 0
	_, err := smallestLimit(1<<10, limitTop, func(int64) error {
		if tries++; tries == limitTries {
			return errors.New("killed")
		}
		return nil
	})
	if err == nil || err.Error() != "killed" {
		t.Errorf("a top that fails once in %d gave %v", limitTries, err)
	}
}

func TestParsePrivateDirty(t *testing.T) {
	const captured = `00400000-7ffe4a5f9000 ---p 00000000 00:00 0                          [rollup]
Rss:                8340 kB
Pss:                4911 kB
Pss_Dirty:          2372 kB
Private_Clean:       528 kB
Private_Dirty:      2368 kB
Referenced:         8340 kB
`
	if got, err := parsePrivateDirty(captured); err != nil || got != 2368<<10 {
		t.Errorf("got %d, %v", got, err)
	}
	for _, text := range []string{"", "\nPss_Dirty: 4 kB\n", "\nPrivate_Dirty: kB\n"} {
		if got, err := parsePrivateDirty(text); err == nil {
			t.Errorf("%q gave %d", text, got)
		}
	}
}

// sample is a report with the medians that a test names.
func sample(medians map[string]float64) *Report {
	r := &Report{Rows: []Row{
		{Section: sectionMemory, Name: rowBerth, Bytes: maxIdle},
		{Section: sectionLimit, Name: rowBerth, Bytes: minLimit},
		{Section: sectionLimit, Name: "crun", Absent: "no controller"},
	}}
	sections := map[string]string{rowVersion: sectionVersion, rowEmpty: sectionVersion, "list": sectionList}
	for name, median := range medians {
		section := sections[name]
		if oci, ok := strings.CutPrefix(name, "oci: "); ok {
			section, name = sectionOCIRun, oci
		}
		if section == "" {
			section = sectionStart
		}
		r.Rows = append(r.Rows, Row{Section: section, Name: name, Summary: Summary{Runs: 1, Min: median, Median: median, P90: median}})
	}
	r.relate()
	r.judge()
	r.judgeEngines("list")
	return r
}

func verdicts(r *Report) string {
	var all []string
	for _, t := range r.Targets {
		all = append(all, t.verdict())
	}
	return strings.Join(all, " ")
}

func TestJudge(t *testing.T) {
	good := func() map[string]float64 {
		return map[string]float64{
			rowBerthRun: 4, rowBerthOpen: 3.9, rowCrun: 8, rowCrunOpen: 4, "runc run": 12,
			"podman run --rm --network none": 150, "docker run --rm --network none": 200,
			rowVersion: 3.5, rowEmpty: 1, "list": 50,
			"oci: berth oci run": 8.8, "oci: crun run": 8, "oci: runc run": 17.6,
		}
	}
	tests := map[string]struct {
		change map[string]float64
		want   string
	}{
		"all at their limits":         {nil, "met met met met met met met met met met met met"},
		"as fast as runc is no win":   {map[string]float64{"runc run": 4}, "met met met met met MISSED met met met met met met"},
		"slow start":                  {map[string]float64{rowBerthRun: 5.21}, "met met met met MISSED met met met met met met met"},
		"slow without filter":         {map[string]float64{rowBerthOpen: 5.21}, "met met met MISSED met met met met met met met met"},
		"slow version":                {map[string]float64{rowVersion: 3.6}, "met met met met met met met met MISSED met met met"},
		"slow list":                   {map[string]float64{"list": 50.1}, "met met met met met met met met met met met MISSED"},
		"slower than crun by a fifth": {map[string]float64{"oci: berth oci run": 9.6, "oci: runc run": 20}, "MISSED met met met met met met met met met met met"},
		"half of runc is not enough":  {map[string]float64{"oci: runc run": 17.5}, "met MISSED met met met met met met met met met met"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			medians := good()
			for row, median := range test.change {
				medians[row] = median
			}
			if got := verdicts(sample(medians)); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// TestJudgeUnknown: what was not measured is neither met nor missed.
func TestJudgeUnknown(t *testing.T) {
	r := sample(map[string]float64{rowBerthRun: 4})
	if got, want := verdicts(r), "? ? ? ? ? ? ? ? ? met met ?"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !strings.Contains(r.Targets[0].Found, "crun run was left out") {
		t.Errorf("no reason: %q", r.Targets[0].Found)
	}
}

func TestPrint(t *testing.T) {
	r := sample(map[string]float64{rowBerthRun: 4, rowCrun: 8, rowCrunOpen: 5, rowVersion: 2, rowEmpty: 1})
	r.Leaks = "a mount"
	var out strings.Builder
	r.print(&out)
	for _, want := range []string{
		"4.00    4.00  4.00    0.50               0.80  " + rowBerthRun,
		"2.00  " + rowVersion,
		"left out: crun: no controller",
		"4096 KiB  berth",
		"met    berth run --rm --network none takes at most 1.3 x crun run: 0.50",
		"left behind:\na mount",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "WARNING") {
		t.Error("a warning about an idle machine")
	}
	for _, busy := range []Machine{{LoadBefore: 1.5}, {LoadAfter: 2.6}} {
		r.Machine = busy
		out.Reset()
		if r.print(&out); !strings.Contains(out.String(), "WARNING: the machine was busy") {
			t.Errorf("no warning with load %.1f before and %.1f after", busy.LoadBefore, busy.LoadAfter)
		}
	}
}

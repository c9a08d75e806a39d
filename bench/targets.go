package main

import "fmt"

// Row names that targets ask for.
const (
	rowBerthRun  = "berth run --rm --network none"
	rowCrun      = "crun run"
	rowCrunOpen  = "crun run, no seccomp filter"
	rowBerthOpen = "berth run --rm --network none, no seccomp filter"
	rowVersion   = "berth --version"
	rowEmpty     = "empty Go program"
	rowBerth     = "berth"
	rowBerthPull = "berth pull"
)

// What berth promises, in the units of the rows.
const (
	maxStartRatio   = 1.3 // to crun on a ready bundle
	maxOCIRatio     = 1.1 // to crun, as an OCI runtime
	maxRuncRatio    = 0.5 // to runc
	maxVersionRatio = 3.5 // to an empty Go program
	maxIdle         = 4 << 20
	maxList         = 50.0 // ms
	minLimit        = 1 << 20
	minPullGain     = 1.5 // of the best peer's time for several layers
	maxPull         = 150 << 20
)

// Target is a promise and what the run found. Found without Known says why
// nothing is known.
type Target struct {
	Name  string `json:"name"`
	Found string `json:"found"`
	Known bool   `json:"known"`
	Met   bool   `json:"met"`
}

func (t Target) verdict() string {
	switch {
	case !t.Known:
		return "?"
	case t.Met:
		return "met"
	}
	return "MISSED"
}

// judge holds the rows of the OCI runtimes against the promises.
func (r *Report) judge() {
	run := berthOCI + ociRun
	r.Targets = []Target{
		r.atMost(sectionOCIRun, run, "crun"+ociRun, maxOCIRatio),
		r.atMost(sectionOCIRun, run, "runc"+ociRun, maxRuncRatio),
	}
}

// judgeEngines holds all other rows against the promises.
func (r *Report) judgeEngines(listRow string) {
	r.Targets = append(r.Targets, []Target{
		r.atMost(sectionStart, rowBerthRun, rowCrun, maxStartRatio),
		r.atMost(sectionStart, rowBerthOpen, rowCrunOpen, maxStartRatio),
		// The hardest reading of the promise: crun does less than berth here.
		r.atMost(sectionStart, rowBerthRun, rowCrunOpen, maxStartRatio),
		r.faster("runc run"),
		r.faster("podman run --rm --network none"),
		r.faster("docker run --rm --network none"),
		r.atMost(sectionVersion, rowVersion, rowEmpty, maxVersionRatio),
		r.small(sectionMemory, rowBerth, maxIdle),
		r.small(sectionLimit, rowBerth, minLimit),
	}...)
	list := r.row(sectionList, listRow)
	r.Targets = append(r.Targets, Target{
		Name: fmt.Sprintf("%s takes at most %.0f ms", listRow, maxList), Known: list.Runs > 0,
		Met: list.Median <= maxList, Found: found(list, fmt.Sprintf("%.1f ms", list.Median)),
	})
}

// judgePulls holds the pulls against the promises: images of several layers come
// at least minPullGain times as fast as to the best peer, all others not slower.
func (r *Report) judgePulls(images []pullImage) {
	for _, image := range images {
		section := image.section()
		row := r.row(section, rowBerthPull)
		gain, wanted := 0.0, 1.0
		if row.Ratio > 0 {
			gain = 1 / row.Ratio
		}
		if image.layers > 1 {
			wanted = minPullGain
		}
		r.Targets = append(r.Targets, Target{
			Name: fmt.Sprintf("%s %s is at least %.1f x as fast as the best peer", rowBerthPull, image.name, wanted), Known: gain > 0,
			Met: gain >= wanted, Found: found(row, fmt.Sprintf("%.2f x as fast as %s", gain, r.bestPeer(section).Name)),
		}, Target{
			Name: fmt.Sprintf("%s %s has at most %d MiB of memory", rowBerthPull, image.name, maxPull>>20), Known: row.Bytes > 0,
			Met: row.Bytes > 0 && row.Bytes < maxPull, Found: found(row, fmt.Sprintf("%d MiB", row.Bytes>>20)),
		})
	}
}

// bestPeer is the fastest row of a section that is not berth's.
func (r *Report) bestPeer(section string) Row {
	best := Row{Section: section, Name: "nobody"}
	for _, row := range r.Rows {
		if row.Section == section && row.Name != rowBerthPull && row.Runs > 0 && (best.Runs == 0 || row.Median < best.Median) {
			best = row
		}
	}
	return best
}

func (r *Report) atMost(section, name, base string, most float64) Target {
	a, b := r.row(section, name), r.row(section, base)
	x := ratio(a.Summary, b.Summary)
	return Target{
		Name: fmt.Sprintf("%s takes at most %.1f x %s", name, most, base), Known: x > 0, Met: x > 0 && x <= most,
		Found: found(b, found(a, fmt.Sprintf("%.2f", x))),
	}
}

func (r *Report) faster(base string) Target {
	a, b := r.row(sectionStart, rowBerthRun), r.row(sectionStart, base)
	x := ratio(a.Summary, b.Summary)
	return Target{
		Name: "berth is faster than " + base, Known: x > 0, Met: x > 0 && x < 1,
		Found: found(b, found(a, fmt.Sprintf("%.2f of its time", x))),
	}
}

func (r *Report) small(section, name string, most int64) Target {
	row := r.row(section, name)
	return Target{
		Name:  fmt.Sprintf("%s: at most %d KiB for %s", section, most>>10, name),
		Known: row.Bytes > 0, Met: row.Bytes > 0 && row.Bytes <= most,
		Found: found(row, fmt.Sprintf("%d KiB", row.Bytes>>10)),
	}
}

// found is the text, or why there is none.
func found(row Row, text string) string {
	if row.Absent != "" {
		return row.Name + " was left out"
	}
	return text
}

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Row is one line of the report: times, or a size, or why there is neither.
type Row struct {
	Section string `json:"section"`
	Name    string `json:"name"`
	Summary
	// Ratio is to the base of the row's section, by medians; 0 is none. Where
	// containers are started there is a second base, which OpenRatio is to.
	Ratio     float64 `json:"ratio,omitempty"`
	OpenRatio float64 `json:"open_ratio,omitempty"`
	Bytes     int64   `json:"bytes,omitempty"`
	Note      string  `json:"note,omitempty"`
	Absent    string  `json:"absent,omitempty"`
}

// Report is what one run found out. Its JSON form is what -json writes.
type Report struct {
	Machine Machine  `json:"machine"`
	Rounds  int      `json:"rounds"`
	Seed    int64    `json:"seed"`
	Rows    []Row    `json:"rows"`
	Targets []Target `json:"targets"`
	Leaks   string   `json:"leaks,omitempty"`
}

const (
	sectionMemory = "private memory of what stays with an idle detached container"
	sectionLimit  = "smallest memory limit under which true runs"
)

// Load averages above which others were at work: the comparison itself, with
// the daemons it starts, makes up to two.
const (
	quietBefore = 1.0
	quietAfter  = 2.5
)

// bases are the rows whose median the others of a section are divided by.
func bases() map[string]string {
	return map[string]string{
		sectionStart:   rowCrun,
		sectionExec:    "crun exec",
		sectionVersion: rowEmpty,

		sectionOCIRun:    "crun" + ociRun,
		sectionOCICreate: "crun" + ociCreate,
		sectionOCIExec:   "crun" + ociExec,
	}
}

// row finds a measured row, or one with nothing in it.
func (r *Report) row(section, name string) Row {
	for _, row := range r.Rows {
		if row.Section == section && row.Name == name {
			return row
		}
	}
	return Row{Section: section, Name: name, Absent: "no such row"}
}

// relate fills in the ratios.
func (r *Report) relate() {
	for i := range r.Rows {
		row := &r.Rows[i]
		if base, ok := bases()[row.Section]; ok {
			row.Ratio = ratio(row.Summary, r.row(row.Section, base).Summary)
		}
		if hasOpen(row.Section) {
			row.OpenRatio = ratio(row.Summary, r.row(row.Section, rowCrunOpen).Summary)
		}
		if strings.HasPrefix(row.Section, sectionPull) {
			row.Ratio = ratio(row.Summary, r.bestPeer(row.Section).Summary)
		}
	}
}

func (r *Report) print(out io.Writer) {
	m := r.Machine
	fmt.Fprintf(out, "%s, %d CPUs (%s), Linux %s, cgroup %s, %s below %s\n",
		m.Date, m.CPUs, m.Model, m.Kernel, m.Cgroup, m.Filesystem, m.Disk)
	fmt.Fprintf(out, "%s\n", strings.Join(m.Versions, ", "))
	fmt.Fprintf(out, "%d rounds, seed %d, load %.2f before and %.2f after\n", r.Rounds, r.Seed, m.LoadBefore, m.LoadAfter)
	if m.LoadBefore > quietBefore || m.LoadAfter > quietAfter {
		fmt.Fprintf(out, "WARNING: the machine was busy: compare ratios with care and times not at all\n")
	}
	for _, section := range r.sections() {
		r.printSection(out, section)
	}
	fmt.Fprintln(out, "\ntargets")
	for _, t := range r.Targets {
		fmt.Fprintf(out, "  %-6s %s: %s\n", t.verdict(), t.Name, t.Found)
	}
	if r.Leaks != "" {
		fmt.Fprintf(out, "\nleft behind:\n%s\n", r.Leaks)
	}
}

// sections is the order in which they are printed.
func (r *Report) sections() []string {
	all := []string{sectionOCIRun, sectionOCICreate, sectionOCIExec, sectionStart, sectionExec, sectionVersion, sectionMemory, sectionLimit, sectionList}
	for _, row := range r.Rows {
		if strings.HasPrefix(row.Section, sectionPull) && !slices.Contains(all, row.Section) {
			all = append(all, row.Section)
		}
	}
	return all
}

// hasOpen tells whether a section has crun without a filter for a second base.
func hasOpen(section string) bool { return section == sectionStart || section == sectionOCIRun }

func (r *Report) printSection(out io.Writer, section string) {
	if !slices.ContainsFunc(r.Rows, func(row Row) bool { return row.Section == section }) {
		return
	}
	fmt.Fprintf(out, "\n%s\n", section)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	timed, pull := section != sectionMemory && section != sectionLimit, strings.HasPrefix(section, sectionPull)
	switch {
	case pull:
		fmt.Fprintf(w, "min ms\tmedian\tp90\tx best peer\tpeak memory\t\n")
	case hasOpen(section):
		fmt.Fprintf(w, "min ms\tmedian\tp90\tx crun\tx crun, no filter\t\n")
	case timed:
		fmt.Fprintf(w, "min ms\tmedian\tp90\t%s\t\n", strings.TrimSuffix("x "+bases()[section], "x "))
	}
	var absent []Row
	for _, row := range r.Rows {
		if row.Section != section {
			continue
		}
		if row.Absent != "" {
			absent = append(absent, row)
			continue
		}
		switch {
		case pull:
			fmt.Fprintf(w, "%.0f\t%.0f\t%.0f\t%s\t%d MiB\t", row.Min, row.Median, row.P90, times(row.Ratio), row.Bytes>>20)
		case timed:
			fmt.Fprintf(w, "%.2f\t%.2f\t%.2f\t%s\t", row.Min, row.Median, row.P90, times(row.Ratio))
		default:
			fmt.Fprintf(w, "%d KiB\t", row.Bytes>>10)
		}
		if hasOpen(section) {
			fmt.Fprintf(w, "%s\t", times(row.OpenRatio))
		}
		fmt.Fprintf(w, "  %s\n", strings.TrimSpace(row.Name+"  "+row.Note))
	}
	w.Flush()
	for _, row := range absent {
		fmt.Fprintf(out, "  left out: %s: %s\n", row.Name, row.Absent)
	}
}

func times(ratio float64) string {
	if ratio == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", ratio)
}

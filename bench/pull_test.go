package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pulls is a report of one image with the medians of berth and of two peers.
func pulls(layers int, berth, podman, docker float64, memory int64) (*Report, pullImage) {
	image := pullImage{name: "app", what: "an image", layers: layers}
	r := &Report{}
	for i, median := range []float64{berth, podman, docker} {
		row := Row{Section: image.section(), Name: []string{rowBerthPull, "podman pull", "docker pull"}[i], Bytes: memory}
		if row.Summary = (Summary{Runs: 1, Min: median, Median: median, P90: median}); median == 0 {
			row.Summary, row.Bytes, row.Absent = Summary{}, 0, "not installed"
		}
		r.Rows = append(r.Rows, row)
	}
	r.relate()
	r.judgePulls([]pullImage{image})
	return r, image
}

func TestJudgePulls(t *testing.T) {
	tests := map[string]struct {
		layers                int
		berth, podman, docker float64
		memory                int64
		want, found           string
	}{
		"one layer, as fast":         {1, 100, 100, 200, 1 << 20, "met met", "1.00 x as fast as podman pull"},
		"one layer, slower":          {1, 101, 200, 100, 1 << 20, "MISSED met", "0.99 x as fast as docker pull"},
		"layers, fast enough":        {3, 100, 150, 200, 1 << 20, "met met", "1.50 x as fast as podman pull"},
		"layers, not fast enough":    {3, 100, 149, 200, 1 << 20, "MISSED met", "1.49 x as fast as podman pull"},
		"too much memory":            {3, 100, 150, 200, 150 << 20, "met MISSED", "1.50"},
		"a peer that was left out":   {3, 100, 0, 160, 1 << 20, "met met", "1.60 x as fast as docker pull"},
		"nobody to compare with":     {3, 100, 0, 0, 1 << 20, "? met", "nobody"},
		"berth itself was not there": {3, 0, 100, 100, 1 << 20, "? ?", "berth pull was left out"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r, _ := pulls(test.layers, test.berth, test.podman, test.docker, test.memory)
			if got := verdicts(r); got != test.want || !strings.Contains(r.Targets[0].Found, test.found) {
				t.Errorf("got %s, %q; want %s, %q", got, r.Targets[0].Found, test.want, test.found)
			}
		})
	}
}

func TestPrintPulls(t *testing.T) {
	r, _ := pulls(3, 1000, 2500, 2000, 64<<20)
	var out strings.Builder
	r.print(&out)
	for _, want := range []string{
		"pull of app, an image\n",
		"1000    1000  1000         0.50       64 MiB  berth pull\n",
		"2500    2500  2500         1.25       64 MiB  podman pull\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in:\n%s", want, out.String())
		}
	}
}

func TestWants(t *testing.T) {
	count := func(o options) (n int) {
		for _, image := range pullImages() {
			if o.wants(image) {
				n++
			}
		}
		return n
	}
	all := len(pullImages())
	for name, test := range map[string]struct {
		flags options
		want  int
	}{
		"all": {options{}, all}, "short": {options{short: true}, all - 1},
		"two": {options{images: "debian,big", short: true}, 2}, "none of them": {options{images: "deb"}, 0},
	} {
		if got := count(test.flags); got != test.want {
			t.Errorf("%s: %d images, want %d", name, got, test.want)
		}
	}
}

// TestPuller: a pull counts with its time and memory, and the image is removed
// after it and after the check.
func TestPuller(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	p := &puller{base: shell(newTestLauncher(t), `echo "$0 $1" >>`+log+`; sleep 0.02; [ "$1" != bad ]`),
		pull: []string{"pull"}, remove: []string{"remove"},
		daemons: func() map[string]int { return map[string]int{"this": os.Getpid()} }}
	if err := p.check("good"); err != nil {
		t.Fatal(err)
	}
	r, err := p.once(&workspace{disk: dir}, "good")
	if err != nil || r.wall < 20*time.Millisecond {
		t.Errorf("got %+v, %v", r, err)
	}
	// A shell and this very test.
	if r.peak < 2<<20 || r.peak > 2<<30 {
		t.Errorf("peak memory %d", r.peak)
	}
	text, err := os.ReadFile(log)
	if want := "pull good\nremove good\n"; err != nil || string(text) != want+want {
		t.Errorf("ran %q, %v", text, err)
	}
	if _, err := p.once(&workspace{disk: dir}, "bad"); err == nil {
		t.Error("a pull that failed was timed")
	}
	if err := p.check("bad"); err == nil {
		t.Error("a pull that failed was checked")
	}
}

func TestPeakMemoryOfNobody(t *testing.T) {
	if _, err := peakMemory(1 << 30); err == nil {
		t.Error("a process that is not there has memory")
	}
}

package tests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"berth/tests/fixture"
)

// Budgets of a start, which every command and container pays. They only fall,
// unless a feature cannot do without a library. Times are shares of an empty Go
// program's start, measured beside it: a millisecond means another thing on each
// machine, and on one machine from hour to hour.
const (
	startRatio   = 3.5  // berth --version against an empty Go program, medians
	packageShare = 0.04 // initialising any one package
	// Initialising all packages together: 0.38 on a quiet machine, 0.1 of it for what
	// registries are asked with, and half as much again on a busy one.
	allPackageShare = 0.65
	// Allocations of all packages' initialisation. Of the 419 counted, 112 came with
	// what registries are asked with: net/http, crypto/tls and the curves below it.
	packageAllocs = 430
)

// dearer are packages known to take more: the command line parser, and a
// checksum table of the zstd library. The list only gets shorter.
func dearer() map[string]float64 {
	return map[string]float64{
		"github.com/urfave/cli/v2":                       0.12,
		"github.com/klauspost/compress/internal/snapref": 0.20,
	}
}

// standard are packages of the Go library whose initialisation is not ours to
// make cheaper and which nearly every program has.
var standard = regexp.MustCompile(`^(internal/|runtime|errors|sync|syscall|os|io|time|unicode|reflect|context|path|strconv|fmt|encoding/|net|vendor/|crypto/|math|hash|compress/|text/|log|bufio|sort|strings|bytes|iter|unique|maps|slices|mime|html|go/|archive/|testing|flag|regexp)`)

// TestPackageInit reads GODEBUG=inittrace=1. A busy machine only ever adds to a
// time, so the smallest of each package counts, and more rounds are run as long
// as something is over its budget.
func TestPackageInit(t *testing.T) {
	if os.Getenv("BERTH_VM") != "" {
		t.Skip("by design: an emulated machine has no times to compare")
	}
	trace := &initTrace{berth: fixture.Berth(t), empty: buildEmpty(t), best: map[string]float64{}}
	var over []string
	for range 10 {
		trace.round(t, 15)
		if over = trace.over(); len(over) == 0 {
			break
		}
	}
	t.Logf("%d packages, %d allocations, %.3f ms, %.3f of an empty program's %.3f ms",
		len(trace.best), trace.allocs, trace.total(), trace.total()/trace.start, trace.start)
	for _, what := range over {
		t.Error(what)
	}
}

// initTrace holds what the runtime says of each package's initialisation.
type initTrace struct {
	berth, empty string
	best         map[string]float64 // ms, of each package
	start        float64            // ms, an empty program's shortest
	allocs       int
}

// round runs berth and the empty program n times, one after the other.
func (i *initTrace) round(t *testing.T, n int) {
	t.Helper()
	line := regexp.MustCompile(`(?m)^init (\S+) @[0-9.]+ ms, ([0-9.]+) ms clock, [0-9]+ bytes, ([0-9]+) allocs`)
	for range n {
		if ms := float64(timed(t, i.empty).Nanoseconds()) / 1e6; i.start == 0 || ms < i.start {
			i.start = ms
		}
		run := exec.Command(i.berth, "--version")
		run.Env = append(os.Environ(), "GODEBUG=inittrace=1")
		out, err := run.CombinedOutput()
		if err != nil {
			t.Fatalf("berth --version: %v\n%s", err, out)
		}
		found := line.FindAllStringSubmatch(string(out), -1)
		if len(found) == 0 {
			t.Fatalf("no package in the trace:\n%s", out)
		}
		i.allocs = 0
		for _, m := range found {
			// This one reads the setting that asks for the trace: only a traced
			// program pays for it.
			if m[1] == "internal/godebug" {
				continue
			}
			ms, err := strconv.ParseFloat(m[2], 64)
			if err != nil {
				t.Fatal(err)
			}
			if old, ok := i.best[m[1]]; !ok || ms < old {
				i.best[m[1]] = ms
			}
			allocs, err := strconv.Atoi(m[3])
			if err != nil {
				t.Fatal(err)
			}
			i.allocs += allocs
		}
	}
}

func (i *initTrace) total() float64 {
	total := 0.0
	for _, ms := range i.best {
		total += ms
	}
	return total
}

// over says what is over its budget so far.
func (i *initTrace) over() []string {
	var over []string
	for name, ms := range i.best {
		limit := max(packageShare, dearer()[name])
		if share := ms / i.start; share > limit && !standard.MatchString(name) {
			over = append(over, fmt.Sprintf("package %s takes %.3f of an empty program's start to initialise, at most %.3f", name, share, limit))
		}
	}
	if share := i.total() / i.start; share > allPackageShare {
		over = append(over, fmt.Sprintf("packages take %.3f of an empty program's start to initialise, at most %.3f", share, allPackageShare))
	}
	if i.allocs > packageAllocs {
		over = append(over, fmt.Sprintf("packages make %d allocations to initialise, at most %d", i.allocs, packageAllocs))
	}
	return over
}

// TestStartRatio compares medians of interleaved runs, so that a busy machine
// slows both sides down.
func TestStartRatio(t *testing.T) {
	if os.Getenv("BERTH_VM") != "" {
		t.Skip("by design: an emulated machine has no times to compare")
	}
	berth := fixture.Berth(t)
	empty := buildEmpty(t)
	var berths, empties []time.Duration
	for range 200 {
		empties = append(empties, timed(t, empty))
		berths = append(berths, timed(t, berth, "--version"))
	}
	b, e := median(berths), median(empties)
	ratio := float64(b) / float64(e)
	t.Logf("berth --version %s, an empty program %s: %.2f times", b, e, ratio)
	if ratio > startRatio {
		t.Errorf("berth --version takes %.2f times an empty Go program, at most %.1f", ratio, startRatio)
	}
}

// buildEmpty builds the measure: a Go program that does nothing, without cgo.
func buildEmpty(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":  "module empty\n\ngo 1.26.0\n",
		"main.go": "package main\n\nfunc main() {}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", "empty", ".")
	build.Dir, build.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build an empty program: %v\n%s", err, out)
	}
	return filepath.Join(dir, "empty")
}

func timed(t *testing.T, name string, args ...string) time.Duration {
	t.Helper()
	run := exec.Command(name, args...)
	begun := time.Now()
	if err := run.Run(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return time.Since(begun)
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

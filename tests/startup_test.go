package tests

import (
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
// unless a feature cannot do without a library.
const (
	startRatio     = 3.5  // berth --version against an empty Go program
	packageInit    = 0.05 // ms, any one package
	allPackageInit = 0.75 // ms, all packages together: 0.6 before D-Bus and netlink
)

// dearer are packages known to take more, in ms: the command line parser, and a
// checksum table of the zstd library. The list only gets shorter.
func dearer() map[string]float64 {
	return map[string]float64{
		"github.com/urfave/cli/v2":                       0.15,
		"github.com/klauspost/compress/internal/snapref": 0.25,
	}
}

// standard are packages of the Go library whose initialisation is not ours to
// make cheaper and which nearly every program has.
var standard = regexp.MustCompile(`^(internal/|runtime|errors|sync|syscall|os|io|time|unicode|reflect|context|path|strconv|fmt|encoding/|net|vendor/|crypto/|math|hash|compress/|text/|log|bufio|sort|strings|bytes|iter|unique|maps|slices|mime|html|go/|archive/|testing|flag|regexp)`)

// TestPackageInit reads GODEBUG=inittrace=1, several times because the first run
// faults pages in; the smallest of each package counts.
func TestPackageInit(t *testing.T) {
	if os.Getenv("BERTH_VM") != "" {
		t.Skip("by design: an emulated machine has no times to compare")
	}
	berth := fixture.Berth(t)
	line := regexp.MustCompile(`(?m)^init (\S+) @[0-9.]+ ms, ([0-9.]+) ms clock`)
	best := map[string]float64{}
	for range 15 {
		run := exec.Command(berth, "--version")
		run.Env = append(os.Environ(), "GODEBUG=inittrace=1")
		out, err := run.CombinedOutput()
		if err != nil {
			t.Fatalf("berth --version: %v\n%s", err, out)
		}
		found := line.FindAllStringSubmatch(string(out), -1)
		if len(found) == 0 {
			t.Fatalf("no package in the trace:\n%s", out)
		}
		for _, m := range found {
			ms, err := strconv.ParseFloat(m[2], 64)
			if err != nil {
				t.Fatal(err)
			}
			if old, ok := best[m[1]]; !ok || ms < old {
				best[m[1]] = ms
			}
		}
	}
	total := 0.0
	for name, ms := range best {
		total += ms
		if limit := max(packageInit, dearer()[name]); ms > limit && !standard.MatchString(name) {
			t.Errorf("package %s takes %.3f ms to initialise, at most %.3f", name, ms, limit)
		}
	}
	t.Logf("%d packages, %.3f ms", len(best), total)
	if total > allPackageInit {
		t.Errorf("packages take %.3f ms to initialise, at most %.3f", total, allPackageInit)
	}
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

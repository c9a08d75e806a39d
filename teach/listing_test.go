package teach

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"berth/nsenter"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got; go test -update rewrites it):\n%s", path, diff)
	}
}

func TestListings(t *testing.T) {
	p := examplePlan()
	tests := []struct {
		file  string
		write func(w io.Writer) error
	}{
		{"explain.txt", func(w io.Writer) error { return Explain(w, p, Options{}) }},
		{"explain-80.txt", func(w io.Writer) error { return Explain(w, p, Options{Width: 80, Headings: true}) }},
		{"explain-full.txt", func(w io.Writer) error { return Explain(w, p, Options{Width: 160, Full: true}) }},
		{"explain.json", func(w io.Writer) error { return ExplainJSON(w, p, Options{}) }},
		{"trace.txt", func(w io.Writer) error { return Trace(w, p, exampleResults(p), Options{}) }},
		{"trace-failed.txt", func(w io.Writer) error { return Trace(w, p, failedResults(p), Options{Width: 80}) }},
		{"trace.json", func(w io.Writer) error { return TraceJSON(w, p, failedResults(p), Options{}) }},
	}
	for _, test := range tests {
		t.Run(test.file, func(t *testing.T) {
			var b bytes.Buffer
			if err := test.write(&b); err != nil {
				t.Fatal(err)
			}
			golden(t, test.file, b.Bytes())
		})
	}
}

func TestLinesFit(t *testing.T) {
	p := examplePlan()
	for w := range 200 {
		var b bytes.Buffer
		if err := Explain(&b, p, Options{Width: w, Full: w%2 == 0}); err != nil {
			t.Fatal(err)
		}
		if err := Trace(&b, p, nil, Options{Width: w}); err != nil {
			t.Fatal(err)
		}
		limit := Options{Width: w}.columns()
		for _, line := range strings.Split(b.String(), "\n") {
			if width(line) > limit {
				t.Fatalf("width %d: line of %d columns: %s", w, width(line), line)
			}
		}
	}
}

func TestEmptyPlan(t *testing.T) {
	p := &nsenter.Plan{}
	var text, list bytes.Buffer
	if err := errors.Join(Explain(&text, p, Options{Headings: true}), ExplainJSON(&list, p, Options{})); err != nil {
		t.Fatal(err)
	}
	if text.Len() != 0 || list.String() != "[]\n" {
		t.Errorf("got %q and %q", text.String(), list.String())
	}
	if err := Trace(&text, p, nil, Options{}); err != nil || !strings.Contains(text.String(), "0 steps") {
		t.Errorf("trace: %q, %v", text.String(), err)
	}
}

// The keys and their order are part of the format.
func TestJSONKeys(t *testing.T) {
	var b bytes.Buffer
	if err := TraceJSON(&b, examplePlan(), nil, Options{}); err != nil {
		t.Fatal(err)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(b.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	want := []string{"id", "who", "call", "params", "args", "raw", "out", "tolerates", "target", "from", "why", "text", "result"}
	for _, object := range list {
		decoder := json.NewDecoder(bytes.NewReader(object))
		var keys []string
		_, _ = decoder.Token()
		for decoder.More() {
			key, err := decoder.Token()
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, key.(string))
			var value json.RawMessage
			if err := decoder.Decode(&value); err != nil {
				t.Fatal(err)
			}
			if string(value) == "null" && key != "result" {
				t.Errorf("%s is null in %s", key, object)
			}
		}
		if diff := cmp.Diff(want, keys); diff != "" {
			t.Errorf("keys (-want +got):\n%s", diff)
		}
	}
}

// full is a disk that takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, unix.ENOSPC }

func TestWriteErrors(t *testing.T) {
	p := examplePlan()
	for name, err := range map[string]error{
		"explain":      Explain(full{}, p, Options{}),
		"explain json": ExplainJSON(full{}, p, Options{}),
		"trace":        Trace(full{}, p, nil, Options{}),
		"trace json":   TraceJSON(full{}, p, nil, Options{}),
	} {
		if !errors.Is(err, unix.ENOSPC) {
			t.Errorf("%s: got %v, want ENOSPC", name, err)
		}
	}
}

func TestHint(t *testing.T) {
	pivot := nsenter.Call(nsenter.Child, unix.SYS_PIVOT_ROOT)
	spawn := nsenter.Control(nsenter.Host, nsenter.OpSpawn, "")
	do := nsenter.Do("x", func(*nsenter.Run) error { return nil })
	if got := Hint(&pivot, unix.EINVAL); !strings.Contains(got, "mount point") {
		t.Errorf("pivot_root: got %q", got)
	}
	if got := Hint(&spawn, unix.EBUSY); !strings.Contains(got, "cgroup") {
		t.Errorf("spawn: got %q", got)
	}
	// The zero call number is read's: a function's error is not about it.
	if got := Hint(&do, unix.EINVAL); got != "" {
		t.Errorf("function: got %q", got)
	}
}

// A plan that has really run: the host makes all its steps, so it needs no root.
func TestTraceOfARun(t *testing.T) {
	p := &nsenter.Plan{}
	dir, none := p.NewSlot("folder"), p.NewSlot("none")
	p.Add(
		nsenter.Call(nsenter.Host, unix.SYS_OPENAT, nsenter.Int(unix.AT_FDCWD), nsenter.Str(t.TempDir()),
			nsenter.Int(unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC), nsenter.Int(0)).To(dir),
		nsenter.Call(nsenter.Host, unix.SYS_OPENAT, nsenter.Fd(dir), nsenter.Str("none"), nsenter.Int(unix.O_RDONLY|unix.O_CLOEXEC),
			nsenter.Int(0)).To(none).Tolerate(unix.ENOENT),
		nsenter.Call(nsenter.Host, unix.SYS_FCHMOD, nsenter.Fd(none), nsenter.Int(0o600)),
		nsenter.Do("think", func(*nsenter.Run) error { return nil }),
		nsenter.Call(nsenter.Host, unix.SYS_MKDIRAT, nsenter.Fd(dir), nsenter.Str("a/b"), nsenter.Int(0o700)),
		nsenter.Call(nsenter.Host, unix.SYS_FCHDIR, nsenter.Fd(dir)),
	)
	run, err := p.Start(t.Context(), nsenter.Options{})
	if !errors.Is(err, unix.ENOENT) {
		t.Fatalf("got %v, want the error of mkdirat", err)
	}
	// A run that failed has results, too.
	defer run.Close()
	var b bytes.Buffer
	if err := Trace(&b, p, run.Results(), Options{Width: 300}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"<folder>\n", `"none", O_RDONLY|O_CLOEXEC, 0) = ENOENT, which is fine`,
		"fchmod(<none>, 0600): skipped, as <none> is empty", "think: done",
		`mkdirat(<folder>, "a/b", 0700) = ENOENT: no such file or directory (a part of the path does not exist)`,
		"fchdir(<folder>): not reached",
		"6 steps: 2 done, 1 tolerated, 1 skipped, 1 failed, 1 pending; ",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, &b)
		}
	}
}

func TestWrap(t *testing.T) {
	tests := []struct {
		text      string
		n, indent int
		want      []string
	}{
		{"", 8, 2, []string{""}},
		{"short", 8, 2, []string{"short"}},
		{"one two three", 8, 2, []string{"one two", "  three"}},
		{"A_FLAG|B_FLAG|C", 10, 2, []string{"A_FLAG|", "  B_FLAG|C"}},
		{"abcdefghijklmnop", 8, 2, []string{"abcdefgh", "  ijklmn", "  op"}},
		{"ääääääää öööööö", 8, 0, []string{"ääääääää", "öööööö"}},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, wrap(test.text, test.n, test.indent)); diff != "" {
			t.Errorf("wrap(%q, %d, %d) (-want +got):\n%s", test.text, test.n, test.indent, diff)
		}
	}
}

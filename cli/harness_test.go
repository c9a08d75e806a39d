package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/archive"
	"berth/container"
	"berth/container/events"
	"berth/container/logs"
	"berth/image"
	"berth/nsenter"
	"berth/state"
)

// world is a berth without containers: what a command line asks of the engine
// is noted, and answered as the test has set.
type world struct {
	// execs is what the last exec asked for.
	execs  container.ExecOptions
	images fakeImages
	// dirs are nowhere unless the test makes them.
	dirs state.Dirs
	env  map[string]string
	// made are the containers that were created or run.
	made  []*container.Config
	calls []string
	// keys are the detach keys of each attachment.
	keys []string
	// logged is what was asked for of each log.
	logged []logs.ReadOptions
	views  []*container.View
	// findings are what check finds.
	findings []container.Finding
	// root is a folder with the files of every container.
	root string
	// piped is what comes in on stdin, when set.
	piped *os.File
	// stdout is where output is said to go, when set; it is kept all the same.
	stdout *os.File
	// changes are the answer of diff.
	changes []archive.Change
	// exit and err are the answers of run, exec and attach.
	exit container.Exit
	code int
	err  error
	// stats are the answers for each container, in turn; the last one stays.
	stats map[string][]container.Stats
	// events are those on record.
	events []events.Event
	// remote is what registries have.
	remote fakeRegistry
}

func (w *world) Create(_ context.Context, c *container.Config) error {
	w.made = append(w.made, c)
	w.note("create")
	return w.err
}

func (w *world) Run(_ context.Context, c *container.Config, io container.Stdio) (container.Exit, error) {
	w.made = append(w.made, c)
	w.note("run")
	return w.exit, w.err
}

func (w *world) Plan(c *container.Config) (*nsenter.Plan, error) {
	w.made = append(w.made, c)
	return &nsenter.Plan{}, w.err
}

// plannedBundle is a world's bundle.
type plannedBundle struct{ *world }

func (b plannedBundle) Plan(context.Context, string) (*nsenter.Plan, *specs.Spec, error) {
	return &nsenter.Plan{}, &specs.Spec{}, b.err
}

func (w *world) Check(_ context.Context, o container.CheckOptions) ([]container.Finding, error) {
	w.note(fmt.Sprintf("check %v %v", o.Repair, o.Force))
	return w.findings, w.err
}

func (w *world) Start(_ context.Context, ref string) error {
	w.note("start " + ref)
	if len(ref) == 64 {
		return w.err // one that was just made
	}
	return cmp.Or(w.err, w.known(ref))
}

func (w *world) Stop(_ context.Context, ref string, timeout *int, signal string) error {
	w.note("stop " + ref + " " + signal)
	return w.known(ref)
}

func (w *world) Restart(_ context.Context, ref string, timeout *int, signal string) error {
	w.note("restart " + ref + " " + signal)
	return w.known(ref)
}

func (w *world) Pause(_ context.Context, ref string) error {
	w.note("pause " + ref)
	return w.known(ref)
}
func (w *world) Unpause(_ context.Context, ref string) error {
	w.note("unpause " + ref)
	return w.known(ref)
}

func (w *world) Update(_ context.Context, ref string, change func(*container.Config) error) error {
	v, err := w.Get(context.Background(), ref)
	if err != nil {
		return err
	}
	w.note("update " + ref)
	return change(v.Config)
}

func (w *world) Rename(_ context.Context, ref, name string) error {
	w.note("rename " + ref + " " + name)
	return w.known(ref)
}

func (w *world) Kill(_ context.Context, ref string, sig unix.Signal) error {
	w.note("kill " + ref + " " + unix.SignalName(sig))
	return w.known(ref)
}

func (w *world) Remove(_ context.Context, ref string, force bool) error {
	w.note("remove " + ref)
	return w.known(ref)
}

func (w *world) Wait(_ context.Context, ref string) (int, error) { return w.code, w.known(ref) }

func (w *world) Attach(_ context.Context, ref string, o container.AttachOptions, io container.Stdio) (int, bool, error) {
	w.note("attach " + ref)
	w.keys = append(w.keys, o.DetachKeys)
	return w.code, false, w.err
}

func (w *world) StartAttached(ctx context.Context, ref string, o container.AttachOptions, io container.Stdio) (int, bool, error) {
	w.note("start")
	return w.Attach(ctx, ref, o, io)
}

func (w *world) Exec(_ context.Context, ref string, o container.ExecOptions, io container.Stdio) (container.Exit, error) {
	w.note("exec " + ref + " " + strings.Join(o.Args, " "))
	w.execs = o
	return w.exit, w.err
}

func (w *world) CheckHealth(_ context.Context, ref string) (container.ProbeResult, *container.Health, error) {
	w.note("probe " + ref)
	if errors.Is(w.err, container.ErrNoHealthCheck) {
		return container.ProbeResult{}, nil, w.err
	}
	return container.ProbeResult{ExitCode: w.code}, &container.Health{Status: container.Healthy}, w.err
}

func (w *world) Get(_ context.Context, ref string) (*container.View, error) {
	for _, v := range w.views {
		if v.Name == ref || v.ID == ref {
			return v, nil
		}
	}
	return nil, &state.NoSuchError{Ref: ref}
}

func (w *world) Resolve(ref string) (string, error) {
	v, err := w.Get(context.Background(), ref)
	if err != nil {
		return "", err
	}
	return v.ID, nil
}

func (w *world) LoadSpec(*container.Config) error { return nil }

func (w *world) List(context.Context) ([]*container.View, error) { return w.views, nil }

func (w *world) ListRunning(context.Context) ([]*container.View, error) {
	return slices.DeleteFunc(slices.Clone(w.views), func(v *container.View) bool { return !v.Up() }), nil
}
func (w *world) LogPath(c *container.Config) string { return "/log/" + c.ID }

// ReadLog has one record for each stream.
func (w *world) ReadLog(_ context.Context, c *container.Config, o logs.ReadOptions, out func(logs.Record) error) error {
	w.logged = append(w.logged, o)
	if w.err != nil {
		return w.err
	}
	for _, stream := range []string{"stdout", "stderr"} {
		if err := out(logs.Record{Stream: stream, Line: []byte("to " + stream + "\n")}); err != nil {
			return err
		}
	}
	return nil
}
func (w *world) note(call string)       { w.calls = append(w.calls, strings.TrimSpace(call)) }
func (w *world) known(ref string) error { _, err := w.Get(context.Background(), ref); return err }

// fakeImages knows images by their names.
type fakeImages struct {
	imageStore
	list map[string]image.Image
	// orphans are layers that no image has.
	orphans []string
	// findings is what Check finds, asked what it may do, when set.
	findings []image.Finding
	asked    *image.CheckOptions
	// details are what Inspect says of all images, but for the names.
	details image.Details
	// committed collects what is asked of Commit, when set.
	committed *[]image.CommitOptions
}

func (f fakeImages) Resolve(query string) (image.Image, error) {
	_, noID := image.ParseDigest("sha256:" + strings.TrimPrefix(query, "sha256:"))
	if noID == nil {
		return image.Image{}, &image.NoSuchImageError{Ref: query}
	}
	if _, err := image.ParseReference(query); err != nil {
		return image.Image{}, err
	}
	if img, ok := f.list[query]; ok {
		return img, nil
	}
	return image.Image{}, &image.NoSuchImageError{Ref: query + ":latest"}
}

func (f fakeImages) State() (image.State, error) { return image.State{}, nil }

func (f fakeImages) EnsureBox(context.Context) (image.Image, error) {
	if img, ok := f.list["box"]; ok {
		return img, nil
	}
	return image.Image{}, image.ErrNoBox
}

func (f fakeImages) List() ([]image.Image, error) {
	var list []image.Image
	for _, img := range f.list {
		list = append(list, img)
	}
	slices.SortFunc(list, func(a, b image.Image) int { return strings.Compare(a.Ref, b.Ref) })
	return list, nil
}

// LayerSizes: every layer has a thousand bytes.
func (f fakeImages) LayerSizes() (map[string]int64, error) {
	sizes := map[string]int64{}
	for _, img := range f.list {
		for _, layer := range img.Layers {
			sizes[layer] = 1000
		}
	}
	for _, layer := range f.orphans {
		sizes[layer] = 10
	}
	return sizes, nil
}

func (f fakeImages) Collect(context.Context, func(layer string) bool) ([]string, error) {
	return []string{"sha256:orphan"}, nil
}

func (f fakeImages) Check(_ context.Context, o image.CheckOptions) ([]image.Finding, error) {
	if f.asked != nil {
		*f.asked = o
	}
	return f.findings, nil
}

func (f fakeImages) Materialize(context.Context, string) error { return nil }

func (f fakeImages) Remove(_ context.Context, ref string, _ image.RemoveOptions, inUse func(image.Digest) []image.User) (untagged, deleted []string, err error) {
	for name, img := range f.list {
		if img.Ref == ref || string(img.ID) == ref {
			if users := inUse(img.ID); len(users) > 0 {
				return nil, nil, fmt.Errorf("in use by %s", users[0].Container)
			}
			delete(f.list, name)
			if img.Ref != "" {
				untagged = []string{img.Ref}
			}
			return untagged, []string{string(img.ID)}, nil
		}
	}
	return nil, nil, &image.NoSuchImageError{Ref: ref}
}

func (f fakeImages) Inspect(ref string) (image.Details, error) {
	img, err := f.Resolve(ref)
	d := f.details
	d.Image, d.Refs = img, []string{img.Ref}
	if name, found := image.ParseNamed(img.Ref); found == nil && img.Digest != "" {
		d.Digests = []string{name.Name() + "@" + string(img.Digest)}
	}
	return d, err
}

// newWorld has the image "img", whose config the test may change.
func newWorld() *world {
	w := &world{env: map[string]string{}}
	w.images.list = map[string]image.Image{"img": {
		ID: "sha256:" + image.Digest(strings.Repeat("a", 64)), Ref: "docker.io/library/img:latest",
		OS: "linux", Architecture: runtime.GOARCH, Layers: []string{"/layer/1"},
		Config: image.Config{Cmd: []string{"sh"}},
	}}
	return w
}

func (w *world) setImage(c image.Config) {
	img := w.images.list["img"]
	img.Config = c
	w.images.list["img"] = img
}

// result is what a command line did.
type result struct {
	code     int
	out, err string
}

// berth runs a command line in the world.
func (w *world) berth(t *testing.T, args ...string) result {
	t.Helper()
	return w.called(t, "berth", args...)
}

func (w *world) called(t *testing.T, program string, args ...string) result {
	t.Helper()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	in := null
	if w.piped != nil {
		in = w.piped
	}
	out := null
	if w.stdout != nil {
		out = w.stdout
	}
	s := newSession(Process{
		Args:      append([]string{program}, args...),
		LookupEnv: func(k string) (string, bool) { v, ok := w.env[k]; return v, ok },
		Stdio:     container.Stdio{In: in, Out: out, Err: null},
		Version:   "1.2.3",
	})
	var printed, errs bytes.Buffer
	s.out, s.err, s.tick = &printed, &errs, time.Millisecond
	s.open = func() (*backend, error) {
		return &backend{
			lookup: w, lifecycle: w, sessions: w, planner: w, observer: w, checkup: w, files: w,
			bundles: plannedBundle{w}, images: w.images, events: fakeEvents{w}, dirs: w.dirs,
			trace: func(func(*nsenter.Plan, []nsenter.Result), string) {},
		}, nil
	}
	s.connect = func(f registryFlags, ref image.Reference) registryClient { return w.remote.asked(f, ref) }
	c, runErr := s.run(t.Context(), args)
	s.report(c, runErr)
	return result{statusOf(runErr), printed.String(), errs.String()}
}

// created returns the container that a create with these arguments makes.
func (w *world) created(t *testing.T, args ...string) *container.Config {
	t.Helper()
	r := w.berth(t, append([]string{"create"}, args...)...)
	if r.code != 0 {
		t.Fatalf("create %q: status %d, %s", args, r.code, r.err)
	}
	return w.made[len(w.made)-1]
}

// refused checks that a run fails with a text, before the engine is asked.
func (w *world) refused(t *testing.T, text string, args ...string) {
	t.Helper()
	before := len(w.made)
	r := w.berth(t, append([]string{"run"}, args...)...)
	if r.code != exitBerth || !strings.Contains(r.err, text) || !strings.HasPrefix(r.err, "Error: ") {
		t.Errorf("run %q: status %d, stderr %q, want 125 and %q", args, r.code, r.err, text)
	}
	if len(w.made) != before {
		t.Errorf("run %q: the engine was asked", args)
	}
}

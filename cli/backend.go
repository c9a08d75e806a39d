package cli

import (
	"context"
	"io"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/archive"
	"berth/container"
	"berth/container/events"
	"berth/container/logs"
	"berth/container/top"
	"berth/image"
	"berth/nsenter"
	"berth/registry"
	"berth/registry/credentials"
	"berth/state"
)

// backend is what commands act on. Its parts are what package container and
// package image offer, cut to roles so that a test fakes only what it needs.
type backend struct {
	lookup
	lifecycle
	sessions
	planner
	observer
	checkup
	files
	bundles bundlePlanner
	images  imageStore
	events  eventLog
	dirs    state.Dirs
	// preserve passes the descriptors from 3 on to the next payload.
	preserve func(count int) error
	// trace has the next start report its steps, in this process or, in the
	// format given, in a monitor.
	trace func(to func(*nsenter.Plan, []nsenter.Result), format string)
}

// lookup finds containers.
type lookup interface {
	Resolve(ref string) (string, error)
	Get(ctx context.Context, ref string) (*container.View, error)
	List(ctx context.Context) ([]*container.View, error)
	ListRunning(ctx context.Context) ([]*container.View, error)
	LoadSpec(c *container.Config) error
	LogPath(c *container.Config) string
	ReadLog(ctx context.Context, c *container.Config, o logs.ReadOptions, out func(logs.Record) error) error
}

// lifecycle changes containers.
type lifecycle interface {
	Create(ctx context.Context, c *container.Config) error
	Start(ctx context.Context, ref string) error
	Stop(ctx context.Context, ref string, timeout *int, signal string) error
	Restart(ctx context.Context, ref string, timeout *int, signal string) error
	Kill(ctx context.Context, ref string, sig unix.Signal) error
	Pause(ctx context.Context, ref string) error
	Unpause(ctx context.Context, ref string) error
	Rename(ctx context.Context, ref, name string) error
	Update(ctx context.Context, ref string, change func(*container.Config) error) error
	Remove(ctx context.Context, ref string, force bool) error
}

// sessions are calls that stay with a container.
type sessions interface {
	Run(ctx context.Context, c *container.Config, io container.Stdio) (container.Exit, error)
	Exec(ctx context.Context, ref string, o container.ExecOptions, io container.Stdio) (container.Exit, error)
	Attach(ctx context.Context, ref string, o container.AttachOptions, io container.Stdio) (code int, detached bool, err error)
	StartAttached(ctx context.Context, ref string, o container.AttachOptions, io container.Stdio) (code int, detached bool, err error)
	Wait(ctx context.Context, ref string) (int, error)
	CheckHealth(ctx context.Context, ref string) (container.ProbeResult, *container.Health, error)
}

// files reads and writes what is in containers.
type files interface {
	Diff(ctx context.Context, ref string) ([]archive.Change, error)
	Export(ctx context.Context, ref string, w io.Writer, notice func(string)) error
	OpenFiles(ctx context.Context, ref string) (*container.Files, error)
	WriteLayer(ctx context.Context, ref string, pause bool, w io.Writer, notice func(string)) error
}

// observer looks at what runs.
type observer interface {
	Stats(ctx context.Context, v *container.View) (container.Stats, error)
	Processes(ctx context.Context, ref string) ([]top.Process, error)
}

// checkup looks for what is wrong with the state.
type checkup interface {
	Check(ctx context.Context, o container.CheckOptions) ([]container.Finding, error)
}

// planner shows what would be done.
type planner interface {
	Plan(c *container.Config) (*nsenter.Plan, error)
}

// bundlePlanner shows what the other command line would do.
type bundlePlanner interface {
	Plan(ctx context.Context, dir string) (*nsenter.Plan, *specs.Spec, error)
}

// eventLog is the record of what happened.
type eventLog interface {
	Append(ev events.Event)
	Read(ctx context.Context, o events.ReadOptions, out func(events.Event) error) error
}

// imageStore is the part of image.Store that commands use.
type imageStore interface {
	imageFinder
	List() ([]image.Image, error)
	Inspect(ref string) (image.Details, error)
	Import(ctx context.Context, r io.Reader, opts image.ImportOptions) (image.Image, error)
	Commit(ctx context.Context, layer io.Reader, o image.CommitOptions) (image.Image, error)
	Remove(ctx context.Context, ref string, opts image.RemoveOptions, inUse func(id image.Digest) []image.User) (untagged, deleted []string, err error)
	imagePuller
	imagePusher
	manifestLists
	imageNaming
	imageArchives
	imageUpkeep
}

// imageArchives reads and writes archives of images.
type imageArchives interface {
	Save(ctx context.Context, w io.Writer, queries []string, o image.SaveOptions) ([]image.Saved, error)
	Load(ctx context.Context, r io.Reader, o image.LoadOptions) ([]image.Loaded, error)
}

// imageNaming gives images names.
type imageNaming interface {
	Tag(ctx context.Context, source, target string) error
}

// imagePuller brings images from elsewhere.
type imagePuller interface {
	Pull(ctx context.Context, src image.Source, ref image.Reference, o image.PullOptions) (image.Pulled, error)
}

// registryClient is the part of registry.Client that commands use.
type registryClient interface {
	image.Source
	image.Target
	Tags(ctx context.Context, ref image.Reference) ([]string, error)
	Search(ctx context.Context, host, term string, limit int) ([]registry.SearchResult, error)
	Login(ctx context.Context, host string, auth credentials.Auth) (identityToken string, err error)
	Close()
}

// imagePusher sends images elsewhere.
type imagePusher interface {
	Push(ctx context.Context, dst image.Target, query string, to image.Reference, o image.PushOptions) (image.Pushed, error)
}

// manifestLists are images for several platforms, in the making.
type manifestLists interface {
	ManifestLists() ([]string, error)
	ManifestList(ref image.Reference) (image.ManifestList, error)
	StoredMember(ref image.Reference) (image.ListMember, error)
	AddToManifestList(ctx context.Context, list image.Reference, members []image.ListMember, amend bool) error
	AnnotateManifest(ctx context.Context, list, member image.Reference, p image.Platform) error
	RemoveManifestList(list image.Reference) error
	PushManifestList(ctx context.Context, src image.Source, dst image.Target, l image.ManifestList, told func(member image.Reference)) (image.Digest, error)
}

// imageUpkeep looks after what images are made of.
type imageUpkeep interface {
	LayerSizes() (map[string]int64, error)
	Collect(ctx context.Context, keep func(layer string) bool) ([]string, error)
	Check(ctx context.Context, o image.CheckOptions) ([]image.Finding, error)
}

// imageFinder is what creating a container needs of the images.
type imageFinder interface {
	Resolve(query string) (image.Image, error)
	State() (image.State, error)
	EnsureBox(ctx context.Context) (image.Image, error)
	Materialize(ctx context.Context, ref string) error
}

// upper is what a container has written over its image.
func (b *backend) upper(id string) string { return b.dirs.Container(id) + "/upper" }

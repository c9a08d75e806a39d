package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"berth/tests/fixture"
	"berth/tests/registries"
)

// sectionPull begins the name of each image's section.
const sectionPull = "pull of "

// pullImage is an image of tests/fixture/images.sh.
type pullImage struct {
	name   string
	what   string
	layers int
	big    bool
}

func (i pullImage) section() string { return sectionPull + i.name + ", " + i.what }

func pullImages() []pullImage {
	return []pullImage{
		{name: "debian", what: "one layer: 30 MiB of 85", layers: 1},
		{name: "python3", what: "three layers: 46 MiB of 130", layers: 3},
		{name: "sixty", what: "60 layers: 31 MiB of 80", layers: 60},
		{name: "big", what: "one layer: 0.5 GiB of 1", layers: 1, big: true},
	}
}

// pullBench is what the pulls need: a registry with the images, and who pulls.
type pullBench struct {
	registry *registries.Registry
	images   []pullImage
	pullers  []*puller
	work     *workspace // where their stores are
}

func (b *pullBench) remove() error {
	var errs []error
	for _, p := range b.pullers {
		if p.close != nil {
			errs = append(errs, p.close())
		}
	}
	if b.registry != nil {
		errs = append(errs, b.registry.Close())
	}
	return errors.Join(errs...)
}

// startRegistry fills a registry with the images and starts those who pull,
// afresh: what they did before must not slow them down.
func (c *comparison) startRegistry(ctx context.Context) error {
	for _, e := range c.engines {
		if err := e.remove(); err != nil {
			return err
		}
	}
	c.engines = nil
	b := &c.pulls
	names := []string{}
	for _, image := range pullImages() {
		if c.opts.wants(image) {
			b.images, names = append(b.images, image), append(names, image.name)
		}
	}
	layouts, err := fixture.ImagesPath(names...)
	if err != nil {
		return err
	}
	if b.registry, err = registries.Open(registries.Plain); err != nil {
		return err
	}
	for _, name := range names {
		if err := quiet(exec.CommandContext(ctx, "skopeo", "copy", "--dest-tls-verify=false",
			"oci:"+filepath.Join(layouts, name)+":latest", "docker://"+b.reference(name))); err != nil {
			return err
		}
	}
	if b.work, err = newPullWorkspace(ctx, c.work); err != nil {
		return err
	}
	for _, start := range []func(*workspace, *launcher) *puller{berthPuller, podmanPuller, dockerPuller, containerdPuller} {
		b.pullers = append(b.pullers, start(b.work, c.host))
	}
	return nil
}

// newPullWorkspace puts the stores on an ext4 of their own, with a journal, in a file
// on the disk. Without a journal, ext4 passes over every inode that was removed in
// the last minutes, one by one, when it looks for a free one: with an image removed
// before each pull that would be most of everybody's time.
func newPullWorkspace(ctx context.Context, w *workspace) (*workspace, error) {
	file, at := filepath.Join(w.disk, "stores.ext4"), *w
	at.disk = filepath.Join(w.disk, "stores")
	if err := os.Mkdir(at.disk, 0o755); err != nil {
		return nil, err
	}
	for _, args := range [][]string{
		{"truncate", "-s", "16G", file},
		{"mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", file},
		{"mount", "-o", "loop", file, at.disk},
	} {
		if err := quiet(exec.CommandContext(ctx, args[0], args[1:]...)); err != nil {
			return nil, fmt.Errorf("make a file system for the stores: %w", err)
		}
	}
	return &at, nil
}

// wants tells whether the flags ask for an image.
func (o options) wants(image pullImage) bool {
	if o.images != "" {
		return slices.Contains(strings.Split(o.images, ","), image.name)
	}
	return !image.big || !o.short
}

// reference is where the registry has an image.
func (b *pullBench) reference(image string) string { return b.registry.Host + "/" + image + ":latest" }

func (c *comparison) timePulls(ctx context.Context) error {
	for _, image := range c.pulls.images {
		c.progress("pull %s", image.name)
		if err := c.timePull(ctx, image); err != nil {
			return fmt.Errorf("%s: %w", image.name, err)
		}
	}
	return nil
}

// Rounds of pulls: a pull takes seconds.
const (
	pullWarmUp    = 1
	pullRounds    = 7
	pullRoundsBig = 3
	pullShort     = 3
)

func (c *comparison) pullRounds(image pullImage) int {
	switch {
	case c.opts.short:
		return pullShort
	case image.big:
		return pullRoundsBig
	}
	return pullRounds
}

// timePull runs everyone once a round, each round in another order, from an empty
// store. Who fails even once ends the measurement.
func (c *comparison) timePull(ctx context.Context, image pullImage) error {
	pullers, rounds := c.pulls.pullers, c.pullRounds(image)
	ref := c.pulls.reference(image.name)
	rows := make([]Row, len(pullers))
	times := make([][]time.Duration, len(pullers))
	for i, p := range pullers {
		rows[i] = Row{Section: image.section(), Name: p.name, Absent: p.absent, Note: p.note}
		if p.absent == "" {
			if err := p.check(ref); err != nil {
				rows[i].Absent = err.Error()
			}
		}
	}
	for round, order := range schedule(c.opts.seed, pullWarmUp+rounds, len(pullers)) {
		for _, k := range order {
			if rows[k].Absent != "" {
				continue
			}
			r, err := pullers[k].once(c.pulls.work, ref)
			if err != nil {
				return fmt.Errorf("%s in round %d: %w", pullers[k].name, round, err)
			}
			if round >= pullWarmUp {
				times[k] = append(times[k], r.wall)
			}
			rows[k].Bytes = max(rows[k].Bytes, r.peak)
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	for i := range rows {
		rows[i].Summary = summarize(times[i])
	}
	c.report.Rows = append(c.report.Rows, rows...)
	return nil
}

// flush writes out what is dirty on the disk, so that it is in nobody's time.
func flush(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Syncfs(int(f.Fd()))
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"berth/cli/option"
	"berth/container"
	"berth/image"
	"berth/state"
)

// flagGroup is a set of flags that belong together. check looks at the flags
// alone, apply writes them into the container and may touch the host's files.
type flagGroup interface {
	options() []*option.Option
	check() error
	apply(d *draft) error
}

// creation is what run, create and explain have in common: the flags that
// describe a container.
type creation struct {
	identity   identityFlags
	network    networkFlags
	names      nameFlags
	namespaces namespaceFlags
	process    processFlags
	lifecycle  lifecycleFlags
	mounts     mountFlags
	security   securityFlags
	memory     memoryFlags
	reclaim    reclaimFlags
	cpu        cpuFlags
	blkio      blkioFlags
	refused    refusedFlags
	log        logFlags
	health     healthFlags
}

// groups lists the groups in the order in which they are applied: --privileged
// first, as others add to what it sets, and the identity and namespaces before
// the process, whose environment has the host name.
func (c *creation) groups() []flagGroup {
	return []flagGroup{&c.security, &c.identity, &c.network, &c.names, &c.namespaces, &c.process, &c.lifecycle, &c.mounts, &c.memory, &c.reclaim, &c.cpu, &c.blkio, &c.refused, &c.log, &c.health}
}

func (c *creation) options() []*option.Option {
	c.memory.withSwap = true
	list := make([]*option.Option, 0, 80)
	for _, g := range c.groups() {
		list = append(list, g.options()...)
	}
	return list
}

// sortOptions puts options into the order of the help.
func sortOptions(list []*option.Option) []*option.Option {
	slices.SortFunc(list, func(a, b *option.Option) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// draft makes the container that the flags and args (IMAGE [COMMAND [ARG…]])
// describe. Nothing of it exists afterwards but its number, and the folders
// that -v makes.
func (c *creation) draft(ctx context.Context, s *session, b *backend, args []string) (*draft, error) {
	for _, g := range c.groups() {
		if err := g.check(); err != nil {
			return nil, foundBy(g, err)
		}
	}
	d := newDraft(s.env)
	d.warn, d.proxies = s.warn, s.proxyVariables()
	d.find = func(ref string) (*container.View, error) { return b.Get(ctx, ref) }
	var err error
	if d.ID, err = state.NewID(); err != nil {
		return nil, err
	}
	d.Spec.Hostname = d.ID[:12]
	if args, err = c.root(ctx, s, b, d, args); err != nil {
		return nil, err
	}
	for _, g := range c.groups() {
		if err := g.apply(d); err != nil {
			return nil, foundBy(g, err)
		}
	}
	if err := c.process.command(d, args); err != nil {
		return nil, err
	}
	return d, nil
}

// root finds what the container runs on and returns the rest of args.
func (c *creation) root(ctx context.Context, s *session, b *backend, d *draft, args []string) ([]string, error) {
	if c.mounts.rootfs != "" {
		abs, err := filepath.Abs(c.mounts.rootfs)
		if err != nil {
			return nil, err
		}
		d.Spec.Root.Path = abs
		d.asked("root.path", "--rootfs")
		return args, nil
	}
	if len(args) == 0 {
		return nil, errors.New("an image is required")
	}
	before, err := b.images.State()
	if err != nil {
		return nil, err
	}
	img, err := c.obtain(ctx, s, b, args[0])
	if err != nil {
		return nil, err
	}
	d.Confirm = func() error { return stillThere(b.images, before, args[0], img) }
	d.Image.Ref, d.Image.ID = args[0], string(img.ID)
	d.Layers, d.image = img.Layers, img.Config
	for key, value := range img.Config.Labels {
		d.Labels[key] = value
	}
	return args[1:], nil
}

// stillThere makes sure, once a container is on record, that nobody has removed
// its image since the store was in the state before.
func stillThere(images imageFinder, before image.State, name string, img image.Image) error {
	if now, err := images.State(); err == nil && now == before {
		return nil
	}
	again, err := images.Resolve(string(img.ID))
	var missing *image.NoSuchImageError
	if errors.As(err, &missing) || errors.Is(err, image.ErrNotUnpacked) || err == nil && !slices.Equal(again.Layers, img.Layers) {
		return &hintError{&image.NoSuchImageError{Ref: name}, "it was removed just now"}
	}
	return err
}

// findImage resolves a reference; the embedded image is unpacked the first time
// that it is asked for.
func findImage(ctx context.Context, images imageFinder, ref string) (image.Image, error) {
	if image.IsBox(ref) {
		img, err := images.EnsureBox(ctx)
		if !errors.Is(err, image.ErrNoBox) {
			return img, err
		}
		return image.Image{}, &hintError{fmt.Errorf("No such image: box:latest"), err.Error()} //nolint:staticcheck // docker's text
	}
	img, err := images.Resolve(ref)
	if errors.Is(err, image.ErrNotUnpacked) {
		if err = images.Materialize(ctx, ref); err == nil {
			img, err = images.Resolve(ref)
		}
	}
	if errors.Is(err, image.ErrInvalidReference) {
		return img, clientFault(err)
	}
	var missing *image.NoSuchImageError
	if errors.As(err, &missing) {
		return img, &hintError{err, "berth images lists what is there, berth pull fetches what a registry has, and box is built in"}
	}
	return img, err
}

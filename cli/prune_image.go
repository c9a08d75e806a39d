package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"berth/cli/option"
	"berth/image"
)

func imagePruneCommand() *command {
	return &command{
		name: "image prune", category: categoryImages, group: "image", groupNames: []string{"prune"}, hidden: true,
		args: "[OPTIONS]", short: "Remove unused images",
		about: `Prune removes the images that have no name, or with -a all that no container was made from, once the question on STDOUT is answered with y; and layers that no image names any more. It prints what went and the space that it took.

Filters are dangling=true (without -a) or dangling=false (with it), until=TIME (created before that time, or that long ago), label=KEY[=VALUE] and label!=KEY[=VALUE]; an image must pass all of them.`,
		mixed: true,
		examples: []example{
			{"Remove the images without a name, unasked.", "berth image prune -f"},
			{"Remove all images that no container uses.", "berth image prune -a"},
		},
		build: func(s *session) ([]*option.Option, action) {
			var filters []string
			var all, force bool
			return []*option.Option{
					option.Switch(&all, "a,all", "Remove all unused images, not just dangling ones"),
					pruneFilterOption(&filters, "until=<timestamp>"),
					option.Switch(&force, "f,force", "Do not prompt for confirmation"),
				}, func(ctx context.Context, _ []string) error {
					return s.pruneImages(ctx, filters, all, force, time.Now())
				}
		},
	}
}

func (s *session) pruneImages(ctx context.Context, filters []string, all, force bool, now time.Time) error {
	filters, all, err := danglingFilter(filters, all)
	if err != nil {
		return err
	}
	picked, err := pruneFilter(filters, now)
	if err != nil {
		return err
	}
	if !force {
		which := "all dangling images"
		if all {
			which = "all images without at least one container associated to them"
		}
		yes, err := s.confirm(ctx, "WARNING! This will remove "+which+".\nAre you sure you want to continue?")
		if err != nil || !yes {
			return err
		}
	}
	b, err := s.open()
	if err != nil {
		return err
	}
	p := &pruning{session: s, backend: b, picked: picked}
	p.images(ctx, all)
	return p.end()
}

// danglingFilter takes the filter dangling out, which is another way to say -a.
func danglingFilter(filters []string, all bool) (rest []string, unused bool, err error) {
	for _, f := range filters {
		value, given := strings.CutPrefix(f, "dangling=")
		switch {
		case !given:
			rest = append(rest, f)
		case value == "false" || value == "0":
			all = true
		case value == "true" || value == "1":
			all = false
		default:
			return nil, false, fmt.Errorf("invalid filter 'dangling=%s'", value)
		}
	}
	return rest, all, nil
}

// images removes those without a name, or with all those that no container was
// made from, and then the layers that nobody names.
func (p *pruning) images(ctx context.Context, all bool) {
	before := p.layerBytes()
	used, err := p.backend.usedImages(ctx)
	if err != nil {
		p.failed(err)
		return
	}
	list, err := p.backend.images.List()
	if err != nil {
		p.failed(err)
		return
	}
	tagged := map[image.Digest]bool{}
	for _, img := range list {
		tagged[img.ID] = tagged[img.ID] || isTagged(img)
	}
	var removed []string
	for _, img := range list {
		if img.Err != nil || used[img.ID] || !all && tagged[img.ID] || !p.picked(img.Created, img.Config.Labels) {
			continue
		}
		ref := img.Ref
		if ref == "" {
			ref = string(img.ID)
		}
		untagged, deleted, err := p.backend.images.Remove(ctx, ref, image.RemoveOptions{Keep: p.backend.keepLayers(ctx)},
			func(id image.Digest) []image.User { return p.backend.imageUsers(ctx, id) })
		p.failed(err)
		for _, name := range untagged {
			removed = append(removed, "untagged: "+name)
		}
		for _, digest := range deleted {
			removed = append(removed, "deleted: "+digest)
		}
	}
	orphans, err := p.backend.images.Collect(ctx, p.backend.keepLayers(ctx))
	p.failed(err)
	for _, chain := range orphans {
		removed = append(removed, "deleted: "+chain)
	}
	p.list("Deleted Images:", removed)
	p.reclaimed += max(before-p.layerBytes(), 0)
}

// layerBytes is the size of all layers.
func (p *pruning) layerBytes() int64 {
	sizes, err := p.backend.images.LayerSizes()
	p.failed(err)
	var sum int64
	for _, n := range sizes {
		sum += n
	}
	return sum
}

// usedImages are the images of containers, whether they run or not. A container
// that cannot be read could have been made from any image, so nothing is removed
// on a guess.
func (b *backend) usedImages(ctx context.Context) (map[image.Digest]bool, error) {
	views, err := b.List(ctx)
	if err != nil {
		return nil, err
	}
	ids := map[image.Digest]bool{}
	for _, v := range views {
		if v.Err != nil {
			return nil, fmt.Errorf("container %s may use any image: %w", shortID(v.ID), v.Err)
		}
		ids[image.Digest(v.Image.ID)] = true
	}
	return ids, nil
}

// keepLayers tells Collect which layers containers stand on. It looks when it is
// first asked, and not before: the store is locked by then, so that no container
// can come to stand on a layer that Collect has found without a name.
func (b *backend) keepLayers(ctx context.Context) func(layer string) bool {
	look := sync.OnceValues(func() (map[string][]image.User, error) { return b.layerUsers(ctx) })
	return func(layer string) bool {
		users, err := look()
		return err != nil || len(users[layer]) > 0
	}
}

// pruneWarning is the question of system prune.
func pruneWarning(all, volumes bool, filters []string) string {
	lines := []string{"all stopped containers", "all networks not used by at least one container"}
	if volumes {
		lines = append(lines, "all anonymous volumes not used by at least one container")
	}
	if all {
		lines = append(lines, "all images without at least one container associated to them", "all build cache")
	} else {
		lines = append(lines, "all dangling images", "unused build cache")
	}
	text := "WARNING! This will remove:\n  - " + strings.Join(lines, "\n  - ") + "\n"
	if len(filters) > 0 {
		filters = slices.Sorted(slices.Values(filters))
		text += "\n  Items to be pruned will be filtered with:\n  - " + strings.Join(filters, "\n  - ") + "\n"
	}
	return text + "\nAre you sure you want to continue?"
}

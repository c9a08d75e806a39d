package cli

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"time"

	units "github.com/docker/go-units"

	"berth/cli/option"
	"berth/container/logs"
	"berth/image"
)

// none stands where an image has no name, tag or digest.
const none = "<none>"

// imageRow is an image as images shows it, with the fields of docker's
// templates.
type imageRow struct {
	Containers, CreatedAt, CreatedSince, Digest, ID, Repository string
	SharedSize, Size, Tag, UniqueSize, VirtualSize              string
}

type imagesFlags struct {
	all, quiet, noTrunc, digests bool
	format                       string
	filters                      []string
}

func imagesCommand() *command {
	return &command{
		name: "images", category: categoryImages, group: "image", groupNames: []string{"ls", "list"},
		args: "[OPTIONS] [REPOSITORY[:TAG]]", short: "List images",
		about: "Images lists the stored images, newest first. A damaged image is listed, too, and named on stderr.",
		max:   1, mixed: true,
		examples: []example{
			{"List the images with their digests.", "berth images --digests"},
			{"Only the names.", "berth images --format '{{.Repository}}:{{.Tag}}'"},
		},
		build: func(s *session) ([]*option.Option, action) {
			var f imagesFlags
			return []*option.Option{
				option.Switch(&f.all, "a,all", "Show all images (default hides intermediate images)"),
				option.Switch(&f.digests, "digests", "Show digests"),
				filterOption(&f.filters),
				option.Text(&f.format, "format", "string", "Format output: table, table TEMPLATE, json, or a Go template"),
				option.Switch(&f.noTrunc, "no-trunc", "Don't truncate output"),
				option.Switch(&f.quiet, "q,quiet", "Only show image IDs"),
			}, func(_ context.Context, args []string) error { return s.listImages(&f, args, time.Now()) }
		},
	}
}

func (s *session) listImages(f *imagesFlags, args []string, now time.Time) error {
	b, err := s.open()
	if err != nil {
		return err
	}
	list, err := b.images.List()
	if err != nil {
		return err
	}
	list = shownNames(list)
	if list, err = f.pick(list, args, b.images, now); err != nil {
		return err
	}
	slices.SortStableFunc(list, func(a, b image.Image) int { return b.Created.Compare(a.Created) })
	rows := make([]imageRow, 0, len(list))
	for _, img := range list {
		if img.Err != nil {
			s.warn(fmt.Sprintf("image %s: %v", img.Manifest.Short(), img.Err))
		}
		rows = append(rows, f.row(img, now))
	}
	table := listing[imageRow]{
		headings: imageRow{
			Containers: "CONTAINERS", CreatedAt: "CREATED AT", CreatedSince: "CREATED", Digest: "DIGEST", ID: "IMAGE ID",
			Repository: "REPOSITORY", SharedSize: "SHARED SIZE", Size: "SIZE", Tag: "TAG", UniqueSize: "UNIQUE SIZE", VirtualSize: "SIZE",
		},
		columns: "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
	}
	if f.digests {
		table.columns = "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"
	}
	switch {
	case f.quiet && (f.format == "" || f.format == "table"):
		f.format = "{{.ID}}"
	case f.format == "":
		f.format = s.settings().ImagesFormat
	}
	return table.print(s.out, f.format, rows)
}

func (f *imagesFlags) row(img image.Image, now time.Time) imageRow {
	r := imageRow{
		Containers: "N/A", SharedSize: "N/A", UniqueSize: "N/A", Repository: none, Tag: none, Digest: none,
		CreatedSince: "N/A", ID: string(img.ID), Size: units.HumanSizeWithPrecision(float64(img.Size), 3),
	}
	r.VirtualSize = r.Size
	if !f.noTrunc {
		r.ID = shortID(r.ID)
	}
	if f.digests && img.Digest != "" {
		r.Digest = string(img.Digest)
	}
	if !img.Created.IsZero() {
		r.CreatedAt = img.Created.Local().Format("2006-01-02 15:04:05 -0700 MST")
		r.CreatedSince = units.HumanDuration(now.Sub(img.Created)) + " ago"
	}
	if ref, err := image.ParseNamed(img.Ref); err == nil {
		r.Repository = ref.FamiliarName()
		if ref.Tag != "" {
			r.Tag = ref.Tag
		}
	}
	return r
}

// shownNames leaves the names by digest out that have a tag beside them.
func shownNames(list []image.Image) []image.Image {
	type repository struct {
		id   image.Digest
		name string
	}
	tagged := map[repository]bool{}
	for _, img := range list {
		if ref, err := image.ParseNamed(img.Ref); err == nil && ref.Tag != "" {
			tagged[repository{img.ID, ref.Name()}] = true
		}
	}
	return slices.DeleteFunc(list, func(img image.Image) bool {
		ref, err := image.ParseNamed(img.Ref)
		return err == nil && ref.Tag == "" && tagged[repository{img.ID, ref.Name()}]
	})
}

// pick applies the positional pattern and the filters.
func (f *imagesFlags) pick(list []image.Image, args []string, all imageStore, now time.Time) ([]image.Image, error) {
	values, err := splitFilters(f.filters, []string{"before", "dangling", "label", "reference", "since", "until"})
	if err != nil {
		return nil, err
	}
	if len(args) == 1 {
		list = slices.DeleteFunc(list, func(img image.Image) bool { return !refMatches(img.Ref, args[0]) })
	}
	for key, wanted := range values {
		test, err := imageTest(key, wanted, all, now)
		if err != nil {
			return nil, err
		}
		list = slices.DeleteFunc(list, func(img image.Image) bool { return !test(img) })
	}
	return list, nil
}

func imageTest(key string, wanted []string, all imageStore, now time.Time) (func(image.Image) bool, error) {
	last := wanted[len(wanted)-1]
	switch key {
	case "dangling":
		yes, err := strconv.ParseBool(last)
		if err != nil {
			return nil, fmt.Errorf("invalid filter 'dangling=%s'", last)
		}
		return func(img image.Image) bool { return isTagged(img) != yes }, nil
	case "label":
		return func(img image.Image) bool { return hasLabels(img.Config.Labels, wanted) }, nil
	case "reference":
		return func(img image.Image) bool {
			return slices.ContainsFunc(wanted, func(w string) bool { return refMatches(img.Ref, w) })
		}, nil
	case "until":
		mark, err := logs.ParseTime(last, now)
		if err != nil {
			return nil, fmt.Errorf("invalid filter 'until=%s': %w", last, err)
		}
		return func(img image.Image) bool { return img.Created.Before(mark) }, nil
	}
	d, err := all.Inspect(last)
	if err != nil {
		return nil, err
	}
	mark := d.Created
	if key == "before" {
		return func(img image.Image) bool { return img.Created.Before(mark) }, nil
	}
	return func(img image.Image) bool { return img.Created.After(mark) }, nil
}

// isTagged tells whether an image has a name with a tag: without one it is
// dangling, as docker says.
func isTagged(img image.Image) bool {
	ref, err := image.ParseNamed(img.Ref)
	return err == nil && ref.Tag != "" || err != nil && img.Ref != ""
}

// refMatches compares a full reference with what a user calls it: a name, a name
// and a tag, or either with * and ? in it.
func refMatches(ref, pattern string) bool {
	r, err := image.ParseNamed(ref)
	if err != nil {
		return false
	}
	for _, form := range []string{r.FamiliarName(), r.Familiar(), r.Name(), r.String()} {
		if form == pattern {
			return true
		}
		if ok, err := path.Match(pattern, form); err == nil && ok {
			return true
		}
	}
	return false
}

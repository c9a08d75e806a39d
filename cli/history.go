package cli

import (
	"context"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	units "github.com/docker/go-units"

	"berth/cli/option"
	"berth/image"
)

// missing is the ID of a layer that no image of its own ends with.
const missing = "<missing>"

// historyRow is one step in the making of an image, with the fields of docker's
// templates.
type historyRow struct{ Comment, CreatedAt, CreatedBy, CreatedSince, ID, Size string }

type historyFlags struct {
	human, quiet, noTrunc bool
	format, platform      string
}

func historyCommand() *command {
	return &command{
		name: "history", category: categoryImages, group: "image", groupNames: []string{"history"},
		args: "[OPTIONS] IMAGE", short: "Show the history of an image",
		about: "History lists the steps that an image was made in, the last one first, with the size of the layer that each of them left. The first line has the image's ID; of the steps before, which are no images of their own, it is <missing>.",
		min:   1, max: 1, mixed: true,
		examples: []example{
			{"How an image was made, with commands in full.", "berth history --no-trunc debian:12"},
			{"Sizes in bytes, for a script.", `berth history -H=false --format '{{.Size}} {{.CreatedBy}}' debian:12`},
		},
		build: func(s *session) ([]*option.Option, action) {
			f := historyFlags{human: true}
			return []*option.Option{
				option.Text(&f.format, "format", "string", "Format output: table, table TEMPLATE, json, or a Go template"),
				option.Switch(&f.human, "H,human", "Print sizes and dates in human readable format (default true)"),
				option.Switch(&f.noTrunc, "no-trunc", "Don't truncate output"),
				option.Text(&f.platform, "platform", "string", "Show history for the given platform"),
				option.Switch(&f.quiet, "q,quiet", "Only show image IDs"),
			}, func(_ context.Context, args []string) error { return s.history(&f, args[0], time.Now()) }
		},
	}
}

func (s *session) history(f *historyFlags, ref string, now time.Time) error {
	platform, err := image.ParsePlatform(f.platform)
	if err != nil {
		return err
	}
	b, err := s.open()
	if err != nil {
		return err
	}
	d, err := b.images.Inspect(ref)
	if err != nil {
		return err
	}
	if f.platform != "" {
		if err := onPlatform(ref, d.Image, platform); err != nil {
			return err
		}
	}
	table := listing[historyRow]{
		headings: historyRow{
			Comment: "COMMENT", CreatedAt: "CREATED AT", CreatedBy: "CREATED BY", CreatedSince: "CREATED", ID: "IMAGE", Size: "SIZE",
		},
		columns: "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
	}
	if !f.human {
		table.columns = strings.Replace(table.columns, "CreatedSince", "CreatedAt", 1)
	}
	if f.quiet && (f.format == "" || f.format == "table") {
		f.format = "{{.ID}}"
	}
	return s.screen(f.format, func(out io.Writer) error { return table.print(out, f.format, f.rows(d, now)) })
}

// rows are the steps, the last one first. Layers belong to the steps that are
// not marked as having left none, in order.
func (f *historyFlags) rows(d image.Details, now time.Time) []historyRow {
	rows := make([]historyRow, 0, len(d.Config.History))
	sizes := d.LayerSizes
	for _, step := range d.Config.History {
		var size int64
		if !step.EmptyLayer && len(sizes) > 0 {
			size, sizes = sizes[0], sizes[1:]
		}
		rows = append(rows, f.row(step, size, now))
	}
	slices.Reverse(rows)
	if len(rows) > 0 {
		rows[0].ID = string(d.ID)
		if !f.noTrunc {
			rows[0].ID = shortID(rows[0].ID)
		}
	}
	return rows
}

func (f *historyFlags) row(step image.History, size int64, now time.Time) historyRow {
	r := historyRow{
		ID: missing, Comment: step.Comment, CreatedAt: "N/A", CreatedSince: "N/A",
		CreatedBy: strings.ReplaceAll(step.CreatedBy, "\t", " "), Size: strconv.FormatInt(size, 10),
	}
	if !f.noTrunc {
		r.CreatedBy = ellipsis(r.CreatedBy, 45)
	}
	if step.Created != nil && step.Created.Unix() > 0 {
		r.CreatedAt = step.Created.Local().Format(time.RFC3339)
		r.CreatedSince = units.HumanDuration(now.Sub(*step.Created)) + " ago"
	}
	if f.human {
		r.Size = units.HumanSizeWithPrecision(float64(size), 3)
	} else {
		r.CreatedSince = r.CreatedAt
	}
	return r
}

// onPlatform refuses an image for another platform than the one asked for. Each
// image of the store is for one.
func onPlatform(ref string, img image.Image, want image.Platform) error {
	if img.OS == want.OS && img.Architecture == want.Architecture && (want.Variant == "" || img.Variant == want.Variant) {
		return nil
	}
	return verbatim("image with reference %s was found but does not provide the specified platform (%s)", ref, want)
}

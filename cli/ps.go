package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	units "github.com/docker/go-units"

	"berth/cli/option"
	"berth/container"
	"berth/state"
)

// containerRow is a container as ps shows it. The fields are those of docker's
// templates and JSON, in the order of the JSON.
type containerRow struct {
	Command, CreatedAt, ID, Image, Labels, LocalVolumes, Mounts, Names, Networks string
	Platform, Ports, RunningFor, Size, State, Status                             string

	labels map[string]string
}

// Label is {{.Label "key"}} of templates.
func (r containerRow) Label(key string) string {
	if r.labels == nil {
		return key // the row of headings
	}
	return r.labels[key]
}

// psFlags pick containers and columns.
type psFlags struct {
	all, quiet, latest, noTrunc, size bool
	last                              *int
	format                            string
	filters                           []string
}

func psCommand() *command {
	return &command{
		name: "ps", category: categoryContainers, group: "container", groupNames: []string{"ls", "list", "ps"},
		args: "[OPTIONS]", short: "List containers",
		about: "Ps lists the running containers, or with -a all of them, newest first. A container whose record cannot be read is listed as broken, and keeps none of the others from being listed.",
		mixed: true,
		build: func(s *session) ([]*option.Option, action) {
			var f psFlags
			return []*option.Option{
				option.Switch(&f.all, "a,all", "Show all containers (default shows just running)"),
				option.List(&f.filters, "f,filter", "filter", "Filter output based on conditions provided"),
				option.Text(&f.format, "format", "string", "Format output: table, table TEMPLATE, json, or a Go template"),
				option.Parsed(&f.last, parseInt, "n,last", "int", "Show n last created containers (includes all states)"),
				option.Switch(&f.latest, "l,latest", "Show the latest created container (includes all states)"),
				option.Switch(&f.noTrunc, "no-trunc", "Don't truncate output"),
				option.Switch(&f.quiet, "q,quiet", "Only display container IDs"),
				option.Switch(&f.size, "s,size", "Display total file sizes"),
			}, func(ctx context.Context, _ []string) error { return s.ps(ctx, &f, time.Now()) }
		},
	}
}

func (s *session) ps(ctx context.Context, f *psFlags, now time.Time) error {
	b, err := s.open()
	if err != nil {
		return err
	}
	views, err := b.List(ctx)
	if err != nil {
		return err
	}
	if err := f.loadSpecs(b, views); err != nil {
		return err
	}
	if views, err = f.pick(b, views); err != nil {
		return err
	}
	rows := make([]containerRow, 0, len(views))
	for _, v := range views {
		rows = append(rows, f.row(b, v, now))
	}
	table := listing[containerRow]{
		headings: containerRow{
			Command: "COMMAND", CreatedAt: "CREATED AT", ID: "CONTAINER ID", Image: "IMAGE", Labels: "LABELS",
			LocalVolumes: "LOCAL VOLUMES", Mounts: "MOUNTS", Names: "NAMES", Networks: "NETWORKS",
			Platform: "PLATFORM", Ports: "PORTS", RunningFor: "CREATED", Size: "SIZE", State: "STATE", Status: "STATUS",
		},
		columns: "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}",
	}
	if f.size {
		table.columns += "\t{{.Size}}"
	}
	switch {
	case f.quiet:
		f.format = "{{.ID}}"
	case f.format == "":
		f.format = s.settings().PsFormat
	}
	return table.print(s.out, f.format, rows)
}

// pick applies -a, -n, -l and the filters.
func (f *psFlags) pick(b *backend, views []*container.View) ([]*container.View, error) {
	filters, err := parsePsFilters(f.filters, b, views)
	if err != nil {
		return nil, err
	}
	last := -1
	if f.last != nil {
		last = *f.last
	}
	if f.latest {
		last = 1
	}
	running := !f.all && last < 0 && !filters.has("status", "exited")
	views = slices.DeleteFunc(slices.Clone(views), func(v *container.View) bool {
		up := v.Status == container.Running || v.Status == container.Paused
		return running && !up || !filters.match(v)
	})
	if last >= 0 && len(views) > last {
		views = views[:last]
	}
	return views, nil
}

func (f *psFlags) row(b *backend, v *container.View, now time.Time) containerRow {
	r := containerRow{
		ID: v.ID, Names: v.Name, Image: v.Image.Ref, State: string(v.Status), Status: statusText(v, now),
		Networks: v.Network, labels: v.Labels, LocalVolumes: "0", Labels: pairs(v.Labels),
	}
	if v.Status == container.Broken {
		r.labels = map[string]string{}
		if !f.noTrunc {
			r.ID = shortID(r.ID)
		} else if v.Err != nil {
			r.Status = "Broken: " + v.Err.Error()
		}
		return r
	}
	if r.labels == nil {
		r.labels = map[string]string{}
	}
	if strings.HasPrefix(r.Image, "sha256:") && !f.noTrunc {
		r.Image = shortID(r.Image)
	}
	command := strings.Join(slices.Concat(v.Entrypoint, v.Cmd), " ")
	f.fromSpec(&r, v)
	if !f.noTrunc {
		r.ID, command, r.Mounts = shortID(r.ID), ellipsis(command, 20), ellipsis(r.Mounts, 20)
	}
	r.Command = strconv.Quote(command)
	r.CreatedAt = v.Created.Local().Format("2006-01-02 15:04:05 -0700 MST")
	r.RunningFor = units.HumanDuration(now.Sub(v.Created)) + " ago"
	if f.size {
		r.Size = sizeText(b, v)
	}
	return r
}

// fromSpec fills in what only the spec knows. A listing may come without specs,
// which are the greater part of a record.
func (f *psFlags) fromSpec(r *containerRow, v *container.View) {
	if v.Image.Ref == "" {
		r.Image = v.Rootfs
	}
	if v.Spec == nil {
		return
	}
	var mounts []string
	for _, m := range v.Spec.Mounts {
		if m.Type == "bind" {
			mounts = append(mounts, m.Source)
		}
	}
	r.Mounts = strings.Join(mounts, ",")
}

// loadSpecs reads the containers' specs when a format or a filter may ask for
// the mounts. A broken container has none, and one may go meanwhile.
func (f *psFlags) loadSpecs(b *backend, views []*container.View) error {
	asks := func(filter string) bool { return strings.HasPrefix(filter, "volume=") }
	if f.format == "" && !slices.ContainsFunc(f.filters, asks) {
		return nil
	}
	for _, v := range views {
		if v.Status == container.Broken {
			continue
		}
		if err := ignoreMissing(b.LoadSpec(v.Config)); err != nil {
			return err
		}
	}
	return nil
}

// statusText is docker's STATUS column.
func statusText(v *container.View, now time.Time) string {
	up := func() string {
		if v.Live == nil {
			return "Up"
		}
		return "Up " + units.HumanDuration(now.Sub(v.Live.Started))
	}
	switch v.Status {
	case container.Running:
		return up()
	case container.Paused:
		return up() + " (Paused)"
	case container.Exited:
		if v.Exit == nil {
			return "Exited"
		}
		code := "unknown"
		if v.Exit.Code != nil {
			code = strconv.Itoa(*v.Exit.Code)
		}
		return fmt.Sprintf("Exited (%s) %s ago", code, units.HumanDuration(now.Sub(v.Exit.Finished)))
	case container.Removing:
		return "Removal In Progress"
	case container.Created:
		return "Created"
	case container.Dead:
		return "Dead"
	}
	return "Broken" + brokenText(v.Err)
}

// brokenText is why a record cannot be read, short enough for a column.
func brokenText(err error) string {
	for _, cause := range []error{state.ErrCorrupt, state.ErrVersion, state.ErrTooLarge} {
		if errors.Is(err, cause) {
			return ": " + cause.Error()
		}
	}
	return ""
}

// pairs is a map in docker's one-line form.
func pairs(m map[string]string) string {
	list := make([]string, 0, len(m))
	for k, v := range m {
		list = append(list, k+"="+v)
	}
	slices.Sort(list)
	return strings.Join(list, ",")
}

// sizeText is what the container wrote, and that with its image.
func sizeText(b *backend, v *container.View) string {
	written := treeSize(b.upper(v.ID))
	text := units.HumanSizeWithPrecision(float64(written), 3)
	if img, err := b.images.Resolve(v.Image.ID); err == nil {
		text += " (virtual " + units.HumanSizeWithPrecision(float64(written+img.Size), 3) + ")"
	}
	return text
}

// treeSize adds up regular files in bytes. What vanishes meanwhile counts
// nothing.
func treeSize(root string) int64 {
	var total int64
	_ = filepath.WalkDir(root, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil //nolint:nilerr // the size is an estimate of a tree that may be in use
		}
		if info, err := e.Info(); err == nil {
			total += info.Size()
		}
		return nil
	})
	return total
}

package cli

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	units "github.com/docker/go-units"

	"berth/cli/option"
	"berth/container"
	"berth/image"
)

// usageRow is a line of system df, with the fields of docker's templates.
type usageRow struct {
	Active, Reclaimable, Size, TotalCount, Type string
}

// usage is what one kind of objects takes; size and free are in bytes.
type usage struct {
	kind          string
	total, active int
	size, free    int64
}

func (u usage) row() usageRow {
	r := usageRow{
		Type: u.kind, TotalCount: strconv.Itoa(u.total), Active: strconv.Itoa(u.active),
		Size: units.HumanSize(float64(u.size)), Reclaimable: units.HumanSize(float64(u.free)),
	}
	if u.size > 0 {
		r.Reclaimable += fmt.Sprintf(" (%d%%)", u.free*100/u.size)
	}
	return r
}

func dfCommand() *command {
	return &command{
		name: "system df", category: categoryOther, group: "system", groupNames: []string{"df"}, hidden: true,
		args: "[OPTIONS]", short: "Show disk usage",
		about: "Df prints how much room images, containers, volumes and the build cache take, and how much of it prune would give back; with -v for each of them. A layer that several images share counts once. This version has no build cache.",
		mixed: true,
		examples: []example{
			{"What could be given back.", "berth system df --format '{{.Type}}: {{.Reclaimable}}'"},
		},
		build: func(s *session) ([]*option.Option, action) {
			var format string
			var verbose bool
			return []*option.Option{
				option.Text(&format, "format", "string", "Format output: table, table TEMPLATE, json, or a Go template"),
				option.Switch(&verbose, "v,verbose", "Show detailed information on space usage"),
			}, func(ctx context.Context, _ []string) error { return s.diskUsage(ctx, format, verbose, time.Now()) }
		},
	}
}

func (s *session) diskUsage(ctx context.Context, format string, verbose bool, now time.Time) error {
	b, err := s.open()
	if err != nil {
		return err
	}
	d, err := measureDisk(ctx, b)
	if err != nil {
		return err
	}
	if verbose {
		return d.printDetails(s.out, format, b, now)
	}
	table := listing[usageRow]{
		headings: usageRow{Type: "TYPE", TotalCount: "TOTAL", Active: "ACTIVE", Size: "SIZE", Reclaimable: "RECLAIMABLE"},
		columns:  "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
	}
	var rows []usageRow
	for _, u := range d.kinds() {
		rows = append(rows, u.row())
	}
	return clientFault(table.print(s.out, format, rows))
}

// disk is what the state of berth takes.
type disk struct {
	images     []image.Image
	layers     map[string]int64 // bytes, by path
	users      map[image.Digest]int
	containers []*container.View
	written    map[string]int64 // bytes, by container
	volumes    []volumeUse
}

type volumeUse struct {
	name  string
	links int
	size  int64
}

func measureDisk(ctx context.Context, b *backend) (*disk, error) {
	d := &disk{users: map[image.Digest]int{}, written: map[string]int64{}}
	var err error
	if d.images, err = b.images.List(); err != nil {
		return nil, err
	}
	if d.layers, err = b.images.LayerSizes(); err != nil {
		return nil, err
	}
	if d.containers, err = b.List(ctx); err != nil {
		return nil, err
	}
	for _, v := range d.containers {
		d.users[image.Digest(v.Image.ID)]++
		d.written[v.ID] = treeSize(b.upper(v.ID))
	}
	d.volumes, err = measureVolumes(b, d.containers)
	return d, err
}

// measureVolumes looks at the folders of volumes, and for the containers that
// have mounted one.
func measureVolumes(b *backend, views []*container.View) ([]volumeUse, error) {
	names, err := os.ReadDir(b.dirs.Volumes())
	if err != nil {
		return nil, ignoreMissing(err)
	}
	var list []volumeUse
	for _, n := range names {
		if !n.IsDir() || strings.HasPrefix(n.Name(), ".") {
			continue
		}
		dir := b.dirs.Volumes() + "/" + n.Name()
		u := volumeUse{name: n.Name(), size: treeSize(dir)}
		for _, v := range views {
			if mountsBelow(b, v, dir) {
				u.links++
			}
		}
		list = append(list, u)
	}
	return list, nil
}

func mountsBelow(b *backend, v *container.View, dir string) bool {
	if v.Err != nil || b.LoadSpec(v.Config) != nil || v.Spec == nil {
		return false
	}
	for _, m := range v.Spec.Mounts {
		if m.Source == dir || strings.HasPrefix(m.Source, dir+"/") {
			return true
		}
	}
	return false
}

// kinds are the lines of the table.
func (d *disk) kinds() []usage {
	containers := usage{kind: "Containers", total: len(d.containers)}
	for _, v := range d.containers {
		size := d.written[v.ID]
		containers.size += size
		if v.Up() {
			containers.active++
		} else {
			containers.free += size
		}
	}
	volumes := usage{kind: "Local Volumes", total: len(d.volumes)}
	for _, v := range d.volumes {
		volumes.size += v.size
		if v.links > 0 {
			volumes.active++
		} else {
			volumes.free += v.size
		}
	}
	return []usage{d.imageUsage(), containers, volumes, {kind: "Build Cache"}}
}

// imageUsage counts every layer once; one that no image with a container has
// could be given back.
func (d *disk) imageUsage() usage {
	u := usage{kind: "Images"}
	seen, kept := map[image.Digest]bool{}, map[string]bool{}
	for _, img := range d.images {
		used := d.users[img.ID] > 0
		for _, layer := range img.Layers {
			kept[layer] = kept[layer] || used
		}
		if img.ID == "" || seen[img.ID] {
			continue
		}
		seen[img.ID] = true
		u.total++
		if used {
			u.active++
		}
	}
	for layer, used := range kept {
		u.size += d.layers[layer]
		if !used {
			u.free += d.layers[layer]
		}
	}
	return u
}

// shared is how much of an image other images have, too.
func (d *disk) shared(img image.Image) int64 {
	others := map[string]bool{}
	for _, other := range d.images {
		for _, layer := range other.Layers {
			others[layer] = others[layer] || other.ID != img.ID
		}
	}
	var sum int64
	for _, layer := range img.Layers {
		if others[layer] {
			sum += d.layers[layer]
		}
	}
	return sum
}

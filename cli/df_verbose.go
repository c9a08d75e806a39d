package cli

import (
	"fmt"
	"io"
	"strconv"
	"time"

	units "github.com/docker/go-units"
)

// diskDetails is what templates of system df -v see.
type diskDetails struct {
	Images     []imageRow
	Containers []containerRow
	Volumes    []volumeRow
	BuildCache []struct{}
}

type volumeRow struct {
	Driver, Links, Name, Size string
}

// details describes every object by itself. tables tells that ids are cut.
func (d *disk) details(b *backend, now time.Time, tables bool) diskDetails {
	all := diskDetails{Images: []imageRow{}, Containers: []containerRow{}, Volumes: []volumeRow{}, BuildCache: []struct{}{}}
	flags := imagesFlags{noTrunc: !tables}
	for _, img := range d.images {
		row := flags.row(img, now)
		shared := d.shared(img)
		row.Containers = strconv.Itoa(d.users[img.ID])
		row.SharedSize = units.HumanSize(float64(shared))
		row.UniqueSize = units.HumanSize(float64(img.Size - shared))
		all.Images = append(all.Images, row)
	}
	for _, v := range d.containers {
		written := d.written[v.ID]
		all.Containers = append(all.Containers, containerRow{view: v, backend: b, now: now, full: !tables, written: &written})
	}
	for _, v := range d.volumes {
		all.Volumes = append(all.Volumes, volumeRow{"local", strconv.Itoa(v.links), v.name, units.HumanSize(float64(v.size))})
	}
	return all
}

// printDetails prints what each object takes: docker's four tables, or a
// template of all of them.
func (d *disk) printDetails(out io.Writer, format string, b *backend, now time.Time) error {
	all := d.details(b, now, format == "" || format == "table")
	switch format {
	case "", "table":
	case "json":
		return jsonLines(out, []diskDetails{all})
	default:
		return printObject(out, format, all)
	}
	images := listing[imageRow]{
		headings: imageRow{
			Repository: "REPOSITORY", Tag: "TAG", ID: "IMAGE ID", CreatedSince: "CREATED", Size: "SIZE", SharedSize: "SHARED SIZE",
			UniqueSize: "UNIQUE SIZE", Containers: "CONTAINERS",
		},
		columns: "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}",
	}
	containers := listing[containerRow]{
		headings: psHeadings(), columns: "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}",
	}
	volumes := listing[volumeRow]{
		headings: volumeRow{Name: "VOLUME NAME", Links: "LINKS", Size: "SIZE"}, columns: "{{.Name}}\t{{.Links}}\t{{.Size}}",
	}
	for _, part := range []struct {
		title string
		print func() error
	}{
		{"Images space usage:\n\n", func() error { return images.print(out, "", all.Images) }},
		{"\nContainers space usage:\n\n", func() error { return containers.print(out, "", all.Containers) }},
		{"\nLocal Volumes space usage:\n\n", func() error { return volumes.print(out, "", all.Volumes) }},
		{"\nBuild cache usage: 0B\n\n", func() error { return nil }},
	} {
		if _, err := fmt.Fprint(out, part.title); err != nil {
			return err
		}
		if err := part.print(); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(out, "CACHE ID   CACHE TYPE   SIZE      CREATED   LAST USED   USAGE     SHARED")
	return err
}

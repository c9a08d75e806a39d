package cli

import (
	"time"

	"berth/image"
)

// imageDetails is docker's output of inspect for an image.
type imageDetails struct {
	Id                        string
	RepoTags, RepoDigests     []string
	Comment, Created, Author  string
	Architecture, Variant, Os string
	Size                      int64
	Config                    image.Config
	GraphDriver               graphDriver
	RootFS                    rootFS
}

type graphDriver struct {
	Name string
	Data map[string]string
}

type rootFS struct {
	Type   string
	Layers []string
}

func describeImage(d image.Details) imageDetails {
	out := imageDetails{
		Id: string(d.ID), RepoTags: []string{}, RepoDigests: []string{}, Author: d.Config.Author,
		Architecture: d.Architecture, Variant: d.Variant, Os: d.OS, Size: d.Size, Config: d.Config.Config,
		GraphDriver: graphDriver{Name: "overlay", Data: map[string]string{}},
		RootFS:      rootFS{Type: d.Config.RootFS.Type, Layers: []string{}},
	}
	if !d.Created.IsZero() {
		out.Created = d.Created.Format(time.RFC3339Nano)
	}
	if n := len(d.Config.History); n > 0 {
		out.Comment = d.Config.History[n-1].Comment
	}
	for _, name := range d.Refs {
		ref, err := image.ParseNamed(name)
		if err != nil {
			continue
		}
		if ref.Tag != "" {
			out.RepoTags = append(out.RepoTags, ref.Familiar())
		}
		out.RepoDigests = append(out.RepoDigests, ref.FamiliarName()+"@"+string(d.Image.Manifest))
	}
	for _, id := range d.Config.RootFS.DiffIDs {
		out.RootFS.Layers = append(out.RootFS.Layers, string(id))
	}
	if len(d.Layers) > 0 {
		out.GraphDriver.Data["UpperDir"] = d.Layers[0]
	}
	return out
}

package cli

import (
	"strings"
	"time"

	"berth/image"
)

// imageDetails is docker's output of inspect for an image.
type imageDetails struct {
	ID                    string `json:"Id"`
	RepoTags, RepoDigests []string
	Parent, Comment       string
	Created               string `json:",omitempty"`
	DockerVersion, Author string
	Config                imageConfig
	Architecture          string
	Variant               string `json:",omitempty"`
	Os                    string
	OsVersion             string `json:",omitempty"`
	Size                  int64
	GraphDriver           graphDriver
	RootFS                rootFS
	Metadata              imageMetadata
}

// imageConfig is an image's config with docker's zero values.
type imageConfig struct {
	User         string
	ExposedPorts map[string]struct{} `json:",omitempty"`
	Env, Cmd     []string
	Healthcheck  *image.Healthcheck `json:",omitempty"`
	ArgsEscaped  bool               `json:",omitempty"`
	Volumes      map[string]struct{}
	WorkingDir   string
	Entrypoint   []string
	OnBuild      []string
	Labels       map[string]string
	StopSignal   string   `json:",omitempty"`
	Shell        []string `json:",omitempty"`
}

type graphDriver struct {
	Data map[string]string
	Name string
}

type rootFS struct {
	Type   string
	Layers []string
}

type imageMetadata struct {
	LastTagTime string
}

func describeImage(d image.Details) imageDetails {
	out := imageDetails{
		ID: string(d.ID), RepoTags: []string{}, RepoDigests: []string{}, Author: d.Config.Author,
		Architecture: d.Architecture, Variant: d.Variant, Os: d.OS, OsVersion: d.Config.OSVersion, Size: d.Size,
		Config:      describeImageConfig(d.Config.Config),
		GraphDriver: graphDriver{Name: storageDriver, Data: map[string]string{}},
		RootFS:      rootFS{Type: d.Config.RootFS.Type, Layers: []string{}},
		Metadata:    imageMetadata{LastTagTime: never},
	}
	if !d.Created.IsZero() {
		out.Created = d.Created.Format(time.RFC3339Nano)
	}
	if n := len(d.Config.History); n > 0 {
		out.Comment = d.Config.History[n-1].Comment
	}
	for _, name := range d.Refs {
		out.RepoTags = append(out.RepoTags, shortRef(name))
	}
	for _, name := range d.Digests {
		out.RepoDigests = append(out.RepoDigests, shortRef(name))
	}
	for _, id := range d.Config.RootFS.DiffIDs {
		out.RootFS.Layers = append(out.RootFS.Layers, string(id))
	}
	if len(d.Layers) > 0 {
		out.GraphDriver.Data["UpperDir"] = d.Layers[0]
	}
	if len(d.Layers) > 1 {
		out.GraphDriver.Data["LowerDir"] = strings.Join(d.Layers[1:], ":")
	}
	return out
}

func describeImageConfig(c image.Config) imageConfig {
	return imageConfig{
		User: c.User, ExposedPorts: c.ExposedPorts, Env: c.Env, Cmd: c.Cmd, Healthcheck: c.Healthcheck, ArgsEscaped: c.ArgsEscaped,
		Volumes: c.Volumes, WorkingDir: c.WorkingDir, Entrypoint: c.Entrypoint, OnBuild: c.OnBuild, Labels: c.Labels,
		StopSignal: c.StopSignal, Shell: c.Shell,
	}
}

package cli

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"berth/image"
	"berth/registry"
	"berth/state"
)

func digestOf(b []byte) image.Digest {
	return image.Digest(fmt.Sprintf("sha256:%x", sha256.Sum256(b)))
}

// worldOfManifests has a real store for lists, and two images in its registries.
func worldOfManifests(t *testing.T) *world {
	t.Helper()
	w := newWorld()
	dir := t.TempDir()
	w.images.imageStore = image.Open(state.Dirs{Root: dir + "/root", Run: dir + "/run"})
	w.remote.documents, w.remote.blobs = map[string][]byte{}, map[image.Digest][]byte{}
	w.remote.add(t, "h:5/x:amd64", "amd64", image.MediaTypeManifest)
	w.remote.add(t, "h:5/y:arm", "arm", image.MediaTypeDockerImage)
	return w
}

// add has the registry have an image without layers.
func (r *fakeRegistry) add(t *testing.T, ref, arch, mediaType string) image.Digest {
	t.Helper()
	config := encode(t, image.ImageConfig{OS: "linux", Architecture: arch})
	manifest := encode(t, image.Manifest{
		SchemaVersion: 2, MediaType: mediaType, Layers: []image.Descriptor{},
		Config: image.Descriptor{MediaType: image.MediaTypeConfig, Digest: digestOf(config), Size: int64(len(config))},
	})
	r.blobs[digestOf(config)] = config
	name, _, _ := strings.Cut(ref, ":a")
	r.documents[ref], r.documents[name+"@"+string(digestOf(manifest))] = manifest, manifest
	return digestOf(manifest)
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// does runs a command line that must succeed.
func (w *world) does(t *testing.T, line string) string {
	t.Helper()
	r := w.berth(t, strings.Fields(line)...)
	if r.code != 0 || r.err != "" {
		t.Fatalf("%s: status %d, %s", line, r.code, r.err)
	}
	return r.out
}

func TestManifestLists(t *testing.T) {
	w := worldOfManifests(t)
	prints(t, "create", w.does(t, "manifest create h:5/x h:5/x:amd64"), "Created manifest list h:5/x:latest\n")
	prints(t, "create --amend", w.does(t, "manifest create -a --insecure h:5/x h:5/y:arm h:5/x:amd64"), "Created manifest list h:5/x:latest\n")
	if f := w.remote.flags[1]; f.tlsVerify == nil || *f.tlsVerify {
		t.Error("--insecure had no effect")
	}
	prints(t, "annotate", w.does(t, "manifest annotate h:5/x h:5/y:arm --variant v6 --os-features a,b --os-version 1"), "")

	var index image.Index
	out := w.does(t, "manifest inspect h:5/x")
	if err := json.Unmarshal([]byte(out), &index); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out, "{\n   \"schemaVersion\": 2,\n   \"mediaType\": \""+image.MediaTypeIndex+"\"") || len(index.Manifests) != 2 {
		t.Errorf("inspect of a list: %s", out)
	}
	arm := index.Manifests[1].Platform
	if arm.Architecture != "arm" || arm.Variant != "v6" || arm.OSVersion != "1" || !slices.Equal(arm.OSFeatures, []string{"a", "b"}) {
		t.Errorf("platform %+v", arm)
	}
	prints(t, "inspect LIST IMAGE", w.does(t, "manifest inspect h:5/x h:5/y:arm"), indented(t, w.remote.documents["h:5/y:arm"]))

	prints(t, "push", w.does(t, "manifest push -p h:5/x"), "Pushed ref h:5/x@"+string(index.Manifests[1].Digest)+" with digest: "+string(index.Manifests[1].Digest)+"\n"+string(digestOf([]byte(strings.TrimSuffix(out, "\n"))))+"\n")
	if got := w.remote.put[len(w.remote.put)-1]; got != "h:5/x:latest" {
		t.Errorf("pushed %q", w.remote.put)
	}
	if r := w.berth(t, "manifest", "rm", "h:5/x"); r.code != 1 || r.err != "Error: No such manifest: h:5/x:latest\n" {
		t.Errorf("rm after --purge: status %d, %s", r.code, r.err)
	}
}

func indented(t *testing.T, b []byte) string {
	t.Helper()
	var v json.RawMessage = b
	out, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	return string(out) + "\n"
}

func TestManifestInspectRemote(t *testing.T) {
	w := worldOfManifests(t)
	digest := digestOf(w.remote.documents["h:5/x:amd64"])
	prints(t, "image", w.does(t, "manifest inspect h:5/x:amd64"), indented(t, w.remote.documents["h:5/x:amd64"]))
	var m manifestDetails
	if err := json.Unmarshal([]byte(w.does(t, "manifest inspect -v h:5/x:amd64")), &m); err != nil {
		t.Fatal(err)
	}
	if m.Ref != "h:5/x:amd64" || m.Descriptor.Digest != digest || m.Descriptor.Platform.Architecture != "amd64" || m.OCIManifest == nil || m.SchemaV2Manifest != nil {
		t.Errorf("details %+v", m)
	}
	w.remote.documents["h:5/x:multi"] = encode(t, image.Index{SchemaVersion: 2, MediaType: image.MediaTypeIndex, Manifests: []image.Descriptor{
		{MediaType: image.MediaTypeManifest, Digest: digest, Size: m.Descriptor.Size, Platform: &image.Platform{OS: "linux", Architecture: "amd64"}},
	}})
	if out := w.does(t, "manifest inspect h:5/x:multi"); !strings.Contains(out, "\n   \"manifests\": [\n      {\n") {
		t.Errorf("list: %s", out)
	}
	var list []manifestDetails
	if err := json.Unmarshal([]byte(w.does(t, "manifest inspect --verbose h:5/x:multi")), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || list[0].Ref != "h:5/x:multi@"+string(digest) || list[0].Descriptor.Platform.Architecture != "amd64" || digestOf(list[0].Raw) != digest {
		t.Errorf("details %+v", list)
	}
}

func TestManifestRefused(t *testing.T) {
	denied := &registry.Error{Status: 401, Code: "DENIED", Message: "requested access to the resource is denied"}
	for _, tt := range []struct {
		line string
		err  error
		want string
	}{
		{"manifest create h:5/x h:5/x:none", nil, "no such manifest: h:5/x:none\n"},
		{"manifest create h:5/have h:5/x:amd64", nil, "refusing to amend an existing manifest list with no --amend flag\n"},
		{"manifest create UPPER h:5/x:amd64", nil, "error parsing name for manifest list UPPER: invalid reference format"},
		{"manifest create h:5/x h:5/x:list", nil, "h:5/x:list is a manifest list\n"},
		{"manifest create h:5/x h:5/x:amd64", denied, "denied: requested access to the resource is denied\nhint: berth login h:5 keeps credentials\n"},
		{"manifest annotate h:5/have h:5/x:none", nil, "manifest for image h:5/x:none does not exist in h:5/have\n"},
		{"manifest annotate h:5/have h:5/x:amd64 --arch x86", nil, "manifest entry for image has unsupported os/arch combination: linux/x86\n"},
		{"manifest annotate UPPER x", nil, "annotate: error parsing name for manifest list UPPER: invalid reference format"},
		{"manifest annotate x UPPER", nil, "annotate: error parsing name for manifest UPPER: invalid reference format"},
		{"manifest inspect h:5/none", nil, "no such manifest: h:5/none:latest\n"},
		{"manifest inspect h:5/none h:5/x:amd64", nil, "No such manifest: h:5/none:latest\n"},
		{"manifest inspect h:5/have h:5/x:none", nil, "No such manifest: h:5/x:none\n"},
		{"manifest push h:5/none", nil, "No such manifest: h:5/none:latest\n"},
		{"manifest push h:5/have", denied, "denied: requested access to the resource is denied\nhint: berth login h:5 keeps credentials\n"},
		{"manifest rm h:5/none h:5/have", nil, "No such manifest: h:5/none:latest\n"},
	} {
		t.Run(tt.line, func(t *testing.T) {
			for program, prefix := range map[string]string{"berth": "Error: ", "docker": ""} {
				w := worldOfManifests(t)
				w.remote.documents["h:5/x:list"] = encode(t, image.Index{SchemaVersion: 2, MediaType: image.MediaTypeIndex, Manifests: []image.Descriptor{}})
				w.does(t, "manifest create h:5/have h:5/x:amd64")
				w.remote.err = tt.err
				r := w.called(t, program, strings.Fields(tt.line)...)
				if r.code != 1 || !strings.HasPrefix(r.err, prefix+tt.want) || r.out != "" {
					t.Errorf("%s: status %d, stdout %q, stderr %q, want %q", program, r.code, r.out, r.err, prefix+tt.want)
				}
				if len(w.remote.refs) != w.remote.closed {
					t.Errorf("%s: %d clients, %d closed", program, len(w.remote.refs), w.remote.closed)
				}
			}
		})
	}
}

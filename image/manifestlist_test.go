package image

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
)

// pushedImage has an image of two layers in the fake registry.
func pushedImage(t *testing.T, s *Store, f *fakeTarget, name string) {
	t.Helper()
	manyLayers(t, s, name, 2)
	if _, err := s.Push(t.Context(), f, name, mustRef(t, name), PushOptions{}); err != nil {
		t.Fatal(err)
	}
}

func mustFetch(t *testing.T, f *fakeTarget, name string) ListMember {
	t.Helper()
	m, err := FetchMember(t.Context(), f, mustRef(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestManifestListRecord(t *testing.T) {
	s, f := testStore(t), newFakeTarget()
	list := mustRef(t, "reg:5000/list:1")
	missing := new(NoSuchManifestError)
	if _, err := s.ManifestList(list); !errors.As(err, &missing) || err.Error() != "No such manifest: reg:5000/list:1" {
		t.Fatalf("error %v for a list that is not there", err)
	}
	if err := s.RemoveManifestList(list); !errors.As(err, &missing) {
		t.Fatalf("remove: error %v for a list that is not there", err)
	}
	pushedImage(t, s, f, "reg:5000/a:1")
	m := mustFetch(t, f, "reg:5000/a:1")
	if p := m.Descriptor.Platform; p.OS != "linux" || p.Architecture != "amd64" {
		t.Errorf("platform %+v, want the config's", p)
	}
	add := func(amend bool, members ...ListMember) error {
		return s.AddToManifestList(t.Context(), list, members, amend)
	}
	if err := add(false, m); err != nil {
		t.Fatal(err)
	}
	if err := add(false, m); !errors.Is(err, ErrListExists) {
		t.Errorf("error %v, want %v", err, ErrListExists)
	}
	other := m
	other.Ref = "reg:5000/b:1"
	if err := add(true, m, other); err != nil {
		t.Fatal(err)
	}
	l, err := s.ManifestList(list)
	if err != nil {
		t.Fatal(err)
	}
	if refs := []string{l.Members[0].Ref, l.Members[1].Ref}; len(l.Members) != 2 || !slices.Equal(refs, []string{"reg:5000/a:1", "reg:5000/b:1"}) {
		t.Errorf("members %q", refs)
	}
	if !bytes.Equal(l.Members[0].Content, m.Content) {
		t.Error("the manifest's bytes changed")
	}
	if err := s.RemoveManifestList(list); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ManifestList(list); !errors.As(err, &missing) {
		t.Errorf("error %v after the removal", err)
	}
}

func TestAnnotateManifest(t *testing.T) {
	s, f := testStore(t), newFakeTarget()
	list, member := mustRef(t, "reg:5000/list:1"), mustRef(t, "reg:5000/a:1")
	pushedImage(t, s, f, "reg:5000/a:1")
	if err := s.AddToManifestList(t.Context(), list, []ListMember{mustFetch(t, f, "reg:5000/a:1")}, false); err != nil {
		t.Fatal(err)
	}
	change := func(p Platform) error { return s.AnnotateManifest(t.Context(), list, member, p) }
	for _, p := range []Platform{
		{Architecture: "arm", Variant: "v7", OSFeatures: []string{"x"}},
		{OS: "windows", OSVersion: "10", OSFeatures: []string{"x", "y"}},
	} {
		if err := change(p); err != nil {
			t.Fatal(err)
		}
	}
	err := change(Platform{Architecture: "s390x"})
	if err == nil || err.Error() != "manifest entry for image has unsupported os/arch combination: windows/s390x" {
		t.Errorf("error %v for windows on s390x", err)
	}
	missing := new(NoSuchManifestError)
	if err := s.AnnotateManifest(t.Context(), list, mustRef(t, "reg:5000/z:1"), Platform{}); !errors.As(err, &missing) {
		t.Errorf("error %v for a member that is not there", err)
	}
	l, err := s.ManifestList(list)
	if err != nil {
		t.Fatal(err)
	}
	got := *l.Members[0].Descriptor.Platform
	if got.OS != "windows" || got.Architecture != "arm" || got.Variant != "v7" || got.OSVersion != "10" || strings.Join(got.OSFeatures, ",") != "x,y" {
		t.Errorf("platform %+v", got)
	}
}

func TestPushManifestList(t *testing.T) {
	s, f := testStore(t), newFakeTarget()
	for _, name := range []string{"reg:5000/list:amd64", "reg:5000/other:1", "far:5000/c:1"} {
		pushedImage(t, s, f, name)
	}
	manyLayers(t, s, "local:1", 3)
	stored, err := s.StoredMember(mustRef(t, "local:1"))
	if err != nil {
		t.Fatal(err)
	}
	l := ManifestList{Ref: "reg:5000/list:1", Members: []ListMember{
		mustFetch(t, f, "reg:5000/list:amd64"), mustFetch(t, f, "reg:5000/other:1"), mustFetch(t, f, "far:5000/c:1"), stored,
	}}
	// Only what the other repositories have is left.
	for at := range f.blobs {
		if strings.HasPrefix(at, "list@") {
			delete(f.blobs, at)
		}
	}
	f.calls = nil
	var told []string
	digest, err := s.PushManifestList(t.Context(), f, f, l, func(m Reference) { told = append(told, m.Familiar()) })
	if err != nil {
		t.Fatal(err)
	}
	if len(told) != 3 || told[0] != "reg:5000/list@"+string(l.Members[1].Descriptor.Digest) {
		t.Errorf("told of %q", told)
	}
	got := f.manifests["reg:5000/list:1"]
	if digestBytes(got) != digest || f.types["reg:5000/list:1"] != MediaTypeIndex {
		t.Errorf("list %s of type %s, want %s", got, f.types["reg:5000/list:1"], digest)
	}
	var index Index
	if err := json.Unmarshal(got, &index); err != nil {
		t.Fatal(err)
	}
	for i, m := range index.Manifests {
		if m.Digest != l.Members[i].Descriptor.Digest || m.Platform.Architecture != "amd64" {
			t.Errorf("entry %d is %+v", i, m)
		}
		if i > 0 && !bytes.Equal(f.manifests["reg:5000/list@"+string(m.Digest)], l.Members[i].Content) {
			t.Errorf("manifest %d did not arrive as it was", i)
		}
	}
	if n := count(f.calls, "mount from other"); n != 3 {
		t.Errorf("%d blobs mounted, want 3: %q", n, f.calls)
	}
}

func count(list []string, want string) int {
	n := 0
	for _, s := range list {
		if s == want {
			n++
		}
	}
	return n
}

func TestManifestListRefuses(t *testing.T) {
	s, f := testStore(t), newFakeTarget()
	pushedImage(t, s, f, "reg:5000/a:1")
	good := mustFetch(t, f, "reg:5000/a:1")

	index, err := json.Marshal(Index{SchemaVersion: 2, MediaType: MediaTypeIndex})
	if err != nil {
		t.Fatal(err)
	}
	f.manifests["reg:5000/list:1"], f.types["reg:5000/list:1"] = index, MediaTypeIndex
	if _, err := FetchMember(t.Context(), f, mustRef(t, "reg:5000/list:1")); err == nil || err.Error() != "reg:5000/list:1 is a manifest list" {
		t.Errorf("error %v for a list in a list", err)
	}
	pinned := mustRef(t, "reg:5000/a@sha256:"+strings.Repeat("1", 64))
	f.manifests[pinned.Familiar()], f.types[pinned.Familiar()] = good.Content, MediaTypeManifest
	if _, err := FetchMember(t.Context(), f, pinned); !errors.Is(err, ErrCorrupt) {
		t.Errorf("error %v for a manifest of another digest", err)
	}
	for at, b := range f.blobs {
		f.blobs[at] = append([]byte("x"), b[1:]...)
	}
	if _, err := FetchMember(t.Context(), f, mustRef(t, "reg:5000/a:1")); !errors.Is(err, ErrCorrupt) {
		t.Errorf("error %v for a config of another digest", err)
	}

	bare := good
	bare.Descriptor.Platform = &Platform{OS: "linux"}
	l := ManifestList{Ref: "reg:5000/l:1", Members: []ListMember{bare}}
	if _, err := s.PushManifestList(t.Context(), f, f, l, nil); err == nil || err.Error() != "manifest reg:5000/a:1 must have an OS and Architecture to be pushed to a registry" {
		t.Errorf("error %v without an architecture", err)
	}
	if _, err := s.StoredMember(mustRef(t, "nobody:1")); err == nil || err.Error() != "No such image: nobody:1" {
		t.Errorf("error %v for an image that is not stored", err)
	}
	stored, err := s.StoredMember(mustRef(t, "reg:5000/a:1"))
	if err != nil {
		t.Fatal(err)
	}
	var m Manifest
	if err := json.Unmarshal(stored.Content, &m); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(s.blobPath(m.Layers[0].Digest)); err != nil {
		t.Fatal(err)
	}
	l.Members = []ListMember{stored}
	if _, err := s.PushManifestList(t.Context(), f, f, l, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v for a layer that is gone", err)
	}
}

package image

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

const (
	someDigest  Digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	otherDigest Digest = "sha256:2222222222222222222222222222222222222222222222222222222222222222"
)

// pulled gives the image under a tag the digest that a registry knows it by.
func pulled(t *testing.T, s *Store, tag string, d Digest) {
	t.Helper()
	index, err := s.readIndex()
	if err != nil {
		t.Fatal(err)
	}
	ref, err := ParseReference(tag)
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range index.Manifests {
		if fullName(row) == ref.String() {
			index.Manifests[i] = withAnnotation(row, annotationDigest, string(d))
		}
	}
	if err := s.writeIndex(index); err != nil {
		t.Fatal(err)
	}
}

// rename gives the row of a tag a name as another tool would.
func rename(t *testing.T, s *Store, tag, to string) {
	t.Helper()
	index, err := s.readIndex()
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range index.Manifests {
		if fullName(row) == tag {
			index.Manifests[i] = withAnnotation(row, annotationRefName, to)
		}
	}
	if err := s.writeIndex(index); err != nil {
		t.Fatal(err)
	}
}

func familiar(names []string) string {
	var list []string
	for _, name := range names {
		ref, err := ParseNamed(name)
		if err != nil {
			list = append(list, name)
			continue
		}
		list = append(list, strings.ReplaceAll(strings.ReplaceAll(ref.Familiar(), string(someDigest), "D"), string(otherDigest), "E"))
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// TestDigestNames holds what docker counts as names: a tag, and the repository
// with the registry's digest.
func TestDigestNames(t *testing.T) {
	needRoot(t)
	for _, tt := range []struct {
		name     string
		tags     []string // more names for a:1, which was pulled as D
		remove   string   // D stands for the digest
		untagged string
		refs     string
		digests  string
		gone     bool
	}{
		{name: "last tag takes the digest", remove: "a:1", untagged: "a:1 a@D", gone: true},
		{name: "id takes both", remove: "ID", untagged: "a:1 a@D", gone: true},
		{name: "another tag keeps the digest", tags: []string{"a:2"}, remove: "a:1", untagged: "a:1", refs: "a:2", digests: "a@D"},
		{name: "another repository does not", tags: []string{"b:1"}, remove: "a:1", untagged: "a:1 a@D", refs: "b:1"},
		{name: "another repository has no digest", tags: []string{"b:1"}, remove: "b:1", untagged: "b:1", refs: "a:1", digests: "a@D"},
		{name: "digest only", remove: "a@D", untagged: "a@D", refs: "a:1"},
		{name: "digest of two tags", tags: []string{"a:2"}, remove: "a@D", untagged: "a@D", refs: "a:1 a:2"},
		{name: "tag beside the digest is not looked at", remove: "a:9@D", untagged: "a@D", refs: "a:1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := testStore(t)
			img := mustImport(t, s, "a:1", file("x", tt.name))
			pulled(t, s, "a:1", someDigest)
			for _, tag := range tt.tags {
				if err := s.Tag(t.Context(), "a:1", tag); err != nil {
					t.Fatal(err)
				}
			}
			query := strings.NewReplacer("ID", img.ID.Hex(), "D", string(someDigest)).Replace(tt.remove)
			untagged, _, err := s.Remove(t.Context(), query, RemoveOptions{}, nobody)
			if err != nil || familiar(untagged) != tt.untagged {
				t.Errorf("untagged %q, %v; want %q", familiar(untagged), err, tt.untagged)
			}
			d, err := s.Inspect(string(img.ID))
			if (err != nil) != tt.gone || familiar(d.Refs) != tt.refs || familiar(d.Digests) != tt.digests {
				t.Errorf("left: %q, %q, %v; want %q, %q", familiar(d.Refs), familiar(d.Digests), err, tt.refs, tt.digests)
			}
		})
	}
}

// TestTagMoves holds that an image whose tag another one gets keeps the digest
// that its registry has it under, and can be found by it.
func TestTagMoves(t *testing.T) {
	needRoot(t)
	s := testStore(t)
	first := mustImport(t, s, "a", file("x", "first"))
	pulled(t, s, "a", someDigest)
	second := mustImport(t, s, "a", file("x", "second"))
	pulled(t, s, "a", otherDigest)
	for query, want := range map[string]Digest{"a": second.ID, "a@" + string(someDigest): first.ID, "a@" + string(otherDigest): second.ID} {
		if img, err := s.Resolve(query); err != nil || img.ID != want {
			t.Errorf("%s is %s, %v, want %s", query, img.ID, err, want)
		}
	}
	if _, err := s.Resolve("b@" + string(someDigest)); err == nil {
		t.Error("the digest is found in another repository")
	}
	if _, _, err := s.Remove(t.Context(), "a@"+string(someDigest), RemoveOptions{}, nobody); err != nil {
		t.Error(err)
	}
	if _, err := s.Resolve(string(first.ID)); err == nil {
		t.Error("the first image is left without a name")
	}
}

// TestNamesOfOtherTools holds that names that are not in full are found as what
// they mean, and stay as they are.
func TestNamesOfOtherTools(t *testing.T) {
	needRoot(t)
	s := testStore(t)
	img := mustImport(t, s, "a", file("x", "y"))
	rename(t, s, "docker.io/library/a:latest", "v1")
	if got, err := s.Resolve("v1"); err != nil || got.ID != img.ID || got.Ref != "docker.io/library/v1:latest" {
		t.Errorf("v1 is %+v, %v", got, err)
	}
	rename(t, s, "docker.io/library/v1:latest", "Not A Name")
	if err := s.Tag(t.Context(), string(img.ID), "b"); err != nil {
		t.Fatal(err)
	}
	if untagged, deleted, err := s.Remove(t.Context(), "b", RemoveOptions{}, nobody); err != nil || len(deleted) > 0 || familiar(untagged) != "b:latest" {
		t.Errorf("untagged %v, deleted %v, %v", untagged, deleted, err)
	}
	index, err := s.readIndex()
	if err != nil || len(index.Manifests) != 1 || index.Manifests[0].Annotations[annotationRefName] != "Not A Name" {
		t.Errorf("left: %+v, %v", index.Manifests, err)
	}
	if _, deleted, err := s.Remove(t.Context(), string(img.ID), RemoveOptions{}, nobody); err != nil || len(deleted) == 0 {
		t.Errorf("deleted %v, %v", deleted, err)
	}
}

func TestTagRefuses(t *testing.T) {
	needRoot(t)
	s := testStore(t)
	mustImport(t, s, "a", file("x", "y"))
	for target, want := range map[string]string{
		"b@" + string(someDigest): "refusing to create a tag with a digest reference",
		"sha256:abc":              "refusing to create an ambiguous tag using digest algorithm as name",
		"B":                       "invalid reference format: repository name (library/B) must be lowercase",
	} {
		if err := s.Tag(t.Context(), "a", target); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("tag %s: %v, want %q", target, err, want)
		}
	}
}

// TestManifestsOfOneImage holds that an image that has come with two manifests is
// one image: it has no row without a name beside its name, and goes whole.
func TestManifestsOfOneImage(t *testing.T) {
	needRoot(t)
	s := testStore(t)
	archive := newArchive(t, "a:1")
	mustLoad(t, s, bytes.NewReader(makeTar(t, archive.files(t)...)))
	src := newMemorySource()
	var config ImageConfig
	if err := json.Unmarshal(archive.config, &config); err != nil {
		t.Fatal(err)
	}
	m := Manifest{SchemaVersion: 2, MediaType: MediaTypeManifest}
	for _, l := range archive.layers {
		layer := src.blob(gzipBytes(t, l))
		layer.MediaType = MediaTypeLayerGzip
		m.Layers = append(m.Layers, layer)
	}
	src.finish(t, "1", m, config)
	must(t, s.Tag(t.Context(), "a:1", "b"))
	first, err := s.Resolve("a:1")
	if second := mustPull(t, s, src, "a:1"); err != nil || second.Image.ID != first.ID || second.Image.Manifest == first.Manifest {
		t.Fatalf("%+v after %+v, %v", second, first, err)
	}
	must(t, s.Tag(t.Context(), "a:1", "b"))
	list, err := s.List()
	if err != nil || len(list) != 2 || list[0].Ref == "" || list[1].Ref == "" {
		t.Errorf("the store has %+v, %v", list, err)
	}
	mustLoad(t, s, bytes.NewReader(mustSave(t, s, SaveOptions{}, "a:1")))
	if _, _, err := s.Remove(t.Context(), string(first.ID), RemoveOptions{Force: true}, nobody); err != nil {
		t.Error(err)
	}
	left, err := s.List()
	if err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestPlatformsOfOneDigest holds that of two images that a registry has under one
// digest, for two platforms, the last one has the name and none is lost.
func TestPlatformsOfOneDigest(t *testing.T) {
	needRoot(t)
	s := testStore(t)
	first := mustImport(t, s, "a", file("x", "first"))
	pulled(t, s, "a", someDigest)
	second := mustImport(t, s, "a", file("x", "second"))
	pulled(t, s, "a", someDigest)
	must(t, s.Tag(t.Context(), "a", "a:2"))
	list, err := s.List()
	if err != nil || len(list) != 3 {
		t.Errorf("the store has %+v, %v", list, err)
	}
	if img, err := s.Resolve("a@" + string(someDigest)); err != nil || img.ID != second.ID {
		t.Errorf("the digest is of %s, %v", img.ID, err)
	}
	if img, err := s.Resolve(string(first.ID)); err != nil || img.Ref != "" {
		t.Errorf("the first image: %+v, %v", img, err)
	}
}

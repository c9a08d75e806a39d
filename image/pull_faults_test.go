package image_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"testing"
	"time"

	"berth/image"
	"berth/registry"
	"berth/registry/hosts"
	"berth/state"
	"berth/tests/faultregistry"
	"berth/tests/fixture"
)

// oneHost is a registry that is asked for everything.
type oneHost struct{ server *faultregistry.Server }

func (h oneHost) Endpoints(ref image.Reference) ([]hosts.Endpoint, error) {
	base, err := url.Parse(h.server.URL)
	return []hosts.Endpoint{{Base: base, Repository: ref.Path, Registry: h.server.Host}}, err
}

func (h oneHost) Direct(ref image.Reference) ([]hosts.Endpoint, error) { return h.Endpoints(ref) }

// layerTar is a tar of one file of n bytes that do not compress well.
func layerTar(t *testing.T, name string, n int) (whole, content []byte) {
	t.Helper()
	content = make([]byte, n)
	x := uint32(len(name))
	for i := range content {
		x = x*1664525 + 1013904223
		content[i] = byte(x >> 24)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(n), Format: tar.FormatUSTAR}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), content
}

// TestPullThroughFaults: the store and the client together make the image of
// whatever a registry does to the connection, and nothing of what it falsifies.
func TestPullThroughFaults(t *testing.T) {
	fixture.NeedRoot(t)
	const size = 300_000
	for name, tt := range map[string]struct {
		faults []faultregistry.Fault
		fails  bool
	}{
		"none":                    {},
		"every blob is cut once":  {faults: []faultregistry.Fault{{Path: "/blobs/", Do: faultregistry.Cut(70_000), Times: 3}}},
		"cut without ranges":      {faults: []faultregistry.Fault{{Path: "/blobs/", Do: faultregistry.Cut(70_000), Times: 3}, {Path: "/blobs/", Do: faultregistry.NoRanges()}}},
		"stalls and resets":       {faults: []faultregistry.Fault{{Path: "/blobs/", Do: faultregistry.Stall(9000, time.Minute), Times: 1}, {Do: faultregistry.Reset(), Times: 2}}},
		"busy":                    {faults: []faultregistry.Fault{{Do: faultregistry.Status(503, ""), Times: 2}}},
		"flipped byte in a layer": {faults: []faultregistry.Fault{{Path: "/blobs/", Skip: 1, Do: faultregistry.Flip(100_000)}}, fails: true},
		"cut, then another blob": {faults: []faultregistry.Fault{
			{Path: "/blobs/", Skip: 1, Do: faultregistry.Cut(70_000), Times: 2}, {Path: "/blobs/", Do: faultregistry.Flip(0)},
		}, fails: true},
		"gone in the middle": {faults: []faultregistry.Fault{
			{Path: "/blobs/", Skip: 1, Do: faultregistry.Cut(70_000), Times: 2}, {Path: "/blobs/", Do: faultregistry.Status(404, "")},
		}, fails: true},
		"other manifest": {faults: []faultregistry.Fault{{Path: "/manifests/", Do: faultregistry.Flip(5)}}, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			server, dir := faultregistry.New(t), t.TempDir()
			one, content := layerTar(t, "one", size)
			two, _ := layerTar(t, "second", size)
			made := server.PutTars(t, "app", "v1", one, two)
			for _, f := range tt.faults {
				server.Fail(f)
			}
			client := registry.New(registry.Config{
				Hosts: oneHost{server}, Idle: 300 * time.Millisecond,
				Retry: registry.Retry{Tries: 5, Delay: time.Millisecond, Longest: time.Second},
			})
			defer client.Close()
			store := image.Open(state.Dirs{Root: dir + "/root", Run: dir + "/run"})
			ref, err := image.ParseReference(server.Host + "/app:v1")
			if err != nil {
				t.Fatal(err)
			}
			pulled, err := store.Pull(t.Context(), client, ref, image.PullOptions{})
			if tt.fails {
				if err == nil {
					t.Fatal("no error")
				}
				wantNothing(t, store)
				// The next pull finds a registry in order, and nothing in its way.
				server.Mend()
				if pulled, err = store.Pull(t.Context(), client, ref, image.PullOptions{}); err != nil {
					t.Fatalf("the next pull: %v", err)
				}
			}
			if err != nil || pulled.Digest != made.Manifest.Digest {
				t.Fatalf("%+v, %v", pulled, err)
			}
			got, err := os.ReadFile(pulled.Image.Layers[0] + "/one")
			if other, _ := os.ReadFile(pulled.Image.Layers[1] + "/one"); got == nil {
				got = other
			}
			if !bytes.Equal(got, content) {
				t.Errorf("%d bytes in the layer, %v", len(got), err)
			}
			if findings, err := store.Check(t.Context(), image.CheckOptions{}); err != nil || len(findings) != 0 {
				t.Errorf("check: %+v, %v", findings, err)
			}
		})
	}
}

func wantNothing(t *testing.T, s *image.Store) {
	t.Helper()
	images, err := s.List()
	if err != nil || len(images) != 0 {
		t.Errorf("images after a pull that failed: %+v, %v", images, err)
	}
	findings, err := s.Check(t.Context(), image.CheckOptions{})
	if err != nil {
		t.Error(err)
	}
	for _, f := range findings {
		if !f.Reclaimable {
			t.Errorf("finding after a pull that failed: %+v", f)
		}
	}
}

// TestPullAfterCutFetchesTheRest: what arrived before a pull failed is not asked
// for again.
func TestPullAfterCutFetchesTheRest(t *testing.T) {
	fixture.NeedRoot(t)
	server, dir := faultregistry.New(t), t.TempDir()
	one, _ := layerTar(t, "one", 500_000)
	made := server.PutTars(t, "app", "v1", one)
	server.Fail(faultregistry.Fault{Path: string(made.Layers[0].Digest), Do: faultregistry.Cut(200_000), Times: 1})
	server.Fail(faultregistry.Fault{Path: string(made.Layers[0].Digest), Do: faultregistry.Status(404, "")})
	client := registry.New(registry.Config{Hosts: oneHost{server}, Retry: registry.Retry{Tries: 2, Delay: time.Millisecond}})
	defer client.Close()
	store := image.Open(state.Dirs{Root: dir + "/root", Run: dir + "/run"})
	ref, err := image.ParseReference(server.Host + "/app:v1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Pull(t.Context(), client, ref, image.PullOptions{}); err == nil {
		t.Fatal("no error")
	}
	server.Mend()
	before := len(server.Requests())
	if _, err := store.Pull(t.Context(), client, ref, image.PullOptions{}); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("bytes=200000-%d", made.Layers[0].Size-1)
	for _, r := range server.Requests()[before:] {
		switch {
		case r.Method == http.MethodGet && r.Path == "/v2/app/blobs/"+string(made.Config.Digest):
			t.Error("the config was fetched twice")
		case r.Method == http.MethodGet && r.Path == "/v2/app/blobs/"+string(made.Layers[0].Digest) && r.Header.Get("Range") != want:
			t.Errorf("range %q, want %q", r.Header.Get("Range"), want)
		}
	}
}

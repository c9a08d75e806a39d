package tests

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
)

// countingRegistry is a registry in this process that counts who asks for what.
type countingRegistry struct {
	t    *testing.T
	host string

	mu    sync.Mutex
	gets  map[string]int // requests for a blob's content, by digest
	sizes map[string]int
}

func newCountingRegistry(t *testing.T) *countingRegistry {
	t.Helper()
	r := &countingRegistry{t: t, gets: map[string]int{}, sizes: map[string]int{}}
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if _, digest, ok := strings.Cut(q.URL.Path, "/blobs/"); ok && q.Method == http.MethodGet {
			r.mu.Lock()
			r.gets[digest]++
			r.mu.Unlock()
			r.closedRange(q, digest)
		}
		inner.ServeHTTP(w, q)
	}))
	t.Cleanup(server.Close)
	r.host = strings.TrimPrefix(server.URL, "http://")
	return r
}

// closedRange gives an open range its end: the library does not know those.
func (r *countingRegistry) closedRange(q *http.Request, digest string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if from := q.Header.Get("Range"); strings.HasSuffix(from, "-") {
		q.Header.Set("Range", fmt.Sprintf("%s%d", from, r.sizes[digest]-1))
	}
}

// reset forgets what was counted and returns it.
func (r *countingRegistry) reset() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	counted := r.gets
	r.gets = map[string]int{}
	return counted
}

// send makes one request of the registry's own protocol.
func (r *countingRegistry) send(method, path, contentType string, body []byte) {
	r.t.Helper()
	q, err := http.NewRequestWithContext(r.t.Context(), method, "http://"+r.host+path, bytes.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	q.Header.Set("Content-Type", contentType)
	q.Close = true // an idle connection would end in the midst of the test
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	text, _ := io.ReadAll(answer.Body)
	answer.Body.Close()
	if answer.StatusCode != http.StatusCreated {
		r.t.Fatalf("%s %s: %s %s", method, path, answer.Status, text)
	}
}

// descriptor points at a blob.
type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int    `json:"size"`
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func (r *countingRegistry) blob(name, mediaType string, b []byte) descriptor {
	r.t.Helper()
	d := descriptor{mediaType, digestOf(b), len(b)}
	r.mu.Lock()
	r.sizes[d.Digest] = d.Size
	r.mu.Unlock()
	r.send(http.MethodPost, "/v2/"+name+"/blobs/uploads/?digest="+d.Digest, "application/octet-stream", b)
	return d
}

// push makes an image of layers, which are tars, and returns its blobs: config
// and layers, by digest.
func (r *countingRegistry) push(name, tag string, layers ...[]byte) map[string]bool {
	r.t.Helper()
	var diffIDs []string
	var list []descriptor
	blobs := map[string]bool{}
	for _, layer := range layers {
		diffIDs = append(diffIDs, digestOf(layer))
		d := r.blob(name, "application/vnd.oci.image.layer.v1.tar+gzip", gzipped(r.t, layer))
		list = append(list, d)
		blobs[d.Digest] = true
	}
	marshal := func(v any) []byte {
		b, err := json.Marshal(v)
		if err != nil {
			r.t.Fatal(err)
		}
		return b
	}
	config := r.blob(name, "application/vnd.oci.image.config.v1+json", marshal(map[string]any{
		"architecture": "amd64", "os": "linux", "config": map[string]any{"Cmd": []string{"/bin/sh"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": diffIDs},
	}))
	blobs[config.Digest] = true
	mediaType := "application/vnd.oci.image.manifest.v1+json"
	r.send(http.MethodPut, "/v2/"+name+"/manifests/"+tag, mediaType, marshal(map[string]any{
		"schemaVersion": 2, "mediaType": mediaType, "config": config, "layers": list,
	}))
	return blobs
}

func gzipped(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(b)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// treeTar is a tar of some files of all kinds, whose content no compression
// makes smaller.
func treeTar(t *testing.T, seed uint64, files, size int) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	random := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	add := func(h tar.Header, content []byte) {
		h.Size = int64(len(content))
		err := w.WriteHeader(&h)
		if err == nil {
			_, err = w.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	top := fmt.Sprintf("layer%d", seed)
	add(tar.Header{Typeflag: tar.TypeDir, Name: top + "/", Mode: 0o750, Uid: 7}, nil)
	for i := range files {
		content := make([]byte, size)
		_, _ = random.Read(content)
		add(tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprintf("%s/%d/file", top, i), Mode: 0o4755, Uid: i, Gid: 3}, content)
		add(tar.Header{Typeflag: tar.TypeLink, Name: fmt.Sprintf("%s/%d/hard", top, i), Linkname: fmt.Sprintf("%s/%d/file", top, i)}, nil)
	}
	add(tar.Header{Typeflag: tar.TypeSymlink, Name: top + "/link", Linkname: "/etc/passwd", Mode: 0o777}, nil)
	add(tar.Header{Typeflag: tar.TypeReg, Name: top + "/.wh.gone"}, nil)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// sample pushes an image of some layers, two of which are the same.
func (r *countingRegistry) sample(name, tag string, seed uint64) map[string]bool {
	r.t.Helper()
	twice := treeTar(r.t, seed, 1, 100)
	return r.push(name, tag, treeTar(r.t, seed+1, 20, 1000), twice, treeTar(r.t, seed+2, 2, 1<<20), treeTar(r.t, seed+3, 5, 5000), twice)
}

// atMostOnce fails when a blob was asked for twice, or one that was not needed.
func atMostOnce(t *testing.T, when string, counted map[string]int, needed map[string]bool) {
	t.Helper()
	for digest, n := range counted {
		if n > 1 {
			t.Errorf("%s: blob %s was asked for %d times", when, digest, n)
		}
		if !needed[digest] {
			t.Errorf("%s: blob %s was asked for and not needed", when, digest)
		}
	}
}

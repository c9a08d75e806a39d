package callers

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"berth/tests/fixture"
)

const busybox = "/bin/busybox"

// member is a file of a tar; a link has a target.
type member struct {
	name, target string
	mode         int64
	body         []byte
}

// rootTar writes a root file system of static busybox, as docker import and
// podman import take it.
func rootTar(t *testing.T) []byte {
	t.Helper()
	fixture.NeedTool(t, busybox)
	program, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	names, err := exec.Command(busybox, "--list").Output()
	if err != nil {
		t.Fatal(err)
	}
	members := []member{
		{name: "bin/", mode: 0o755}, {name: "etc/", mode: 0o755}, {name: "dev/", mode: 0o755}, {name: "proc/", mode: 0o755},
		{name: "sys/", mode: 0o755}, {name: "mnt/", mode: 0o755}, {name: "root/", mode: 0o700}, {name: "tmp/", mode: 0o1777},
		{name: "bin/busybox", mode: 0o755, body: program},
		{name: "etc/passwd", mode: 0o644, body: []byte("root:x:0:0::/root:/bin/sh\nana:x:1000:1000::/tmp:/bin/sh\n")},
		{name: "etc/group", mode: 0o644, body: []byte("root:x:0:\nana:x:1000:\nextra:x:2000:ana\n")},
		{name: "etc/plain", mode: 0o644, body: []byte("not a program\n")},
	}
	for _, name := range strings.Fields(string(names)) {
		if name != "busybox" {
			members = append(members, member{name: "bin/" + name, target: "busybox", mode: 0o777})
		}
	}
	return archive(t, members)
}

func archive(t *testing.T, members []member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Linkname: m.target, Mode: m.mode, Size: int64(len(m.body)), Typeflag: tar.TypeReg}
		switch {
		case m.target != "":
			h.Typeflag = tar.TypeSymlink
		case strings.HasSuffix(m.name, "/"):
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(m.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// rootFile is rootTar in a file.
func rootFile(t *testing.T) string {
	t.Helper()
	return writeFile(t, filepath.Join(t.TempDir(), "root.tar"), rootTar(t))
}

// imageArchive writes an OCI image layout of that root in a tar (image-spec,
// image-layout.md) under the given name and returns its path.
func imageArchive(t *testing.T, name string) string {
	t.Helper()
	members := []member{{name: "oci-layout", mode: 0o644, body: document(t, map[string]any{"imageLayoutVersion": "1.0.0"})}}
	blob := func(kind string, body []byte) map[string]any {
		sum := fmt.Sprintf("%x", sha256.Sum256(body))
		members = append(members, member{name: "blobs/sha256/" + sum, mode: 0o644, body: body})
		return map[string]any{"mediaType": "application/vnd.oci.image." + kind, "digest": "sha256:" + sum, "size": len(body)}
	}
	layer := blob("layer.v1.tar", rootTar(t))
	config := blob("config.v1+json", document(t, map[string]any{
		"architecture": "amd64", "os": "linux",
		"config": map[string]any{"Cmd": []string{"sh"}, "Env": []string{"PATH=/bin"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []any{layer["digest"]}},
	}))
	manifest := blob("manifest.v1+json", document(t, map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": config, "layers": []any{layer},
	}))
	manifest["annotations"] = map[string]string{"io.containerd.image.name": name, "org.opencontainers.image.ref.name": "latest"}
	manifest["platform"] = map[string]string{"architecture": "amd64", "os": "linux"}
	members = append(members, member{name: "index.json", mode: 0o644, body: document(t, map[string]any{
		"schemaVersion": 2, "manifests": []any{manifest}})})
	return writeFile(t, filepath.Join(t.TempDir(), "image.tar"), archive(t, members))
}

func document(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func writeFile(t *testing.T, path string, text []byte) string {
	t.Helper()
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

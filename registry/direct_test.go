package registry

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"berth/image"
	"berth/registry/credentials"
	"berth/registry/hosts"
	"berth/tests/faultregistry"
)

// TestWhereWritesGo: a registries.conf that has pulls of one registry go to
// another, and that policy.json lets nobody pull from, is none of a push's or
// login's business.
func TestWhereWritesGo(t *testing.T) {
	mirror, main, made, layer := mirrored(t)
	root := t.TempDir()
	conf := func(name, content string) {
		path := filepath.Join(root, "etc/containers", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	conf("registries.conf", fmt.Sprintf("[[registry]]\nprefix = %q\nlocation = %q\n", main.Host, mirror.Host))
	asked := func(s *faultregistry.Server) int { return len(s.Requests()) }

	c := New(Config{Hosts: hosts.New(hosts.Options{Root: root})})
	defer c.Close()
	ref := named(t, main, "app:v1")
	if desc, _, err := c.Manifest(t.Context(), ref); err != nil || desc.Digest != made.Manifest.Digest {
		t.Fatalf("%v, %v", desc, err)
	}
	if tags, err := c.Tags(t.Context(), ref); err != nil || len(tags) != 1 {
		t.Fatalf("%v, %v", tags, err)
	}
	if _, err := fetch(t, c, ref, made.Layers[0], 0); err != nil {
		t.Fatal(err)
	}
	if asked(main) != 0 || asked(mirror) == 0 {
		t.Errorf("pulls: %d requests here, %d at the location", asked(main), asked(mirror))
	}

	conf("policy.json", `{"default": [{"type": "reject"}]}`)
	pulled := asked(mirror)
	c = New(Config{Hosts: hosts.New(hosts.Options{Root: root})})
	defer c.Close()
	blob := image.Descriptor{Digest: made.Layers[0].Digest, Size: int64(len(layer))}
	err := c.UploadBlob(t.Context(), ref, blob, func(at int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(layer[at:])), nil
	})
	if err != nil {
		t.Error(err)
	}
	if has, err := c.HasBlob(t.Context(), ref, blob); err != nil || !has {
		t.Errorf("%v, %v", has, err)
	}
	if _, err := c.Login(t.Context(), main.Host, credentials.Auth{Username: "u", Password: "p"}); err != nil {
		t.Error(err)
	}
	if asked(mirror) != pulled {
		t.Errorf("writes: %d requests at the location of pulls", asked(mirror)-pulled)
	}
	if _, _, err := c.Manifest(t.Context(), ref); err == nil {
		t.Error("the policy lets a pull pass")
	}
}

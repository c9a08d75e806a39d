package tests

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/tests/fixture"
	"berth/tests/registries"
)

// TestFormats: an image unpacks to the same tree in every manifest format and
// compression that other tools write, and is pushed as it came.
func TestFormats(t *testing.T) {
	leaveToHost(t)
	layout := "oci:" + filepath.Join(fixture.Images(t, "corners"), "corners") + ":latest"
	var first map[string]string
	for _, test := range []struct {
		name, flags string
		manifest    string // what the manifest's text has in it
	}{
		{"oci-gzip", "--format oci", "oci.image.layer.v1.tar+gzip"},
		{"oci-zstd", "--format oci --dest-compress-format zstd", "oci.image.layer.v1.tar+zstd"},
		{"oci-zstd-chunked", "--format oci --dest-compress-format zstd:chunked", "io.containers.zstd-chunked"},
		{"docker-gzip", "--format v2s2", "docker.image.rootfs.diff.tar.gzip"},
	} {
		t.Run(test.name, func(t *testing.T) {
			// In a registry that it knows, skopeo takes the layers that are there.
			r := registries.Start(t, registries.Plain)
			s, skopeo := newStage(t), newSkopeo(t)
			from, to := r.Host+"/one:1", r.Host+"/again:1"
			skopeo.push(layout, from, words(test.flags)...)
			if got := skopeo.manifest("docker://" + from); !strings.Contains(got, test.manifest) {
				t.Fatalf("not the format to be tested: %s", got)
			}
			s.must("pull", "-q", from)
			tree := s.tree(from)
			if first == nil {
				first = tree
			}
			compareTrees(t, "with gzip", tree, first)
			s.must("tag", from, to)
			s.must("push", "-q", to)
			if got, want := skopeo.digest("docker://"+to), skopeo.digest("docker://"+from); got != want {
				t.Errorf("pushed %s, pulled %s", got, want)
			}
			s.must("rmi", from, to)
			s.must("system", "check")
			s.clean()
		})
	}
}

// TestPlatforms: of a manifest list that buildah made, the image for this machine
// or the one asked for is pulled, under the digest of the list.
func TestPlatforms(t *testing.T) {
	leaveToHost(t)
	layout := filepath.Join(t.TempDir(), "layout")
	if err := os.CopyFS(layout, os.DirFS(filepath.Join(fixture.Images(t, "busybox"), "busybox"))); err != nil {
		t.Fatal(err)
	}
	r := registries.Start(t, registries.Plain)
	s, skopeo, buildah, umoci := newStage(t), newSkopeo(t), newBuildah(t), peer{t, []string{fixture.NeedTool(t, "umoci")}}
	list := r.Host + "/many:1"
	buildah.must("manifest", "create", "many")
	for _, arch := range []string{"amd64", "arm64", "arm"} {
		one := r.Host + "/one:" + arch
		umoci.must("config", "--image", layout+":latest", "--tag", arch, "--architecture", arch)
		skopeo.push("oci:"+layout+":"+arch, one)
		add := words("manifest add --tls-verify=false --os linux --arch", arch)
		if arch == "arm" {
			add = append(add, "--variant", "v7")
		}
		buildah.must(append(add, "many", "docker://"+one)...)
	}
	buildah.must("manifest", "push", "--all", "--tls-verify=false", "many", "docker://"+list)
	digest := skopeo.digest("docker://" + list)
	s.must("pull", "-q", list)
	if got := s.must("inspect", "-f", "{{index .RepoDigests 0}}", list); got != r.Host+"/many@"+digest {
		t.Errorf("berth knows it as %s, want the list's %s", got, digest)
	}
	if got := s.must("run", "--rm", "--network", "none", "--pull", "never", r.Host+"/many@"+digest, "echo", "by digest"); got != "by digest" {
		t.Errorf("run printed %q", got)
	}
	// This machine's comes last: it is compared with the copy's below.
	for _, p := range []struct{ platform, want string }{{"linux/arm64", "arm64"}, {"linux/arm/v7", "arm"}, {"linux/amd64", "amd64"}} {
		s.must("pull", "-q", "--platform", p.platform, list)
		if got := s.must("inspect", "-f", "{{.Architecture}}", list); got != p.want {
			t.Errorf("for %s came an image for %s", p.platform, got)
		}
	}
	for _, platform := range []string{"linux/s390x", "windows/amd64"} {
		if got := s.do("pull", "-q", "--platform", platform, list); got.code != 1 || !strings.Contains(got.errs, platform) {
			t.Errorf("pull for %s: %+v", platform, got)
		}
	}
	var index struct {
		Manifests []struct {
			Platform struct{ Architecture string }
		}
	}
	// skopeo copies the list with all that it names, from and to the registry.
	skopeo.must("copy", "--quiet", "--all", "--src-tls-verify=false", "--dest-tls-verify=false", "docker://"+list, "docker://"+r.Host+"/many:2")
	if err := json.Unmarshal([]byte(skopeo.manifest("docker://"+r.Host+"/many:2")), &index); err != nil || len(index.Manifests) != 3 {
		t.Fatalf("the list: %+v, %v", index, err)
	}
	s.must("pull", "-q", r.Host+"/many:2")
	if got, want := s.must("inspect", "-f", "{{.Id}}", r.Host+"/many:2"), s.must("inspect", "-f", "{{.Id}}", list); got != want {
		t.Errorf("of the copy came %s, of the list %s", got, want)
	}
	s.must("image", "prune", "-af")
	s.clean()
}

// newBuildah has a store of its own, like newPodman.
func newBuildah(t *testing.T) peer {
	t.Helper()
	dir := t.TempDir()
	return peer{t, []string{fixture.NeedTool(t, "buildah"), "--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run"),
		"--storage-driver", "overlay"}}
}

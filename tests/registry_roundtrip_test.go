package tests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/tests/fixture"
	"berth/tests/registries"
)

// TestRoundTrip: an image that another tool made is pulled, run and pushed, and
// what two other tools then pull is the same to the byte, for a digest says so.
// That of debootstrap's root is berth's own, below.
func TestRoundTrip(t *testing.T) {
	roundTrip(t, inMemory, []travelled{
		{"busybox", words("echo made by umoci"), "made by umoci"},
		{"python3", nil, `{"python": 3}`},
		{"nginx", words("nginx -T -q"), "server {"},
		{"sixty", words("cat /srv/59/layer /srv/1/layer"), "59\n1"},
		{"corners", words("cat /srv/opaque/new /srv/replaced/folder-by-file"), "y\ny"},
	})
}

// TestSoakRoundTrip has the images that take long: 1 GiB in one layer.
func TestSoakRoundTrip(t *testing.T) {
	if os.Getenv("BERTH_SOAK") == "" {
		t.Skip("by design: 1 GiB goes around in make test-soak")
	}
	roundTrip(t, onDisk, []travelled{
		{"debian", words("cat /etc/debian_version"), "12."},
		{"big", words("busybox echo all of it"), "all of it"},
	})
}

// travelled is an image, a command in it, and what that prints.
type travelled struct {
	name    string
	command []string
	want    string
}

// onDisk leaves temporary folders where they are.
func onDisk(*testing.T) {}

// roundTrip does as TestRoundTrip says; place chooses where temporary folders are.
func roundTrip(t *testing.T, place func(*testing.T), tests []travelled) {
	t.Helper()
	leaveToHost(t)
	var names []string
	for _, test := range tests {
		names = append(names, test.name)
	}
	layouts := fixture.Images(t, names...)
	place(t)
	// Before the ledger, which they outlive.
	r, other := registries.Start(t, registries.Plain), registries.Start(t, registries.Plain)
	s, skopeo, podman := newStage(t), newSkopeo(t), newPodman(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, skopeo, podman := s.in(t), skopeo.in(t), podman.in(t)
			from, to := r.Host+"/made/"+test.name+":1", other.Host+"/"+test.name
			skopeo.push("oci:"+filepath.Join(layouts, test.name)+":latest", from)
			want := skopeo.digest("docker://" + from)
			if got := s.must("pull", "-q", from); got != from {
				t.Errorf("pull -q printed %q, want %q", got, from)
			}
			name, _ := strings.CutSuffix(from, ":1")
			if got := s.must("inspect", "-f", "{{index .RepoDigests 0}}", from); got != name+"@"+want {
				t.Errorf("berth knows it as %s, want %s", got, want)
			}
			if got := s.must(words("run --rm --network none", from, test.command)...); !strings.Contains(got, test.want) {
				t.Errorf("run printed %q, want %q", got, test.want)
			}
			s.must("tag", from, to)
			s.must("push", "-q", to)
			s.must("rmi", from, to)
			samePulled(t, skopeo, podman, to, want)
		})
	}
	s.clean()
}

// samePulled has skopeo and podman pull an image, which must have that digest.
func samePulled(t *testing.T, skopeo, podman peer, ref, want string) {
	t.Helper()
	if got := skopeo.digest("docker://" + ref); got != want {
		t.Errorf("the registry has %s, want %s", got, want)
	}
	// A folder takes blobs as they come; in a layout skopeo would compress what is not.
	dir := "dir:" + t.TempDir()
	skopeo.must("copy", "--quiet", "--src-tls-verify=false", "docker://"+ref, dir)
	if got := skopeo.digest(dir); got != want {
		t.Errorf("skopeo pulled %s, want %s", got, want)
	}
	podman.must("pull", "-q", "--tls-verify=false", ref)
	if got := strings.TrimSpace(podman.must("image", "inspect", "--format", "{{.Digest}}", ref)); got != want {
		t.Errorf("podman pulled %s, want %s", got, want)
	}
	podman.must("rmi", ref)
}

// TestRoundTripOfImport: an image that berth made, of a tar without compression.
func TestRoundTripOfImport(t *testing.T) {
	leaveToHost(t)
	debian := fixture.Debian(t, "bookworm")
	inMemory(t)
	r := registries.Start(t, registries.Plain)
	s, skopeo, podman := newStage(t), newSkopeo(t), newPodman(t)
	ref := r.Host + "/debian:1"
	s.must("import", "-c", `CMD ["cat", "/etc/debian_version"]`, debian, ref)
	pushed := s.must("push", ref)
	want := skopeo.digest("docker://" + ref)
	if !strings.Contains(pushed, "1: digest: "+want) {
		t.Errorf("push printed %q, want %s", pushed, want)
	}
	samePulled(t, skopeo, podman, ref, want)
	id := s.must("inspect", "-f", "{{.Id}}", ref)
	s.must("rmi", ref)
	s.must("pull", "-q", ref)
	if got := s.must("inspect", "-f", "{{.Id}}", ref); got != id {
		t.Errorf("pulled %s, pushed %s", got, id)
	}
	if got := s.must("run", "--rm", "--network", "none", ref); !strings.HasPrefix(got, "12.") {
		t.Errorf("run printed %q", got)
	}
	s.must("rmi", ref)
	s.clean()
}

// TestStoreIsLayout: skopeo takes images out of berth's store, and what it puts
// there berth runs.
func TestStoreIsLayout(t *testing.T) {
	leaveToHost(t)
	layouts := fixture.Images(t, "busybox", "corners")
	inMemory(t)
	r := registries.Start(t, registries.Plain)
	s, skopeo := newStage(t), newSkopeo(t)
	there, here, put := r.Host+"/corners:1", r.Host+"/out/corners:1", r.Host+"/put/busybox:1"
	skopeo.push("oci:"+filepath.Join(layouts, "corners")+":latest", there)
	s.must("pull", "-q", there)
	store := "oci:" + filepath.Join(s.root, "image") + ":"
	if got, want := skopeo.digest(store+there), skopeo.digest("docker://"+there); got != want {
		t.Errorf("the store has %s, the registry %s", got, want)
	}
	skopeo.push(store+there, here)
	if got, want := skopeo.digest("docker://"+here), skopeo.digest("docker://"+there); got != want {
		t.Errorf("out of the store came %s, want %s", got, want)
	}
	skopeo.must("copy", "--quiet", "oci:"+filepath.Join(layouts, "busybox")+":latest", store+put)
	if got := s.must("run", "--rm", "--network", "none", put, "echo", "from skopeo"); got != "from skopeo" {
		t.Errorf("run printed %q", got)
	}
	if got := s.must("run", "--rm", "--network", "none", there, "cat", "/srv/opaque/new"); got != "y" {
		t.Errorf("run printed %q", got)
	}
	s.must("push", "-q", put)
	if got, want := skopeo.digest("docker://"+put), skopeo.digest(store+put); got != want {
		t.Errorf("pushed %s, want %s", got, want)
	}
	s.must("system", "check")
	s.must("rmi", there, put)
	s.clean()
}

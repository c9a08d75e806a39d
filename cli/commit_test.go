package cli

import (
	"context"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/container"
	"berth/image"
)

func (f fakeImages) Commit(_ context.Context, layer io.Reader, o image.CommitOptions) (image.Image, error) {
	b, err := io.ReadAll(layer)
	if f.committed != nil {
		*f.committed = append(*f.committed, o)
	}
	return image.Image{ID: "sha256:" + image.Digest(b)}, err
}

func TestCommit(t *testing.T) {
	w := newWorld()
	w.images.committed = &[]image.CommitOptions{}
	w.images.list["sha256:parent"] = image.Image{ID: "sha256:parent", Config: image.Config{
		Env: []string{"A=1"}, Volumes: map[string]struct{}{"/v": {}}, ExposedPorts: map[string]struct{}{"53/udp": {}},
	}}
	w.views = []*container.View{{Config: &container.Config{
		ID: "0123", Name: "x", Image: container.ImageRef{ID: "sha256:parent"}, Entrypoint: []string{"e"}, Cmd: []string{"c"},
		Labels: map[string]string{"l": "1"}, StopSignal: "INT", Ports: []container.Port{{ContainerPort: 80, Protocol: "tcp"}},
		HealthCheck: &container.HealthCheck{Test: []string{"NONE"}, Retries: 2},
		Spec: &specs.Spec{Hostname: "h", Process: &specs.Process{
			Cwd: "/", Terminal: true, Args: []string{"e", "c"}, User: specs.User{UID: 5},
			Env: []string{defaultPath, "HOSTNAME=h", "TERM=xterm", "A=1", "B=2"},
		}},
	}}}
	r := w.berth(t, "commit", "-a", "me", "-m", "why", "-c", "USER u", "--pause=false", "x", "Repo")
	if r.code != 1 || !strings.Contains(r.err, "invalid reference format") {
		t.Errorf("a name in capitals: %+v", r)
	}
	r = w.berth(t, "commit", "-a", "me", "-m", "why", "-c", "USER u", "--pause=false", "x", "repo:1")
	if r.code != 0 || r.out != "sha256:layer\n" {
		t.Fatalf("commit: %+v", r)
	}
	want := image.CommitOptions{
		Ref: "docker.io/library/repo:1", Parent: "sha256:parent", Author: "me", Message: "why", Changes: []string{"USER u"}, CreatedBy: "e c",
		Config: image.Config{
			Env: []string{"A=1", "B=2"}, Entrypoint: []string{"e"}, Cmd: []string{"c"}, User: "5", Labels: map[string]string{"l": "1"},
			StopSignal: "INT", Volumes: map[string]struct{}{"/v": {}}, ExposedPorts: map[string]struct{}{"53/udp": {}, "80/tcp": {}},
			Healthcheck: &image.Healthcheck{Test: []string{"NONE"}, Retries: 2},
		},
	}
	if got := (*w.images.committed)[0]; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if r := w.berth(t, "container", "commit", "x"); r.code != 0 || w.calls[len(w.calls)-1] != "layer 0123 pause=true" {
		t.Errorf("by default: %+v, calls %q", r, w.calls)
	}
	if r := w.berth(t, "commit", "nope"); r.code != 1 || r.err != "Error: No such container: nope\n" {
		t.Errorf("nothing to commit: %+v", r)
	}
	w.err = container.ErrNotRunning
	if r := w.berth(t, "commit", "x"); r.code != 1 || r.out != "" || !strings.Contains(r.err, "is not running") {
		t.Errorf("a layer that fails: %+v", r)
	}
}

package cli

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/container"
	"berth/image"
)

// storeWorld has an image with a container, one without, and one without a name,
// which share a layer; a container that runs and one that does not, whose files
// are there.
func storeWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld()
	w.images.list = map[string]image.Image{}
	add := func(name, ref, id string, layers ...string) {
		w.images.list[name] = image.Image{
			ID: "sha256:" + image.Digest(strings.Repeat(id, 32)), Ref: ref, Layers: layers, Size: int64(1000 * len(layers)),
			Created: time.Now().Add(-48 * time.Hour), Config: image.Config{Labels: map[string]string{"of": name}},
		}
	}
	add("used", "docker.io/library/used:latest", "aa", "/layer/2", "/layer/1")
	add("idle", "docker.io/library/idle:latest", "bb", "/layer/3", "/layer/1")
	add("nameless", "", "cc", "/layer/4")
	up, down := running("up", "a1"), stopped("down", "b2")
	for _, v := range []*container.View{up, down} {
		v.Image = container.ImageRef{Ref: "used", ID: "sha256:" + strings.Repeat("aa", 32)}
		v.Layers = []string{"/layer/2", "/layer/1"}
	}
	w.views = []*container.View{up, down}
	w.dirs.Root, w.dirs.Run = t.TempDir(), t.TempDir()
	for id, size := range map[string]int{up.ID: 300, down.ID: 700} {
		dir := w.dirs.Container(id) + "/upper"
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir+"/file", make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func TestDiskUsage(t *testing.T) {
	w := storeWorld(t)
	want := "TYPE            TOTAL     ACTIVE    SIZE      RECLAIMABLE\n" +
		"Images          3         1         4kB       2kB (50%)\n" +
		"Containers      2         1         1kB       700B (70%)\n" +
		"Local Volumes   0         0         0B        0B\n" +
		"Build Cache     0         0         0B        0B\n"
	if r := w.berth(t, "system", "df"); r.out != want || r.err != "" {
		t.Errorf("prints\n%s\nwant\n%s%s", r.out, want, r.err)
	}
	first, _, _ := strings.Cut(w.berth(t, "system", "df", "--format", "json").out, "\n")
	if first != `{"Active":"1","Reclaimable":"2kB (50%)","Size":"4kB","TotalCount":"3","Type":"Images"}` {
		t.Errorf("json prints %s", first)
	}
	if r := w.berth(t, "system", "df", "--format", "table {{.Type}}\t{{.Size}}"); !strings.HasPrefix(r.out, "TYPE            SIZE\nImages          4kB\n") {
		t.Errorf("a table of two columns: %q", r.out)
	}
	golden(t, "df_verbose", w.berth(t, "system", "df", "-v").out)
	var all map[string][]map[string]any
	if err := json.Unmarshal([]byte(w.berth(t, "system", "df", "-v", "--format", "json").out), &all); err != nil || len(all["Images"]) != 3 || all["Containers"][1]["Size"] != "700B" {
		t.Errorf("json gives %v, %v", all, err)
	}
	if r := w.berth(t, "system", "df", "-v", "--format", "{{range .Containers}}{{.Names}} {{end}}"); r.out != "up down \n" {
		t.Errorf("a template gives %+v", r)
	}
	if err := os.MkdirAll(w.dirs.Volumes()+"/data", 0o755); err != nil {
		t.Fatal(err)
	}
	w.views[0].Spec.Mounts[0].Source = w.dirs.Volumes() + "/data/_data"
	if r := w.berth(t, "system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Active}}"); !strings.Contains(r.out, "Local Volumes 1 1\n") {
		t.Errorf("with a volume: %q", r.out)
	}
	if r := w.berth(t, "system", "df", "--format", "{{.Nope}}"); r.code != 1 {
		t.Errorf("an unknown field: %+v", r)
	}
}

func TestImagePrune(t *testing.T) {
	nameless := "deleted: sha256:" + strings.Repeat("cc", 32)
	idle := "untagged: docker.io/library/idle:latest\ndeleted: sha256:" + strings.Repeat("bb", 32)
	for args, want := range map[string]string{
		"-f":                               "Deleted Images:\n" + nameless + "\ndeleted: sha256:orphan\n\nTotal reclaimed space: 1kB\n",
		"-f --filter dangling=false":       "Deleted Images:\n" + nameless + "\n" + idle + "\ndeleted: sha256:orphan\n\nTotal reclaimed space: 2kB\n",
		"-af":                              "Deleted Images:\n" + nameless + "\n" + idle + "\ndeleted: sha256:orphan\n\nTotal reclaimed space: 2kB\n",
		"-af --filter label=of=idle":       "Deleted Images:\n" + idle + "\ndeleted: sha256:orphan\n\nTotal reclaimed space: 1kB\n",
		"-af --filter label!=of":           "Deleted Images:\ndeleted: sha256:orphan\n\nTotal reclaimed space: 0B\n",
		"-af --filter until=72h":           "Deleted Images:\ndeleted: sha256:orphan\n\nTotal reclaimed space: 0B\n",
		"-a":                               "WARNING! This will remove all images without at least one container associated to them.\nAre you sure you want to continue? [y/N] ",
		"":                                 "WARNING! This will remove all dangling images.\nAre you sure you want to continue? [y/N] ",
		"-f --filter dangling=true --all ": "Deleted Images:\n" + nameless + "\ndeleted: sha256:orphan\n\nTotal reclaimed space: 1kB\n",
	} {
		if r := storeWorld(t).berth(t, append([]string{"image", "prune"}, strings.Fields(args)...)...); r.code != 0 || r.out != want {
			t.Errorf("image prune %s: %+v, want %q", args, r, want)
		}
	}
	w := storeWorld(t)
	w.views = append(w.views, &container.View{Config: &container.Config{ID: strings.Repeat("e5", 32)}, Status: container.Broken, Err: os.ErrInvalid})
	if r := w.berth(t, "image", "prune", "-af"); r.code != 1 || len(w.images.list) != 3 || !strings.Contains(r.err, "container e5e5e5e5e5e5 may use any image") {
		t.Errorf("with a broken container: %+v", r)
	}
	for args, code := range map[string]int{"--filter dangling=maybe": 1, "--filter colour=red": 1, "--filter x": 125, "x": 1} {
		if r := storeWorld(t).berth(t, append([]string{"image", "prune", "-f"}, strings.Fields(args)...)...); r.code != code {
			t.Errorf("image prune %s: %+v", args, r)
		}
	}
}

func TestSystemPrune(t *testing.T) {
	w := storeWorld(t)
	r := w.berth(t, "system", "prune", "-f")
	want := "Deleted Containers:\n" + strings.Repeat("b2", 32) + "\n\nDeleted Images:\ndeleted: sha256:" + strings.Repeat("cc", 32) +
		"\ndeleted: sha256:orphan\n\nTotal reclaimed space: 1.7kB\n"
	if r.code != 0 || r.out != want || !slices.Equal(w.calls, []string{"remove " + strings.Repeat("b2", 32)}) {
		t.Errorf("got %+v, calls %q, want %q", r, w.calls, want)
	}
	for _, tt := range []struct{ args, want string }{
		{"", "WARNING! This will remove:\n  - all stopped containers\n  - all networks not used by at least one container\n  - all dangling images\n  - unused build cache\n\nAre you sure you want to continue? [y/N] "},
		{"-a --volumes --filter label=x", "WARNING! This will remove:\n  - all stopped containers\n  - all networks not used by at least one container\n  - all anonymous volumes not used by at least one container\n" +
			"  - all images without at least one container associated to them\n  - all build cache\n\n  Items to be pruned will be filtered with:\n  - label=x\n\nAre you sure you want to continue? [y/N] "},
	} {
		w := storeWorld(t)
		if r := w.berth(t, append([]string{"system", "prune"}, strings.Fields(tt.args)...)...); r.code != 0 || r.out != tt.want || len(w.calls) > 0 {
			t.Errorf("system prune %s: %+v, want %q", tt.args, r, tt.want)
		}
	}
	if r := storeWorld(t).called(t, "docker", "system", "prune", "--volumes", "--filter", "until=1h"); r.code != 1 || r.err != "ERROR: The \"until\" filter is not supported with \"--volumes\"\n" {
		t.Errorf("until with volumes: %+v", r)
	}
}

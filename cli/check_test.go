package cli

import (
	"errors"
	"strings"
	"testing"

	"berth/container"
	"berth/image"
)

func TestCheck(t *testing.T) {
	mended := container.Finding{Object: "container a", Problem: "its supervisor died", Repaired: true}
	broken := container.Finding{Object: "container b", Problem: "record is corrupt"}
	stuck := container.Finding{Object: "cgroup c", Problem: "has no container", Err: errors.New("rmdir: busy")}
	for _, tt := range []struct {
		args     string
		findings []container.Finding
		code     int
		out, err string
		call     string
	}{
		{"", nil, 0, "", "", "check false false"},
		{"", []container.Finding{mended}, 0, "container a: its supervisor died (repaired)\n", "", "check false false"},
		{
			"", []container.Finding{mended, broken}, 1, "container a: its supervisor died (repaired)\ncontainer b: record is corrupt\n",
			"Error: 1 problem found\nhint: berth system check --repair mends what can be mended\n", "check false false",
		},
		{
			"--repair", []container.Finding{broken, stuck}, 1, "container b: record is corrupt\ncgroup c: has no container (not repaired: rmdir: busy)\n",
			"Error: 2 problems not repaired\n", "check true false",
		},
		{"--repair -f", []container.Finding{mended}, 0, "container a: its supervisor died (repaired)\n", "", "check true true"},
		{"-f", nil, 1, "", "Error: conflicting options: --force needs --repair\n", ""},
		{"x", nil, 1, "", "Error: 'berth system check' accepts no arguments\n", ""},
	} {
		w := newWorld()
		w.findings = tt.findings
		r := w.berth(t, append([]string{"system", "check"}, strings.Fields(tt.args)...)...)
		if r.code != tt.code || r.out != tt.out || !strings.HasPrefix(r.err, tt.err) || tt.err == "" && r.err != "" || strings.Join(w.calls, ",") != tt.call {
			t.Errorf("system check %s: %+v, calls %q", tt.args, r, w.calls)
		}
	}
}

// TestCheckImages: damaged images and orphaned layers are named; without knowing
// what a container uses nothing counts as an orphan.
func TestCheckImages(t *testing.T) {
	w := storeWorld(t)
	img := w.images.list["used"]
	img.Err = image.ErrCorrupt
	w.images.list["used"] = img
	if r := w.berth(t, "system", "check"); r.code != 1 || r.out != "image docker.io/library/used:latest: image store content is damaged\n" {
		t.Errorf("a damaged image: %+v", r)
	}
	w = storeWorld(t)
	w.images.orphans = []string{"/layer/orphan"}
	if r := w.berth(t, "system", "check"); r.code != 1 || r.out != "layer /layer/orphan: no image and no container has it\n" {
		t.Errorf("a layer that nobody has: %+v", r)
	}
	if r := w.berth(t, "system", "check", "--repair"); r.code != 0 || r.out != "layer /layer/orphan: no image and no container has it (repaired)\n" {
		t.Errorf("its repair: %+v", r)
	}
	w.views = append(w.views, &container.View{Config: &container.Config{}, Status: container.Broken, Err: errors.New("no")})
	if r := w.berth(t, "system", "check"); r.code != 0 || r.out != "" {
		t.Errorf("a layer that a broken container may have: %+v", r)
	}
	w.images.list["nameless"] = image.Image{Err: image.ErrNotUnpacked, Manifest: "sha256:m"}
	if r := w.berth(t, "system", "check", "--repair"); r.code != 0 || r.out != "image sha256:m: image layer is not unpacked (repaired)\n" {
		t.Errorf("an image that is not unpacked: %+v", r)
	}
}

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

// TestCheckImages: damage names what it concerns and is a problem, what can be
// reclaimed is none.
func TestCheckImages(t *testing.T) {
	full := "docker.io/library/used:latest"
	for _, tt := range []struct {
		name string
		f    image.Finding
		code int
		out  string
	}{
		{
			"image", image.Finding{Object: "image " + full, Problem: "is damaged", Images: []string{full}}, 1,
			"image docker.io/library/used:latest: is damaged\n",
		},
		{
			"blob", image.Finding{Object: "blob sha256:b", Problem: "is missing", Images: []string{full, "sha256:m"}, Containers: []string{strings.Repeat("a1", 32)}}, 1,
			"blob sha256:b: is missing (image used:latest, image sha256:m, container a1a1a1a1a1a1)\n",
		},
		{
			"stuck", image.Finding{Object: "layer /l", Problem: "is damaged", Err: errors.New("a\nb")}, 1,
			"layer /l: is damaged (not repaired: a; b)\n",
		},
		{"repaired", image.Finding{Object: "layer /l", Problem: "is damaged", Repaired: true}, 0, "layer /l: is damaged (repaired)\n"},
		{"unused", image.Finding{Object: "layer /l", Problem: "nobody has it", Reclaimable: true}, 0, "layer /l: nobody has it (reclaimable)\n"},
		{"removed", image.Finding{Object: "layer /l", Problem: "nobody has it", Reclaimable: true, Repaired: true}, 0, "layer /l: nobody has it (repaired)\n"},
	} {
		w := storeWorld(t)
		w.images.findings = []image.Finding{tt.f}
		if r := w.berth(t, "system", "check"); r.code != tt.code || r.out != tt.out {
			t.Errorf("%s: %+v", tt.name, r)
		}
	}
}

// TestCheckAsks: the store is told who stands on which layer, and that it is not
// known when a container cannot be read.
func TestCheckAsks(t *testing.T) {
	w := storeWorld(t)
	w.images.asked = new(image.CheckOptions)
	w.berth(t, "system", "check", "--repair")
	users, err := w.images.asked.Users(t.Context())
	if err != nil || !w.images.asked.Repair || w.images.asked.Source == nil || w.remote.closed != 1 || len(users) != 2 || len(users["/layer/1"]) != 2 || users["/layer/1"][0].Running == users["/layer/1"][1].Running {
		t.Errorf("asked %+v, users %+v, %v", w.images.asked, users, err)
	}
	w.views = append(w.views, &container.View{Config: &container.Config{}, Status: container.Broken, Err: errors.New("no")})
	if _, err := w.images.asked.Users(t.Context()); err == nil {
		t.Error("a container that cannot be read is passed over")
	}
}

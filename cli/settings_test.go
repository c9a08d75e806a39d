package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSettings(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(home, ".docker", "config.json")
	if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w := psWorld()
	w.env["HOME"] = home
	write(`{"auths": {}, "psFormat": "{{.Names}}!", "imagesFormat": "{{.ID}}!", "detachKeys": "ctrl-a"}`)
	for args, want := range map[string]string{
		"ps":                  "up!\n",
		"ps -q":               "a1a1a1a1a1a1\n",
		"ps --format {{.ID}}": "a1a1a1a1a1a1\n",
		"images":              "aaaaaaaaaaaa!\n",
	} {
		if got := w.berth(t, strings.Fields(args)...); got.out != want {
			t.Errorf("%s prints %q, want %q (stderr %q)", args, got.out, want, got.err)
		}
	}
	w.berth(t, "attach", "up")
	w.berth(t, "attach", "--detach-keys", "ctrl-b", "up")
	if got := strings.Join(w.keys, " "); got != "ctrl-a ctrl-b" {
		t.Errorf("detach keys %q", got)
	}
	write(`{`)
	if r := w.berth(t, "ps"); r.code != 0 || !strings.HasPrefix(r.out, "CONTAINER ID") || !strings.HasPrefix(r.err, "WARNING: read "+file) {
		t.Errorf("a damaged file: %+v", r)
	}
	other := t.TempDir()
	w.env["DOCKER_CONFIG"] = other
	if r := w.berth(t, "ps"); r.err != "" || !strings.HasPrefix(r.out, "CONTAINER ID") {
		t.Errorf("DOCKER_CONFIG without a file: %+v", r)
	}
}

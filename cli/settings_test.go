package cli

import (
	"os"
	"path/filepath"
	"slices"
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

func TestProxies(t *testing.T) {
	w := newWorld()
	folder := t.TempDir()
	w.env["DOCKER_CONFIG"] = folder
	// Docker's are for containers only where the file says so.
	w.env["HTTP_PROXY"] = "http://of-berth"
	for _, tt := range []struct{ config, flags, want string }{
		{`{"proxies": {"default": {"httpProxy": "http://p:1", "noProxy": "a,b"}}}`, "", "HTTP_PROXY=http://p:1 NO_PROXY=a,b http_proxy=http://p:1 no_proxy=a,b"},
		{`{"proxies": {"default": {"httpsProxy": "http://p:1", "ftpProxy": "f", "allProxy": "a"}}}`, "-e HTTPS_PROXY= -e ftp_proxy=own -e ALL_PROXY", "FTP_PROXY=f HTTPS_PROXY= all_proxy=a ftp_proxy=own https_proxy=http://p:1"},
		{`{"proxies": {"tcp://other": {"httpProxy": "http://p:1"}}}`, "", ""},
		{`{"auths": {}}`, "", ""},
		{`{"auths": `, "", ""},
	} {
		if err := os.WriteFile(filepath.Join(folder, "config.json"), []byte(tt.config), 0o600); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range w.created(t, append(strings.Fields(tt.flags), "img")...).Spec.Process.Env {
			if key, _, _ := strings.Cut(v, "="); strings.HasSuffix(strings.ToLower(key), "_proxy") {
				got = append(got, v)
			}
		}
		slices.Sort(got)
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s with %q: got %q, want %q", tt.config, tt.flags, got, tt.want)
		}
	}
}

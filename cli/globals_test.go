package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestGlobals(t *testing.T) {
	for args, want := range map[string]string{
		"-D ps":                                  "",
		"--debug --log-level=warn ps":            "",
		"-l info ps":                             "",
		"-c default ps":                          "",
		"--tls=false ps":                         "",
		"-H unix:///var/run/docker.sock ps":      "",
		"-H tcp://other:2375 rm aa":              "Error: --host tcp://other:2375: berth connects to no daemon\nhint: berth acts on the machine that it runs on",
		"-H unix:///run/docker.sock -H fd:// ps": "Error: --host fd://: berth connects to no daemon\n",
		"--context prod rm aa":                   "Error: --context prod: berth connects to no daemon\n",
		"--tlsverify ps":                         "Error: --tls: berth connects to no daemon\n",
		"--tlscacert ca.pem ps":                  "Error: --tls... ca.pem: berth connects to no daemon\n",
		"-l loud ps":                             "Error: Unable to parse logging level: loud\n",
		"--debug=maybe ps":                       "Error: invalid argument \"maybe\" for \"-D, --debug\" flag: ",
		"--host":                                 "Error: flag needs an argument: --host\n\nUsage:  berth [OPTIONS] COMMAND [ARG...]\n\nRun 'berth --help' for more information\n",
		"-H tcp://other:2375 --version":          "Error: --host",
	} {
		w := newWorld()
		r := w.berth(t, strings.Fields(args)...)
		if !strings.HasPrefix(r.err, want) || (r.code == 0) != (want == "") || want == "" && r.err != "" {
			t.Errorf("%s: status %d, stderr %q, want %q", args, r.code, r.err, want)
		}
		if len(w.calls) > 0 {
			t.Errorf("%s: the engine was asked: %q", args, w.calls)
		}
	}
}

// TestConfigFolder holds that --config comes before DOCKER_CONFIG, and that
// without it the environment counts, but not DOCKER_HOST.
func TestConfigFolder(t *testing.T) {
	flag, env := t.TempDir(), t.TempDir()
	for folder, name := range map[string]string{flag: "flag", env: "env"} {
		if err := os.WriteFile(filepath.Join(folder, "config.json"), []byte(`{"psFormat": "`+name+`"}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld()
	w.env["DOCKER_CONFIG"], w.env["DOCKER_HOST"] = env, "tcp://other:2375"
	w.views = append(w.views, running("aa", "a1"))
	if r := w.berth(t, "--config", flag, "ps"); r.out != "flag\n" {
		t.Errorf("with --config: %+v", r)
	}
	if r := w.berth(t, "ps"); r.out != "env\n" {
		t.Errorf("with DOCKER_CONFIG: %+v", r)
	}
}

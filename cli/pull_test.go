package cli

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"berth/image"
	"berth/registry"
)

// prints compares what a stream got.
func prints(t *testing.T, stream, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got\n%swant\n%s", stream, got, want)
	}
}

// worldWith has these images in its registries, for this machine.
func worldWith(refs ...string) *world {
	w := newWorld()
	w.exit.Code = new(int)
	w.remote.has = map[string]image.Platform{}
	for _, ref := range refs {
		w.remote.has[ref] = image.Platform{OS: "linux", Architecture: runtime.GOARCH}
	}
	return w
}

const (
	layersShown = "aaaaaaaaaaaa: Pulling fs layer\naaaaaaaaaaaa: Download complete\naaaaaaaaaaaa: Pull complete\nbbbbbbbbbbbb: Already exists\n"
	digestShown = "Digest: sha256:dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd\n"
)

func TestPull(t *testing.T) {
	pinned := "x@sha256:" + strings.Repeat("d", 64)
	for _, tt := range []struct{ args, out, err string }{
		{"pull x", "Using default tag: latest\nlatest: Pulling from library/x\n" + layersShown + digestShown + "Status: Downloaded newer image for x:latest\ndocker.io/library/x:latest\n", ""},
		{"image pull x:1", "1: Pulling from library/x\n" + layersShown + digestShown + "Status: Downloaded newer image for x:1\ndocker.io/library/x:1\n", ""},
		{"pull -q x", "docker.io/library/x:latest\n", ""},
		{"pull x --quiet", "docker.io/library/x:latest\n", ""},
		{"pull h:5/a/b:1", "1: Pulling from a/b\n" + layersShown + digestShown + "Status: Downloaded newer image for h:5/a/b:1\nh:5/a/b:1\n", ""},
		{"pull " + pinned, "sha256:" + strings.Repeat("d", 64) + ": Pulling from library/x\n" + layersShown + digestShown + "Status: Downloaded newer image for " + pinned + "\ndocker.io/library/" + pinned + "\n", ""},
		{"pull img", "Using default tag: latest\nlatest: Pulling from library/img\n" + digestShown + "Status: Image is up to date for img:latest\ndocker.io/library/img:latest\n", ""},
		{"pull -a h:5/a/b", "1: Pulling from a/b\n" + layersShown + digestShown + "2: Pulling from a/b\n" + layersShown + digestShown + "Status: Downloaded newer image for h:5/a/b\nh:5/a/b\n", ""},
		{"pull --disable-content-trust x:1", "1: Pulling from library/x\n" + layersShown + digestShown + "Status: Downloaded newer image for x:1\ndocker.io/library/x:1\n", ""},
		{"pull -q --disable-content-trust=false x:1", "docker.io/library/x:1\n", "WARNING: --disable-content-trust=false has no effect: docker's content trust is no more\n"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			w := worldWith("x:latest", "x:1", pinned, "img:latest", "h:5/a/b:1", "h:5/a/b:2")
			r := w.berth(t, strings.Fields(tt.args)...)
			prints(t, "stdout", r.out, tt.out)
			prints(t, "stderr", r.err, tt.err)
			if r.code != 0 || w.remote.closed != 1 {
				t.Errorf("status %d, %d clients closed", r.code, w.remote.closed)
			}
		})
	}
}

func TestPullRefused(t *testing.T) {
	denied := &registry.Error{Status: 401, Code: "DENIED", Message: "requested access to the resource is denied"}
	for _, tt := range []struct {
		args          string
		err           error
		berth, docker string
	}{
		{"pull x", nil, "Error: manifest for x:latest not found: manifest unknown: manifest unknown\n", "Error response from daemon: manifest for x:latest not found: manifest unknown: manifest unknown\n"},
		{"pull x", denied, "Error: pull access denied for x, repository does not exist or may require 'docker login': denied: requested access to the resource is denied\nhint: berth login docker.io keeps credentials\n", "Error response from daemon: pull access denied for x, repository does not exist or may require 'docker login': denied: requested access to the resource is denied\nhint: berth login docker.io keeps credentials\n"},
		{"pull -a h:5/x", &registry.Error{Status: 404, Code: "NAME_UNKNOWN", Message: "repository name not known to registry"}, "Error: repository h:5/x not found: name unknown: repository name not known to registry\n", "Error response from daemon: repository h:5/x not found: name unknown: repository name not known to registry\n"},
		{"pull h:5/x", &registry.Error{Status: 401, Code: "UNAUTHORIZED", Message: "authentication required"}, "Error: unauthorized: authentication required\nhint: berth login h:5 keeps credentials\n", "Error response from daemon: unauthorized: authentication required\nhint: berth login h:5 keeps credentials\n"},
		{"pull x", fmt.Errorf("write layer: %w", unix.ENOSPC), "Error: write layer: no space left on device\n", "Error response from daemon: write layer: no space left on device\n"},
		{"pull -q UPPER", nil, "Error: invalid reference format: repository name (library/UPPER) must be lowercase\n", "invalid reference format: repository name (library/UPPER) must be lowercase\n"},
		{"pull -a x:1", nil, "Error: tag can't be used with --all-tags/-a\n", "tag can't be used with --all-tags/-a\n"},
		{"pull --platform a/b/c/d x", nil, "Error: parse platform \"a/b/c/d\": want os[/architecture[/variant]]\n", "parse platform \"a/b/c/d\": want os[/architecture[/variant]]\n"},
		{"pull", nil, "Error: 'berth pull' requires 1 argument\n", "docker: 'docker pull' requires 1 argument\n"},
		{"pull box", nil, "Error: No such image: box:latest\nhint: ", "Error response from daemon: No such image: box:latest\nhint: "},
	} {
		t.Run(tt.args, func(t *testing.T) {
			for program, want := range map[string]string{"berth": tt.berth, "docker": tt.docker} {
				w := worldWith()
				w.remote.err = tt.err
				r := w.called(t, program, strings.Fields(tt.args)...)
				if r.code == 0 || !strings.HasPrefix(r.err, want) {
					t.Errorf("%s: status %d, stderr %q, want %q", program, r.code, r.err, want)
				}
				if strings.Contains(r.out, "Pulling from") {
					t.Errorf("%s: said to be pulling: %q", program, r.out)
				}
				if len(w.remote.refs) != w.remote.closed {
					t.Errorf("%s: %d clients, %d closed", program, len(w.remote.refs), w.remote.closed)
				}
			}
		})
	}
}

func TestPullOfBox(t *testing.T) {
	for _, args := range []string{"pull box", "pull docker.io/library/box:latest", "pull -a box", "run --pull always box", "run --pull newer box", "run box"} {
		w := worldWith("box:latest")
		w.images.list["box"] = image.Image{ID: blob("e"), OS: "linux", Architecture: runtime.GOARCH, Config: image.Config{Cmd: []string{"sh"}}}
		r := w.berth(t, strings.Fields(args)...)
		if r.code != 0 || len(w.remote.refs) > 0 {
			t.Errorf("%s: status %d, %s; asked for %q", args, r.code, r.err, w.remote.refs)
		}
		if strings.HasPrefix(args, "pull") && !strings.Contains(r.out, "Status: Image is up to date for box") {
			t.Errorf("%s: printed %q", args, r.out)
		}
	}
}

// TestRunPulls: what run and create do about an image, by --pull.
func TestRunPulls(t *testing.T) {
	const pulled = "latest: Pulling from library/x\n" + layersShown + digestShown + "Status: Downloaded newer image for x:latest\n"
	const current = "latest: Pulling from library/img\n" + digestShown + "Status: Image is up to date for img:latest\n"
	id := strings.Repeat("f", 64)
	for _, tt := range []struct {
		args, err string
		asked     int
	}{
		{"x", "Unable to find image 'x:latest' locally\n" + pulled, 1},
		{"-q x", "", 1},
		{"--pull missing x", "Unable to find image 'x:latest' locally\n" + pulled, 1},
		{"--pull always x", pulled, 1},
		{"--pull newer x", pulled, 1},
		{"--pull always -q x", "", 1},
		{"img", "", 0},
		{"--pull never img", "", 0},
		{"--pull always img", current, 1},
		{"--pull newer img", current, 1},
		{"--platform linux/" + runtime.GOARCH + " img", "", 0},
	} {
		t.Run(tt.args, func(t *testing.T) {
			w := worldWith("x:latest", "img:latest")
			r := w.berth(t, append([]string{"run"}, strings.Fields(tt.args)...)...)
			prints(t, "stderr", r.err, tt.err)
			if r.code != 0 || r.out != "" || len(w.remote.refs) != tt.asked || len(w.made) != 1 {
				t.Errorf("status %d, stdout %q, asked for %q, made %d", r.code, r.out, w.remote.refs, len(w.made))
			}
			c := worldWith("x:latest", "img:latest")
			if r := c.berth(t, append([]string{"create"}, strings.Fields(tt.args)...)...); r.code != 0 || r.err != tt.err || len(r.out) != 65 {
				t.Errorf("create: status %d, stdout %q, stderr %q", r.code, r.out, r.err)
			}
		})
	}
	for _, tt := range []struct {
		args, berth, docker string
		asked               int
	}{
		{"--pull never x", "Error: No such image: x:latest\nhint: berth images", "docker: Error response from daemon: No such image: x:latest\nhint: berth images", 0},
		{"y", "Unable to find image 'y:latest' locally\nError: manifest for y:latest not found: ", "Unable to find image 'y:latest' locally\ndocker: Error response from daemon: manifest for y:latest not found: ", 1},
		{"-q y", "Error: manifest for y:latest not found: ", "docker: Error response from daemon: manifest for y:latest not found: ", 1},
		{"--pull newer y", "Error: manifest for y:latest not found: ", "docker: Error response from daemon: manifest for y:latest not found: ", 1},
		{"--pull always Y", "Error: invalid reference format: ", "docker: invalid reference format: ", 0},
		{id, "Error: No such image: ", "docker: Error response from daemon: No such image: ", 0},
		{"sha256:" + id, "Error: No such image: ", "docker: Error response from daemon: No such image: ", 0},
	} {
		t.Run(tt.args, func(t *testing.T) {
			for program, want := range map[string]string{"berth": tt.berth, "docker": tt.docker} {
				w := worldWith("x:latest")
				r := w.called(t, program, append([]string{"run"}, strings.Fields(tt.args)...)...)
				if r.code != exitBerth || !strings.HasPrefix(r.err, want) || len(w.remote.refs) != tt.asked || len(w.made) > 0 {
					t.Errorf("%s: status %d, stderr %q, want %q; asked for %q", program, r.code, r.err, want, w.remote.refs)
				}
			}
		})
	}
}

func TestRunOnStaleImage(t *testing.T) {
	w := worldWith()
	w.remote.err = errors.New("nobody there")
	r := w.berth(t, "run", "--pull", "newer", "img")
	prints(t, "stderr", r.err, "WARNING: nobody there; the stored image is used\n")
	if r.code != 0 || len(w.made) != 1 {
		t.Errorf("status %d, made %d", r.code, len(w.made))
	}
}

func TestRunPlatform(t *testing.T) {
	other := "s390x"
	foreign := image.Platform{OS: "linux", Architecture: other}
	for _, tt := range []struct {
		name, args, env, err string
		code, asked          int
	}{
		{"stored for this machine", "--platform linux/s390x img", "", "Unable to find image 'img:latest' locally\nlatest: Pulling from library/img\n" + layersShown + digestShown + "Status: Downloaded newer image for img:latest\n", 0, 1},
		{"by the environment", "-q img", "linux/s390x", "", 0, 1},
		{"the flag goes first", "--platform linux/" + runtime.GOARCH + " img", "linux/s390x", "", 0, 0},
		{"never", "--pull never --platform linux/s390x img", "", "Error: image with reference img was found but its platform (linux/" + runtime.GOARCH + ") does not match the specified platform (linux/s390x)\n", 125, 0},
		{"stored for another", "theirs", "", "WARNING: The requested image's platform (linux/s390x) does not match the detected host platform (linux/" + runtime.GOARCH + ") and no specific platform was requested\n", 0, 0},
		{"stored for another, as asked", "--platform linux/s390x theirs", "", "", 0, 0},
		{"no platform", "img", "a/b/c/d", "Error: parse platform \"a/b/c/d\": want os[/architecture[/variant]]\n", 125, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := worldWith()
			w.remote.has = map[string]image.Platform{"img:latest": foreign}
			w.images.list["theirs"] = image.Image{ID: blob("e"), OS: "linux", Architecture: other, Config: image.Config{Cmd: []string{"sh"}}}
			w.env["DOCKER_DEFAULT_PLATFORM"] = tt.env
			r := w.berth(t, append([]string{"run"}, strings.Fields(tt.args)...)...)
			prints(t, "stderr", r.err, tt.err)
			if r.code != tt.code || len(w.remote.refs) != tt.asked {
				t.Errorf("status %d, asked for %q", r.code, w.remote.refs)
			}
		})
	}
}

// TestPullInterrupted: a signal gives a pull up, whichever command it is for,
// without a word of what broke.
func TestPullInterrupted(t *testing.T) {
	for _, sig := range []unix.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP} {
		for _, args := range []string{"pull -q x", "run -q x", "create -q x", "run -q --pull newer img", "search x"} {
			w := worldWith("x:latest")
			w.remote.hangs = func() {
				if err := unix.Kill(unix.Getpid(), sig); err != nil {
					t.Error(err)
				}
			}
			r := w.berth(t, strings.Fields(args)...)
			if r.code != 128+int(sig) || r.out != "" || r.err != "" || len(w.made) > 0 || w.remote.closed != 1 {
				t.Errorf("%s, %s: status %d, stdout %q, stderr %q", args, unix.SignalName(sig), r.code, r.out, r.err)
			}
		}
	}
}

// TestExplainPullsNothing: a plan is looked at without changing anything.
func TestExplainPullsNothing(t *testing.T) {
	for _, args := range []string{"explain run x", "explain run --pull always x"} {
		w := worldWith("x:latest")
		r := w.berth(t, strings.Fields(args)...)
		if r.code == 0 || !strings.Contains(r.err, "No such image: x:latest") || len(w.remote.refs) > 0 {
			t.Errorf("%s: status %d, %s; asked for %q", args, r.code, r.err, w.remote.refs)
		}
	}
}

func TestPullFlagsReachTheClient(t *testing.T) {
	w := worldWith("x:latest")
	dir := t.TempDir()
	file := dir + "/auth.json"
	for _, flag := range []string{"--authfile", "--cert-dir"} {
		r := w.berth(t, "pull", flag, file, "x")
		if r.code != 125 || !strings.Contains(r.err, "no such file or directory") || len(w.remote.flags) > 0 {
			t.Errorf("%s of a file that is not there: %+v, asked with %+v", flag, r, w.remote.flags)
		}
	}
	if err := os.WriteFile(file, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.berth(t, "pull", "-q", "--authfile", file, "--creds", "me:secret", "--cert-dir", dir, "--tls-verify=false", "x")
	f := w.remote.flags[0]
	if f.authfile != file || f.creds != "me:secret" || f.certDir != dir || f.tlsVerify == nil || *f.tlsVerify {
		t.Errorf("the client was made with %+v", f)
	}
	w.berth(t, "pull", "-q", "x")
	if f := w.remote.flags[1]; f != (registryFlags{}) {
		t.Errorf("without flags the client was made with %+v", f)
	}
}

package credentials

import (
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// world is a home and what lies around it.
type world struct {
	t    *testing.T
	root string
	env  map[string]string
	o    Options
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, root: t.TempDir()}
	w.env = map[string]string{"HOME": w.path("home")}
	w.o = Options{
		LookupEnv: func(key string) (string, bool) { v, ok := w.env[key]; return v, ok }, RuntimeDir: w.path("run"), UID: 7,
	}
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.root, name) }

func (w *world) write(name, content string) string {
	w.t.Helper()
	path := w.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

func (w *world) read(name string) string {
	w.t.Helper()
	data, err := os.ReadFile(w.path(name))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(data)
}

func (w *world) files() *Files { return New(w.o) }

// helper installs a helper program of a shell script, which has $1, and the
// server or the credentials in $in. The script's folder is $PATH's first.
func (w *world) helper(name, script string) {
	w.t.Helper()
	path := w.write("bin/docker-credential-"+name, "#!/bin/sh\nin=$(cat)\n"+script+"\n")
	if err := os.Chmod(path, 0o755); err != nil {
		w.t.Fatal(err)
	}
	if !strings.HasPrefix(os.Getenv("PATH"), w.path("bin")) {
		w.t.Setenv("PATH", w.path("bin")+":"+os.Getenv("PATH"))
	}
}

func pair(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}

// login is a file with one login; the user's name says which file it was.
func login(key, user string) string {
	return `{"auths": {"` + key + `": {"auth": "` + pair(user, "pw") + `"}}}`
}

func TestGetOrder(t *testing.T) {
	const r = "reg.example:5000"
	w := newWorld(t)
	w.env["REGISTRY_AUTH_FILE"] = w.write("env.json", login(r, "registry-auth-file"))
	w.env["DOCKER_AUTH_CONFIG"] = login(r, "docker-auth-config")
	w.write("home/.docker/config.json", login(r, "docker"))
	w.env["DOCKER_CONFIG"] = filepath.Dir(w.write("elsewhere/config.json", login(r, "docker-config")))
	w.env["XDG_RUNTIME_DIR"] = w.path("xdg-run")
	w.write("xdg-run/containers/auth.json", login(r, "xdg-runtime"))
	w.write("run/7/auth.json", login(r, "run-containers"))
	w.env["XDG_CONFIG_HOME"] = w.path("xdg-config")
	w.write("xdg-config/containers/auth.json", login(r, "xdg-config"))
	w.write("home/.config/containers/auth.json", login(r, "config"))
	w.write("home/.dockercfg", `{"`+r+`": {"auth": "`+pair("dockercfg", "pw")+`", "email": "x@example.com"}}`)
	w.o.AuthFile = w.write("authfile.json", login(r, "authfile"))
	for _, step := range []struct {
		want string
		gone func()
	}{
		{"authfile", func() { w.o.AuthFile = "" }},
		{"registry-auth-file", func() { delete(w.env, "REGISTRY_AUTH_FILE") }},
		{"docker-auth-config", func() { delete(w.env, "DOCKER_AUTH_CONFIG") }},
		{"docker-config", func() { delete(w.env, "DOCKER_CONFIG") }},
		{"docker", func() { w.write("home/.docker/config.json", login("other.example", "x")) }},
		{"xdg-runtime", func() { delete(w.env, "XDG_RUNTIME_DIR") }},
		{"run-containers", func() { os.RemoveAll(w.path("run")) }},
		{"xdg-config", func() { delete(w.env, "XDG_CONFIG_HOME") }},
		{"config", func() { os.RemoveAll(w.path("home/.config")) }},
		{"dockercfg", func() { os.Remove(w.path("home/.dockercfg")) }},
		{"", func() {}},
	} {
		a, err := w.files().Get(t.Context(), r, "ns/repo")
		if err != nil || a.Username != step.want {
			t.Errorf("got %q, %v, want %q", a.Username, err, step.want)
		}
		step.gone()
	}
}

// TestAuthFileAlone: who names a file wants no other, and wants it to be there.
func TestAuthFileAlone(t *testing.T) {
	w := newWorld(t)
	w.write("home/.docker/config.json", login("reg.example", "docker"))
	w.o.AuthFile = w.write("authfile.json", login("other.example", "x"))
	if a, err := w.files().Get(t.Context(), "reg.example", "x"); err != nil || a != (Auth{}) {
		t.Errorf("a registry that the file does not have: %v, %v", a, err)
	}
	w.o.AuthFile = w.path("missing.json")
	if _, err := w.files().Get(t.Context(), "reg.example", "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestGetKeys(t *testing.T) {
	entry := func(user string) string { return `{"auth": "` + pair(user, "pw") + `"}` }
	for _, tt := range []struct {
		name, auths, registry, repository, want string
	}{
		{"repository", `"r.example/ns/repo": ` + entry("repo") + `, "r.example/ns": ` + entry("ns") + `, "r.example": ` + entry("host"), "r.example", "ns/repo", "repo"},
		{"namespace", `"r.example/ns": ` + entry("ns") + `, "r.example": ` + entry("host"), "r.example", "ns/repo", "ns"},
		{"host", `"r.example/nsx": ` + entry("ns") + `, "r.example": ` + entry("host"), "r.example", "ns/repo", "host"},
		{"other port", `"r.example:5000": ` + entry("host"), "r.example", "ns/repo", ""},
		{"no namespace of a host's login", `"r.example/ns": ` + entry("ns"), "r.example", "", ""},
		{"old address", `"https://r.example/v1/": ` + entry("old"), "r.example", "x", "old"},
		{"plain address", `"http://r.example": ` + entry("old"), "r.example", "x", "old"},
		{"exact before old", `"https://r.example": ` + entry("old") + `, "r.example": ` + entry("host"), "r.example", "x", "host"},
		{"hub, docker's", `"https://index.docker.io/v1/": ` + entry("hub"), "docker.io", "library/box", "hub"},
		{"hub, podman's", `"docker.io": ` + entry("hub"), "docker.io", "library/box", "hub"},
		{"hub, both", `"docker.io": ` + entry("podman") + `, "https://index.docker.io/v1/": ` + entry("docker"), "docker.io", "library/box", "docker"},
		{"hub, old address", `"https://registry-1.docker.io/v2/": ` + entry("hub"), "docker.io", "library/box", "hub"},
		{"hub, namespace", `"docker.io": ` + entry("hub") + `, "docker.io/me": ` + entry("me"), "docker.io", "me/box", "me"},
		{"hub's own host", `"docker.io": ` + entry("hub"), "registry-1.docker.io", "me/box", "hub"},
		{"empty entry", `"r.example/ns": {}, "r.example": ` + entry("host"), "r.example", "ns/x", "host"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.write("home/.docker/config.json", `{"auths": {`+tt.auths+`}}`)
			a, err := w.files().Get(t.Context(), tt.registry, tt.repository)
			if err != nil || a.Username != tt.want {
				t.Errorf("got %q, %v, want %q", a.Username, err, tt.want)
			}
		})
	}
}

func TestGetEntries(t *testing.T) {
	for _, tt := range []struct {
		name, entry string
		want        Auth
	}{
		{"colons", `{"auth": "` + pair("u", "a:b::c") + `"}`, Auth{Username: "u", Password: "a:b::c"}},
		{"filled up", `{"auth": "` + pair("u", "pw\x00\x00") + `"}`, Auth{Username: "u", Password: "pw"}},
		{"plain", `{"username": "u", "password": "pw"}`, Auth{Username: "u", Password: "pw"}},
		{"identity token", `{"auth": "` + pair("u", "") + `", "identitytoken": "tok"}`, Auth{Username: "u", IdentityToken: "tok"}},
		{"identity token alone", `{"identitytoken": "tok"}`, Auth{IdentityToken: "tok"}},
		{"registry token", `{"registrytoken": "tok"}`, Auth{RegistryToken: "tok"}},
		{"email alone", `{"email": "x@example.com"}`, Auth{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.write("home/.docker/config.json", `{"auths": {"r.example": `+tt.entry+`}}`)
			if a, err := w.files().Get(t.Context(), "r.example", "x"); err != nil || a != tt.want {
				t.Errorf("got %+v, %v, want %+v", a, err, tt.want)
			}
		})
	}
}

// TestRefusals: one error that names the file and the line, and no secret in it.
func TestRefusals(t *testing.T) {
	for _, tt := range []struct{ name, content, want string }{
		{"no JSON", "{\n\"auths\": {\n\"r.example\": {\"auth\": hunter2}}}", "/home/.docker/config.json:3: invalid character 'h'"},
		{"cut off", "{\n\"auths\": {", "/home/.docker/config.json:2: unexpected end"},
		{"number", "{\"auths\": {\"r.example\":\n{\"auth\": 20061}}}", "/home/.docker/config.json:2: auths.auth is a JSON number, not a string"},
		{"no base64", `{"auths": {"r.example": {"auth": "hunter2!"}}}`, "/home/.docker/config.json: auth of r.example: not base64"},
		{"no colon", `{"auths": {"r.example": {"auth": "` + base64.StdEncoding.EncodeToString([]byte("hunter2")) + `"}}}`, "not a user and a password"},
		{"no user", `{"auths": {"r.example": {"auth": "` + pair("", "hunter2") + `"}}}`, "not a user and a password"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.write("home/.docker/config.json", tt.content)
			_, err := w.files().Get(t.Context(), "r.example", "x")
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			for _, secret := range []string{"hunter2", "20061", pair("", "hunter2")} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("a secret in %v", err)
				}
			}
			// Another registry's broken entry is not this one's matter.
			if strings.HasPrefix(tt.name, "no ") && tt.name != "no JSON" {
				if _, err := w.files().Get(t.Context(), "other.example", "x"); err != nil {
					t.Errorf("another registry: %v", err)
				}
			}
		})
	}
}

func TestVariableIsNamed(t *testing.T) {
	w := newWorld(t)
	w.env["DOCKER_AUTH_CONFIG"] = "{"
	if _, err := w.files().Get(t.Context(), "r.example", "x"); err == nil || !strings.Contains(err.Error(), "DOCKER_AUTH_CONFIG:1: ") {
		t.Errorf("got %v", err)
	}
}

func TestHelpers(t *testing.T) {
	answer := func(user, secret string) string {
		return `echo '{"ServerURL": "x", "Username": "` + user + `", "Secret": "` + secret + `"}'`
	}
	const nobody = `echo "credentials not found in native keychain"; exit 1`
	for _, tt := range []struct {
		name, config         string
		helpers              map[string]string
		registry, repository string
		want                 Auth
		err                  string
	}{
		{"credsStore", `{"credsStore": "all"}`, map[string]string{"all": answer("$in", "pw")}, "r.example", "x", Auth{Username: "$in", Password: "pw"}, ""},
		{"credHelpers first", `{"credsStore": "all", "credHelpers": {"r.example": "one"}}`, map[string]string{"all": answer("all", "pw"), "one": answer("one", "pw")}, "r.example", "x", Auth{Username: "one", Password: "pw"}, ""},
		{"another's credHelpers", `{"credsStore": "all", "credHelpers": {"s.example": "one"}}`, map[string]string{"all": answer("all", "pw"), "one": "exit 1"}, "r.example", "x", Auth{Username: "all", Password: "pw"}, ""},
		{"before auths", `{"credsStore": "all", "auths": {"r.example": {"auth": "` + pair("file", "pw") + `"}}}`, map[string]string{"all": answer("all", "pw")}, "r.example", "x", Auth{Username: "all", Password: "pw"}, ""},
		{"nobody, then auths", `{"credsStore": "all", "auths": {"r.example": {"auth": "` + pair("file", "pw") + `"}}}`, map[string]string{"all": nobody}, "r.example", "x", Auth{Username: "file", Password: "pw"}, ""},
		{"nobody", `{"credHelpers": {"r.example": "one"}}`, map[string]string{"one": nobody}, "r.example", "x", Auth{}, ""},
		{"empty name", `{"credsStore": "all", "credHelpers": {"r.example": ""}, "auths": {"r.example": {"auth": "` + pair("file", "pw") + `"}}}`, map[string]string{"all": "exit 1"}, "r.example", "x", Auth{Username: "file", Password: "pw"}, ""},
		{"identity token", `{"credsStore": "all"}`, map[string]string{"all": answer("<token>", "tok")}, "r.example", "x", Auth{IdentityToken: "tok"}, ""},
		{"hub's address", `{"credsStore": "all"}`, map[string]string{"all": `[ "$in" = https://index.docker.io/v1/ ] && ` + answer("hub", "pw")}, "docker.io", "library/x", Auth{Username: "hub", Password: "pw"}, ""},
		{"hub as podman has it", `{"credsStore": "all"}`, map[string]string{"all": `if [ "$in" = docker.io ]; then ` + answer("hub", "pw") + `; else ` + nobody + `; fi`}, "docker.io", "library/x", Auth{Username: "hub", Password: "pw"}, ""},
		{"namespace", `{"credHelpers": {"r.example/ns": "one"}}`, map[string]string{"one": `[ "$in" = r.example/ns ] && ` + answer("ns", "pw")}, "r.example", "ns/x", Auth{Username: "ns", Password: "pw"}, ""},

		{"missing", `{"credsStore": "absent"}`, nil, "r.example", "x", Auth{}, `credential helper docker-credential-absent (credsStore in `},
		{"missing, docker's words", `{"credsStore": "absent"}`, nil, "r.example", "x", Auth{}, `error getting credentials - err: exec: "docker-credential-absent": executable file not found in $PATH`},
		{"failing", `{"credHelpers": {"r.example": "one"}}`, map[string]string{"one": "echo locked; exit 3"}, "r.example", "x", Auth{}, "exit status 3, out: `locked`"},
		{"failing with a secret", `{"credsStore": "all"}`, map[string]string{"all": answer("u", "hunter2") + "; exit 3"}, "r.example", "x", Auth{}, "exit status 3, out: ``"},
		{"no JSON", `{"credsStore": "all"}`, map[string]string{"all": "echo hunter2"}, "r.example", "x", Auth{}, "did not answer with an object"},
		{"wrong JSON", `{"credsStore": "all"}`, map[string]string{"all": `echo '{"Secret": 20061}'`}, "r.example", "x", Auth{}, "did not answer with an object"},
		{"path", `{"credsStore": "../../tmp/x"}`, nil, "r.example", "x", Auth{}, "a helper is a name, not a path"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.write("home/.docker/config.json", tt.config)
			for name, script := range tt.helpers {
				w.helper(name, script)
			}
			a, err := w.files().Get(t.Context(), tt.registry, tt.repository)
			if tt.err == "" && err != nil || a != tt.want {
				t.Fatalf("got %+v, %v, want %+v", a, err, tt.want)
			}
			if tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "20061")) {
				t.Errorf("got %v, want %q and no secret", err, tt.err)
			}
		})
	}
}

// TestHelperIsAskedOnce: a pull asks for each of its requests.
func TestHelperIsAskedOnce(t *testing.T) {
	w := newWorld(t)
	w.write("home/.docker/config.json", `{"credsStore": "all"}`)
	w.helper("all", `echo x >> `+w.path("asked")+`; echo '{"Username": "u", "Secret": "s"}'`)
	f := w.files()
	for range 3 {
		if _, err := f.Get(t.Context(), "r.example", "x"); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.read("asked"); got != "x\n" {
		t.Errorf("asked %d times", strings.Count(got, "x"))
	}
}

// TestHelperIsEnded: a helper that waits for a key ring that nobody unlocks.
func TestHelperIsEnded(t *testing.T) {
	w := newWorld(t)
	w.write("home/.docker/config.json", `{"credsStore": "all"}`)
	w.helper("all", "sleep 60")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, errors.New("too slow"))
	defer cancel()
	start := time.Now()
	_, err := w.files().Get(ctx, "r.example", "x")
	if err == nil || !strings.Contains(err.Error(), "docker-credential-all") || !strings.Contains(err.Error(), "too slow") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("ended after %v", took)
	}
}

func TestRegistry(t *testing.T) {
	for server, want := range map[string]string{
		"": "docker.io", "docker.io": "docker.io", "index.docker.io": "docker.io", "https://index.docker.io/v1/": "docker.io",
		"r.example": "r.example", "r.example:5000/": "r.example:5000", "http://r.example:5000/v2/": "r.example:5000", "localhost": "localhost",
	} {
		if got := Registry(server); got != want {
			t.Errorf("Registry(%q) = %q, want %q", server, got, want)
		}
	}
}

func TestRegistries(t *testing.T) {
	w := newWorld(t)
	w.write("home/.docker/config.json", `{"auths": {"https://index.docker.io/v1/": {}, "r.example/ns": {}, "http://s.example:5000": {}}, "credHelpers": {"a.example": "x"}}`)
	w.write("run/7/auth.json", login("r.example", "x"))
	w.write("home/.config/containers/auth.json", "{")
	if got := strings.Join(w.files().Registries(), " "); got != "a.example docker.io r.example s.example:5000" {
		t.Errorf("got %s", got)
	}
}

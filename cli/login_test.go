package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"

	"berth/image"
	"berth/registry/credentials"
)

// loginWorld has a home, and registries that know one user.
func loginWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld()
	w.env = map[string]string{"HOME": t.TempDir()}
	w.remote.users = map[credentials.Auth]string{{Username: "me", Password: "pw:x"}: "", {Username: "tok", Password: "pw"}: "refresh"}
	return w
}

// pipe makes text what comes in on stdin.
func (w *world) pipe(t *testing.T, text string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stdin")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	w.piped = f
}

func (w *world) configFile() string { return w.env["HOME"] + "/.docker/config.json" }

func (w *world) config(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(w.configFile())
	if err != nil && !isMissing(err) {
		t.Fatal(err)
	}
	return string(data)
}

const meEncoded = "bWU6cHc6eA=="

func TestLogin(t *testing.T) {
	for _, tt := range []struct {
		name, args, stdin string
		host, key, value  string
		err               string
	}{
		{"from stdin", "login -u me --password-stdin r.example:5000", "pw:x\n", "r.example:5000", "r.example:5000", `"auth": "` + meEncoded + `"`, ""},
		{"with a carriage return", "login r.example --password-stdin --username=me", "pw:x\r\n", "r.example", "r.example", `"auth": "` + meEncoded + `"`, ""},
		{"on the command line", "login -u me -p pw:x https://r.example/v2/", "", "r.example", "r.example", `"auth": "` + meEncoded + `"`, "WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n"},
		{"hub", "login -u me --password-stdin", "pw:x", "docker.io", "https://index.docker.io/v1/", `"auth": "` + meEncoded + `"`, ""},
		{"hub by name", "login -u me --password-stdin docker.io", "pw:x", "docker.io", "https://index.docker.io/v1/", `"auth": "` + meEncoded + `"`, ""},
		{"a word", "login -u me --password-stdin registry", "pw:x", "registry", "registry", `"auth": "` + meEncoded + `"`, ""},
		{"address", "login -u me --password-stdin [::1]:5000", "pw:x", "[::1]:5000", "[::1]:5000", `"auth": "` + meEncoded + `"`, ""},
		{"identity token", "login -u tok --password-stdin r.example", "pw", "r.example", "r.example", `"identitytoken": "refresh"`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := loginWorld(t)
			w.pipe(t, tt.stdin)
			r := w.berth(t, strings.Fields(tt.args)...)
			prints(t, "stdout", r.out, "Login Succeeded\n")
			want := tt.err
			if strings.HasPrefix(tt.value, `"auth"`) {
				want += "\nWARNING! Your credentials are stored unencrypted in '" + w.configFile() + "'.\nConfigure a credential helper to remove this warning. See\nhttps://docs.docker.com/go/credential-store/\n\n"
			}
			prints(t, "stderr", r.err, want)
			if got := w.config(t); r.code != 0 || !strings.Contains(got, `"`+tt.key+`"`) || !strings.Contains(got, tt.value) {
				t.Errorf("status %d, kept %s", r.code, got)
			}
			if len(w.remote.refs) != 1 || !strings.HasPrefix(w.remote.refs[0], strings.TrimPrefix(tt.host, "docker.io")) || w.remote.closed != 1 {
				t.Errorf("asked %q, closed %d", w.remote.refs, w.remote.closed)
			}
		})
	}
}

func TestLoginFlags(t *testing.T) {
	w := loginWorld(t)
	certs := t.TempDir()
	file := certs + "/auth.json"
	r := w.berth(t, "login", "--authfile", file, "--tls-verify=false", "--cert-dir", certs, "-u", "me", "-p", "pw:x", "r.example")
	if data, err := os.ReadFile(file); r.code != 0 || err != nil || !strings.Contains(string(data), meEncoded) {
		t.Errorf("status %d, %s: %s, %v", r.code, r.err, data, err)
	}
	if f := w.remote.flags[0]; f.certDir != certs || f.tlsVerify == nil || *f.tlsVerify {
		t.Errorf("asked with %+v", f)
	}
	if w.config(t) != "" {
		t.Error("the login is in config.json too")
	}
	// What is on file there is enough now.
	if r := w.berth(t, "login", "--authfile", file, "r.example"); r.code != 0 || r.out != "Login Succeeded\n" {
		t.Errorf("again: %+v", r)
	}
	if r := w.berth(t, "logout", "--authfile", file, "r.example"); r.code != 0 || r.out != "Removing login credentials for r.example\n" {
		t.Errorf("logout: %+v", r)
	}
	if r := w.berth(t, "login", "--authfile", file+"-missing", "r.example"); r.code != 1 || !strings.Contains(r.err, "non TTY") {
		t.Errorf("a file to be made: %+v", r)
	}
}

func TestLoginRefused(t *testing.T) {
	for _, tt := range []struct{ args, berth, docker string }{
		{"login r.example", "Error: Cannot perform an interactive login from a non TTY device\n", "Error: Cannot perform an interactive login from a non TTY device\n"},
		{"login -u me r.example", "Error: Cannot perform an interactive login from a non TTY device\n", "Error: Cannot perform an interactive login from a non TTY device\n"},
		{"login --password-stdin r.example", "Error: the --password-stdin option requires --username to be set\n", "the --password-stdin option requires --username to be set\n"},
		{"login -u me -p x --password-stdin r.example", "Error: conflicting options: cannot specify both --password and --password-stdin\n", "conflicting options: cannot specify both --password and --password-stdin\n"},
		{"login -u= -p x r.example", "Error: username is empty\n", "username is empty\n"},
		{"login -u me --password= r.example", "Error: password is empty\n", "password is empty\n"},
		{"login -u me --password-stdin r.example", "Error: login attempt to https://r.example/v2/ failed with status: 401 Unauthorized\n", "Error response from daemon: login attempt to https://r.example/v2/ failed with status: 401 Unauthorized\n"},
		{"login -u me --password-stdin -bad-.example", "Error: unknown shorthand flag: 'b' in -bad-.example\n\nUsage:  berth login [OPTIONS] [SERVER]\n\nRun 'berth login --help' for more information\n", "unknown shorthand flag: 'b' in -bad-.example\n\nUsage:  docker login [OPTIONS] [SERVER]\n\nRun 'docker login --help' for more information\n"},
		{"login -u me --password-stdin a_b.example", "Error: invalid registry \"a_b.example\": want HOST or HOST:PORT\n", "invalid registry \"a_b.example\": want HOST or HOST:PORT\n"},
		{"logout r.example:x", "Error: invalid registry \"r.example:x\": want HOST or HOST:PORT\n", "invalid registry \"r.example:x\": want HOST or HOST:PORT\n"},
		{"login a b", "Error: 'berth login' requires at most 1 argument\n\nUsage:  berth login [OPTIONS] [SERVER]\n\nRun 'berth login --help' for more information\n", "docker: 'docker login' requires at most 1 argument\n\nUsage:  docker login [OPTIONS] [SERVER]\n\nRun 'docker login --help' for more information\n"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			for program, want := range map[string]string{"berth": tt.berth, "docker": tt.docker} {
				w := loginWorld(t)
				w.pipe(t, "wrong\n")
				r := w.called(t, program, strings.Fields(tt.args)...)
				prints(t, "stderr", r.err, want)
				if r.code == 0 || r.out != "" || w.config(t) != "" {
					t.Errorf("status %d, stdout %q, kept %q", r.code, r.out, w.config(t))
				}
			}
		})
	}
}

// TestLoginAgain: what is kept already is tried first.
func TestLoginAgain(t *testing.T) {
	const known = `{"auths": {"r.example": {"auth": "` + meEncoded + `"}}}`
	w := loginWorld(t)
	w.keep(t, known)
	r := w.berth(t, "login", "r.example")
	prints(t, "stdout", r.out, "Login Succeeded\n")
	prints(t, "stderr", r.err, "Authenticating with existing credentials... [Username: me]\nTo login with a different account, run 'berth logout' followed by 'berth login'\n")
	if w.config(t) != known {
		t.Errorf("the file became %s", w.config(t))
	}

	w.remote.users = nil
	r = w.berth(t, "login", "r.example")
	prints(t, "stderr", r.err, "Authenticating with existing credentials... [Username: me]\nStored credentials invalid or expired\nError: Cannot perform an interactive login from a non TTY device\n")
	w.remote.err = errors.New("no route to host")
	r = w.berth(t, "login", "r.example")
	prints(t, "stderr", r.err, "Authenticating with existing credentials... [Username: me]\nLogin did not succeed, error: no route to host\nError: Cannot perform an interactive login from a non TTY device\n")
	if w.config(t) != known {
		t.Errorf("the file became %s", w.config(t))
	}
}

func (w *world) keep(t *testing.T, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(w.configFile()), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.configFile(), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestLoginBrokenFile: a file that cannot be read is not written over, and a
// password is in no error.
func TestLoginBrokenFile(t *testing.T) {
	for _, args := range []string{"login r.example", "login -u me --password-stdin r.example", "logout r.example"} {
		w := loginWorld(t)
		w.pipe(t, "pw:x")
		w.keep(t, "{\"auths\":\n {\"r.example\"}}")
		r := w.berth(t, strings.Fields(args)...)
		if r.code != 1 || !strings.Contains(r.err, w.configFile()+":2: invalid character '}'") || strings.Contains(r.err, "pw") {
			t.Errorf("%s: %+v", args, r)
		}
		if w.config(t) != "{\"auths\":\n {\"r.example\"}}" {
			t.Errorf("%s: the file became %s", args, w.config(t))
		}
	}
}

func TestLogout(t *testing.T) {
	w := loginWorld(t)
	w.keep(t, `{"auths": {"r.example": {"auth": "`+meEncoded+`"}, "https://index.docker.io/v1/": {"auth": "`+meEncoded+`"}}, "psFormat": "x"}`)
	for _, step := range []struct{ args, out, file string }{
		{"logout r.example", "Removing login credentials for r.example\n", `{"auths": {"https://index.docker.io/v1/": {"auth": "` + meEncoded + `"}}, "psFormat": "x"}`},
		{"logout r.example", "Not logged in to r.example\n", `{"auths": {"https://index.docker.io/v1/": {"auth": "` + meEncoded + `"}}, "psFormat": "x"}`},
		{"logout", "Removing login credentials for https://index.docker.io/v1/\n", `{"auths": {}, "psFormat": "x"}`},
	} {
		r := w.berth(t, strings.Fields(step.args)...)
		prints(t, "stdout", r.out, step.out)
		prints(t, "stderr", r.err, "")
		prints(t, "file", w.config(t), step.file)
		if r.code != 0 {
			t.Errorf("%s: status %d", step.args, r.code)
		}
	}
	podman := w.env["HOME"] + "/.config/containers/auth.json"
	if err := os.MkdirAll(filepath.Dir(podman), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(podman, []byte(`{"auths": {"r.example": {"auth": "`+meEncoded+`"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	r := w.berth(t, "logout", "r.example")
	prints(t, "stderr", r.err, "WARNING: a login for r.example is also in "+podman+", and still used\n")
	w.env["DOCKER_AUTH_CONFIG"] = `{}`
	r = w.berth(t, "logout")
	prints(t, "stderr", r.err, "WARNING: DOCKER_AUTH_CONFIG is set and takes precedence. Unset DOCKER_AUTH_CONFIG to restore the CLI auth behaviour.\n")
}

// TestLoginCompletion: registries that there is a login for.
func TestLoginCompletion(t *testing.T) {
	w := loginWorld(t)
	w.keep(t, `{"auths": {"r.example": {}, "s.example": {}}}`)
	for line, want := range map[string]string{"logout ": "r.example s.example", "login r": "r.example", "logout r.example ": ""} {
		if got := strings.Join(w.completed(t, line), " "); got != want {
			t.Errorf("%q is completed with %q, want %q", line, got, want)
		}
	}
}

// TestGivenLogin: --creds is for the registry of the image, not for its mirrors.
func TestGivenLogin(t *testing.T) {
	w := loginWorld(t)
	w.keep(t, `{"auths": {"m.example": {"auth": "`+meEncoded+`"}, "r.example": {"auth": "`+meEncoded+`"}}}`)
	s := &session{env: func(k string) (string, bool) { v, ok := w.env[k]; return v, ok }, err: os.Stderr}
	c := s.credentials(registryFlags{creds: "you:a:b"}, image.Reference{Domain: "r.example", Path: "x"})
	for registry, want := range map[string]credentials.Auth{
		"r.example": {Username: "you", Password: "a:b"}, "m.example": {Username: "me", Password: "pw:x"}, "n.example": {},
	} {
		if got, err := c.Get(t.Context(), registry, "x"); err != nil || got != want {
			t.Errorf("%s: %+v, %v", registry, got, err)
		}
	}
}

// TestUserEnv: services of systemd have no HOME.
func TestUserEnv(t *testing.T) {
	s := &session{env: func(string) (string, bool) { return "", false }}
	home, ok := s.userEnv("HOME")
	if os.Getuid() == 0 && (!ok || home != "/root") || ok && !filepath.IsAbs(home) {
		t.Errorf("got %q, %v", home, ok)
	}
	if v, ok := s.userEnv("XDG_RUNTIME_DIR"); ok {
		t.Errorf("XDG_RUNTIME_DIR: %q", v)
	}
}

// TestLoginPrompts: what is not given is asked for on the terminal.
func TestLoginPrompts(t *testing.T) {
	const known = `{"auths": {"r.example": {"auth": "bWU6b2xk"}}}` // me:old
	for _, tt := range []struct {
		name, config, args, typed string
		out, err                  string
		code                      int
	}{
		{"both", "", "login r.example", "me\npw:x\n", "Username: Password: \nLogin Succeeded\n", "", 0},
		{"the password", "", "login -u me r.example", "pw:x\n", "Password: \nLogin Succeeded\n", "", 0},
		{"the name", "", "login -p pw:x r.example", "  me \n", "Username: Login Succeeded\n", "WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n", 0},
		{"the usual name", known, "login r.example", "\npw:x\n", "Username (me): Password: \nLogin Succeeded\n", "Authenticating with existing credentials... [Username: me]\nStored credentials invalid or expired\n", 0},
		{"no name", "", "login r.example", "\n", "Username: ", "Error: username is required\n", 1},
		{"no password", "", "login r.example", "me\n\n", "Username: Password: \n", "Error: password is required\n", 1},
		{"end of input", "", "login r.example", "\x04", "Username: ", "Error: username is required\n", 1},
		{"end of input again", "", "login -u me r.example", "\x04", "Password: \n", "Error: password is required\n", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := loginWorld(t)
			if tt.config != "" {
				w.keep(t, tt.config)
			}
			ours, theirs, err := pty.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer ours.Close()
			defer theirs.Close()
			if _, err := ours.WriteString(tt.typed); err != nil {
				t.Fatal(err)
			}
			w.piped = theirs
			r := w.berth(t, strings.Fields(tt.args)...)
			prints(t, "stdout", r.out, tt.out)
			if got, _, _ := strings.Cut(r.err, "\nWARNING! Your"); got != tt.err {
				t.Errorf("stderr: %q, want %q", got, tt.err)
			}
			if r.code != tt.code || (r.code == 0) != strings.Contains(w.config(t), meEncoded) {
				t.Errorf("status %d, kept %s", r.code, w.config(t))
			}
		})
	}
}

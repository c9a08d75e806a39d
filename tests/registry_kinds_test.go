package tests

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"berth/tests/fixture"
	"berth/tests/registries"
)

// TestRegistryKinds: with each way to ask who somebody is, a login lets an image go
// there and back, others may use that login, and without it nothing goes.
func TestRegistryKinds(t *testing.T) {
	leaveToHost(t)
	layout := "oci:" + filepath.Join(fixture.Images(t, "busybox"), "busybox") + ":latest"
	for _, kind := range []string{registries.TLS, registries.Htpasswd, registries.Token, "tls+htpasswd", "tls+token"} {
		t.Run(kind, func(t *testing.T) {
			inMemory(t)
			home := t.TempDir()
			t.Setenv("HOME", home)
			for _, name := range []string{"DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"} {
				t.Setenv(name, "")
			}
			k := kindTest{r: registries.Start(t, kind), private: kind != registries.TLS, auth: filepath.Join(home, ".docker/config.json")}
			k.stage, k.skopeo = newStage(t), newSkopeo(t)
			if k.r.CAFile != "" {
				k.flags = words("--tls-verify --cert-dir", filepath.Dir(k.r.CAFile))
			}
			k.skopeo.push(layout, k.r.Host+"/team/box:1", "--dest-creds", registries.Username+":"+registries.Password)
			k.thereAndBack()
			k.clean()
		})
	}
}

// kindTest is one kind of registry with what speaks to it.
type kindTest struct {
	*stage
	skopeo  peer
	r       *registries.Registry
	private bool
	auth    string   // the file that keeps logins
	flags   []string // that make berth verify the certificate
}

func (k kindTest) thereAndBack() {
	from, to := k.r.Host+"/team/box:1", k.r.Host+"/other/box:1"
	if k.private {
		k.refused("pull", from)
		k.login("battery staple", 1)
		k.refused("pull", from)
		k.login(registries.Password, 0)
	}
	k.must(words("pull -q", k.flags, from)...)
	if got := k.must("run", "--rm", "--network", "none", from, "echo", "there and back"); got != "there and back" {
		k.t.Errorf("run printed %q", got)
	}
	k.must("tag", from, to)
	k.must(words("push -q", k.flags, to)...)
	if got, want := k.theirs(to), k.theirs(from); got != want {
		k.t.Errorf("pushed %s, pulled %s", got, want)
	}
	k.must("rmi", to)
	if k.r.CAFile != "" {
		got := k.do("pull", "-q", "--tls-verify", "--cert-dir", k.t.TempDir(), to)
		if got.code != 1 || !strings.Contains(got.errs, "certificate signed by unknown authority") {
			k.t.Errorf("pull from a registry that nobody vouches for: %+v", got)
		}
	}
	if k.private {
		k.must("logout", k.r.Host)
		k.refused("pull", to)
		k.must("tag", from, to)
		k.refused("push", to)
		k.must("rmi", to)
	}
	k.must("rmi", from)
}

// theirs is the manifest that skopeo gets with berth's login.
func (k kindTest) theirs(ref string) string {
	k.t.Helper()
	args := words("inspect --raw --tls-verify=false", "docker://"+ref)
	if k.private {
		args = append(args, "--authfile", k.auth)
	}
	return k.skopeo.must(args...)
}

func (k kindTest) login(password string, want int) {
	k.t.Helper()
	cmd := k.command(words("login", k.flags, "-u", registries.Username, "--password-stdin", k.r.Host)...)
	cmd.Stdin = strings.NewReader(password + "\n")
	got := finish(k.t, cmd)
	if got.code != want {
		k.t.Fatalf("login with %q: %+v", password, got)
	}
	text, err := os.ReadFile(k.auth)
	if stored := err == nil && strings.Contains(string(text), k.r.Host); stored != (want == 0) {
		k.t.Errorf("login with %q stored %s, %v", password, text, err)
	}
}

// refused wants a command to fail because nobody asked who may not.
func (k kindTest) refused(command, ref string) {
	k.t.Helper()
	got := k.do(words(command, "-q", k.flags, ref)...)
	if got.code != 1 || !regexp.MustCompile(`unauthorized|denied|no basic auth credentials`).MatchString(got.errs) {
		k.t.Errorf("%s by nobody: %+v", command, got)
	}
}

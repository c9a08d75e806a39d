package registries

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth/tests/fixture"
	"berth/tests/ledger"
)

// empty makes an image without layers and returns its name for skopeo.
func empty(t *testing.T) string {
	t.Helper()
	layout := filepath.Join(t.TempDir(), "layout")
	for _, args := range [][]string{{"init", "--layout", layout}, {"new", "--image", layout + ":one"}} {
		if out, err := exec.Command(fixture.NeedTool(t, "umoci"), args...).CombinedOutput(); err != nil {
			t.Fatalf("umoci %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	return "oci:" + layout + ":one"
}

// TestKinds: every kind takes an image from a client that is not berth's and gives
// it back, to those that may have it.
func TestKinds(t *testing.T) {
	fixture.NeedRoot(t)
	skopeo := fixture.NeedTool(t, "skopeo")
	image := empty(t)
	for _, test := range []struct {
		kind  string
		login bool
	}{{Plain, false}, {TLS, false}, {Htpasswd, true}, {Token, true}, {"tls+token", true}} {
		t.Run(test.kind, func(t *testing.T) {
			l := ledger.Take(t)
			r, err := Open(test.kind)
			if err != nil {
				t.Fatal(err)
			}
			run := func(args ...string) error {
				certs := "tls-verify=false"
				if r.CAFile != "" {
					certs = "cert-dir=" + filepath.Dir(r.CAFile)
				}
				if args[0] == "copy" {
					certs = "dest-" + certs
				}
				args = append(args, "--"+certs, "docker://"+r.Host+"/public/empty:one")
				out, err := exec.Command(skopeo, args...).CombinedOutput()
				t.Logf("skopeo %s: %v\n%s", strings.Join(args, " "), err, out)
				return err
			}
			creds := "--creds=" + Username + ":" + Password
			if err := run("copy", "--dest-no-creds", image); (err != nil) != test.login {
				t.Errorf("push by nobody: %v", err)
			}
			if err := run("copy", "--dest-creds="+Username+":"+Password, image); err != nil {
				t.Errorf("push: %v", err)
			}
			if err := run("inspect", creds); err != nil {
				t.Errorf("inspect: %v", err)
			}
			if err := run("inspect", "--creds="+Username+":wrong"); (err != nil) != test.login {
				t.Errorf("inspect with a wrong password: %v", err)
			}
			if err := run("inspect", "--no-creds"); (err != nil) != (test.kind == Htpasswd) {
				t.Errorf("inspect of a public image by nobody: %v", err)
			}
			pushes := 2
			if test.login {
				pushes = 1
			}
			if got := r.Requests(`^PUT /v2/public/empty/manifests/one$`); len(got) != pushes {
				t.Errorf("manifests put: %q, want %d", got, pushes)
			}
			if r.Tokens != nil && !slices.Contains(r.Tokens.Asked(), "GET - repository:public/empty:pull") {
				t.Errorf("token server was asked %q", r.Tokens.Asked())
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(r.folder); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("folder of the registry: %v", err)
			}
			l.Check(t, 2*time.Second)
		})
	}
}

// TestCertificate: it is the authority's, for the name too, and nobody else's.
func TestCertificate(t *testing.T) {
	r := Start(t, TLS)
	pem, err := os.ReadFile(r.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatalf("no certificate in %s", pem)
	}
	for name, test := range map[string]struct {
		config *tls.Config
		trust  bool
	}{
		"address":       {&tls.Config{RootCAs: pool}, true},
		"name":          {&tls.Config{RootCAs: pool, ServerName: Name}, true},
		"another name":  {&tls.Config{RootCAs: pool, ServerName: "other.test"}, false},
		"no such roots": {&tls.Config{RootCAs: x509.NewCertPool()}, false},
	} {
		t.Run(name, func(t *testing.T) {
			transport := &http.Transport{TLSClientConfig: test.config}
			defer transport.CloseIdleConnections()
			response, err := (&http.Client{Transport: transport}).Get("https://" + r.Host + "/v2/")
			if (err == nil) != test.trust {
				t.Errorf("trusted %v, want %v: %v", err == nil, test.trust, err)
			}
			if err == nil {
				response.Body.Close()
			}
		})
	}
}

func TestOpenErrors(t *testing.T) {
	if _, err := Open("gopher"); err == nil || !strings.Contains(err.Error(), `kind "gopher" is none of plain`) {
		t.Errorf("got %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := Open(Plain); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// TestCloseAfterDeath: a registry that was killed can still be closed.
func TestCloseAfterDeath(t *testing.T) {
	fixture.NeedTool(t, "docker-registry")
	r, err := Open(Plain)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.process.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

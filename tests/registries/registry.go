// Package registries runs Debian's docker-registry on the loopback address for
// tests: without and with TLS, with passwords or with a token server, each in a
// temporary folder that goes away with it. It guarantees that nothing is left
// running once Close has returned. The keys and passwords are for tests and
// protect nothing. Faults are not made here: for those, tests take an in-process
// registry.
package registries

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth/tests/fixture"
)

// Kinds of registry, which may be combined: "tls+token".
const (
	Plain    = "plain"    // HTTP, everybody may do everything
	TLS      = "tls"      // HTTPS with a certificate of CAFile's
	Htpasswd = "htpasswd" // Basic authentication
	Token    = "token"    // Bearer tokens from a server in this process
)

// Name resolves nowhere, but the certificates of TLS registries are valid for it
// besides 127.0.0.1, ::1 and localhost: clients do not look at the certificates
// of those. A test can put it into /etc/hosts of a mount namespace.
const Name = "registry.test"

// Who may log in to registries that ask.
const (
	Username = "anna"
	Password = "correct horse"
	// The password's bcrypt, at the least cost.
	passwordHash = "$2b$04$lB5b3Hgm16gU3LXkmvuDQO/ucMy6p.p1eoNy68m/J.JWwEs.XepKu"
)

const (
	startWithin = 20 * time.Second
	stopWithin  = 10 * time.Second
)

// Registry is one that runs.
type Registry struct {
	// Host is address and port, as in a reference.
	Host string
	// CAFile is the certificate of the authority that signed the registry's own,
	// in PEM, alone in its folder; empty without TLS.
	CAFile string
	// Data is where the registry stores: docker/registry/v2 and below.
	Data string
	// Tokens is its token server, or nil.
	Tokens *TokenServer

	folder  string
	log     string
	process *exec.Cmd
	ended   chan error
}

// Start runs a registry until the test ends.
func Start(t testing.TB, kind string) *Registry {
	t.Helper()
	fixture.NeedTool(t, "docker-registry")
	r, err := Open(kind)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			last := r.Requests(".")
			for i, request := range last {
				last[i], _, _ = strings.Cut(request, "_state=")
			}
			t.Logf("the last requests to the %s registry:\n%s", kind, strings.Join(last[max(0, len(last)-30):], "\n"))
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// Open is Start for callers without a testing.TB, which must call Close. The kind
// is one of the constants, or several with "+" between them.
func Open(kind string) (*Registry, error) {
	r := &Registry{ended: make(chan error, 1)}
	err := r.open(strings.Split(kind, "+"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start a %s registry: %w", kind, err), r.Close())
	}
	return r, nil
}

func (r *Registry) open(kinds []string) error {
	known := []string{Plain, TLS, Htpasswd, Token}
	for _, kind := range kinds {
		if !slices.Contains(known, kind) {
			return fmt.Errorf("kind %q is none of %s", kind, strings.Join(known, ", "))
		}
	}
	var err error
	if r.folder, err = os.MkdirTemp("", "registry"); err != nil {
		return err
	}
	r.Data, r.log = filepath.Join(r.folder, "data"), filepath.Join(r.folder, "log")
	config := r.storage()
	if slices.Contains(kinds, TLS) {
		if err := r.certify(&config); err != nil {
			return err
		}
	}
	if slices.Contains(kinds, Htpasswd) {
		if err := r.askForPassword(&config); err != nil {
			return err
		}
	}
	if slices.Contains(kinds, Token) {
		if err := r.askForToken(&config); err != nil {
			return err
		}
	}
	return r.serve(config)
}

// serve starts the program and waits until it says where it listens: port 0 lets
// the kernel choose, so that two registries never want the same.
func (r *Registry) serve(config configuration) error {
	path, err := exec.LookPath("docker-registry")
	if err != nil {
		return err
	}
	file := filepath.Join(r.folder, "config.json")
	if err := config.write(file); err != nil {
		return err
	}
	log, err := os.Create(r.log)
	if err != nil {
		return err
	}
	defer log.Close()
	r.process = exec.Command(path, "serve", file)
	r.process.Stdout, r.process.Stderr = log, log
	// The configuration alone decides; and an interrupt at the terminal is for
	// the test to pass on.
	r.process.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "REGISTRY_") })
	r.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := r.start(); err != nil {
		return err
	}
	listening := regexp.MustCompile(`msg="listening on (127\.0\.0\.1:[1-9][0-9]*)`)
	for deadline := time.Now().Add(startWithin); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if m := listening.FindStringSubmatch(r.Log()); m != nil {
			r.Host = m[1]
			return nil
		}
		select {
		case err := <-r.ended:
			r.ended <- err
			return fmt.Errorf("docker-registry ended (%s): %s", r.process.ProcessState, r.Log())
		default:
		}
	}
	return fmt.Errorf("docker-registry does not listen after %s: %s", startWithin, r.Log())
}

// start runs the program below a thread that stays: the signal for the parent's
// death comes when the thread that started it ends.
func (r *Registry) start() error {
	started := make(chan error)
	go fixture.OwnThread(func() {
		err := r.process.Start()
		started <- err
		if err == nil {
			r.ended <- r.process.Wait()
		}
	})
	if err := <-started; err != nil {
		r.process = nil
		return err
	}
	return nil
}

// Close ends the registry and removes what it stored.
func (r *Registry) Close() error {
	if r.process != nil {
		r.process.Process.Signal(syscall.SIGTERM)
		select {
		case <-r.ended:
		case <-time.After(stopWithin):
			r.process.Process.Kill()
			<-r.ended
		}
		r.process = nil
	}
	if r.Tokens != nil {
		r.Tokens.close()
	}
	if r.folder == "" {
		return nil
	}
	return os.RemoveAll(r.folder)
}

// Log is what the registry has written so far, a line for each request among it.
func (r *Registry) Log() string {
	text, err := os.ReadFile(r.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Requests are the requests so far whose "METHOD PATH" the pattern matches, in the
// order in which they ended: "GET /v2/busybox/blobs/sha256:…".
func (r *Registry) Requests(pattern string) []string {
	want := regexp.MustCompile(pattern)
	var all []string
	// The access log is in Apache's format: … "GET /v2/ HTTP/1.1" 200 …
	for _, m := range regexp.MustCompile(`(?m)^127\.0\.0\.1 .*?\] "([A-Z]+ \S+) HTTP/1\.[01]"`).FindAllStringSubmatch(r.Log(), -1) {
		if want.MatchString(m[1]) {
			all = append(all, m[1])
		}
	}
	return all
}

package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"berth/tests/fixture"
	"berth/tests/registries"
)

// registered pushes an image to a registry of the test's own, and returns its
// name there, which the store does not have.
func (s *stage) registered(image string) string {
	s.t.Helper()
	if os.Getenv("BERTH_VM") != "" {
		s.t.Skip("by design: no registry is installed in the virtual machine")
	}
	name := registries.Start(s.t, registries.Plain).Host + "/x:1"
	s.push(image, name)
	return name
}

func (s *stage) push(image, name string) {
	s.t.Helper()
	s.must("tag", image, name)
	s.must("push", "-q", name)
	s.must("rmi", name)
}

// pulls holds --pull to what a registry and the store have.
func (s *stage) pulls() {
	name := s.registered("box")
	s.says(s.do("run", "--rm", "--pull", "never", name, "echo", "ran"), 125, "")
	s.says(s.do("run", "--rm", "--pull", "missing", name, "echo", "ran"), 0, "ran\n")
	// The registry gets another image under the name; the store's stays until it
	// is asked for what is new.
	s.must("create", "--name", "changed", "box")
	s.must("commit", "-c", `CMD ["echo","new"]`, "changed", "newer")
	s.must("rm", "changed")
	s.must("tag", name, "older")
	s.push("newer", name)
	s.must("tag", "older", name)
	s.says(s.do("run", "--rm", "--pull", "missing", name), 0, "")
	s.says(s.do("run", "--rm", "--pull", "always", name), 0, "new\n")
	s.must("tag", "older", name)
	s.says(s.do("run", "--rm", "--pull", "newer", name), 0, "new\n")
	s.must("rmi", name, "older", "newer")
}

// pullsPlatform holds --platform to an image that the store has for this machine,
// and the registry for another.
func (s *stage) pullsPlatform() {
	archive := filepath.Join(s.dir, "root.tar")
	if out, err := exec.Command("tar", "-C", s.dir, "-cf", archive, "file").CombinedOutput(); err != nil {
		s.t.Fatalf("tar: %v\n%s", err, out)
	}
	s.must("import", "--platform", "linux/s390x", archive, "theirs")
	name := s.registered("theirs")
	s.must("tag", "box", name)
	s.must("create", "--name", "ours", "--platform", "linux/"+runtime.GOARCH, name)
	s.must("create", "--name", "other", "-q", "--platform", "linux/s390x", name, "/file")
	if got := s.must("image", "inspect", "-f", "{{.Architecture}}", name); got != "s390x" {
		s.t.Errorf("the image is for %s", got)
	}
	if r := s.do("create", "-q", "--platform", "linux/"+runtime.GOARCH, name); r.code != 1 || !strings.Contains(r.errs, "does not match the specified platform") {
		s.t.Errorf("exit code %d, stderr %q", r.code, r.errs)
	}
	s.must("rm", "ours", "other")
	s.must("rmi", name, "theirs")
}

// ofRegistries are the files and calls that only a pull has a use for.
var ofRegistries = regexp.MustCompile(`"[^"]*(/containers/|/docker/|auth\.json|dockercfg|resolv\.conf|/etc/hosts|/etc/ssl|nsswitch)[^"]*"|AF_INET`)

// TestStartAsksNoRegistry: a container from an image that is stored starts
// without a look at anything that is about registries.
func TestStartAsksNoRegistry(t *testing.T) {
	leaveToHost(t)
	s := newStage(t)
	s.must("tag", "box", "localhost:1/stored")
	log := filepath.Join(t.TempDir(), "trace")
	for _, args := range [][]string{
		{"create", "--name", "made", "localhost:1/stored", "true"},
		{"create", "--name", "other", "-q", "--platform", "linux/" + runtime.GOARCH, "localhost:1/stored", "true"},
	} {
		traced := exec.Command(fixture.NeedTool(t, "strace"), append([]string{"-f", "-o", log, "-e", "trace=%file,%network", s.path}, args...)...)
		if out, err := traced.CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
		seen, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(seen), "config.json") {
			t.Errorf("%q: docker's config.json, which may name proxies for containers, is not in the trace", args)
		}
		for line := range strings.Lines(string(seen)) {
			if ofRegistries.MatchString(line) {
				t.Errorf("%q: %s", args, line)
			}
		}
	}
	s.must("rm", "made", "other")
	s.must("rmi", "localhost:1/stored")
	s.clean()
}

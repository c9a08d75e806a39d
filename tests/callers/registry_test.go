package callers

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"berth/tests/fixture"
	"berth/tests/registries"
)

// berth runs it with roots of the scenario's own.
func berth(t *testing.T, root string, args ...string) string {
	t.Helper()
	cmd := exec.Command(fixture.Berth(t), args...)
	cmd.Env = append(os.Environ(), "BERTH_ROOT="+root, "BERTH_RUNROOT="+shortDir(t))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("berth %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// dockerRegistry: what docker pushes berth pulls, and what berth pushes docker
// pulls, under one digest.
func dockerRegistry(t *testing.T, c *caller, id string) {
	r, root := registries.Start(t, registries.Plain), t.TempDir()
	theirs, ours := r.Host+"/theirs/busy:1", r.Host+"/ours/busy:1"
	c.ok(t, "tag", "busy", theirs)
	c.ok(t, "push", "-q", theirs)
	want := digestOf(t, c.ok(t, "inspect", "-f", "{{index .RepoDigests 0}}", theirs))
	berth(t, root, "pull", "-q", theirs)
	if got := digestOf(t, berth(t, root, "inspect", "-f", "{{index .RepoDigests 0}}", theirs)); got != want {
		t.Errorf("berth pulled %s, docker pushed %s", got, want)
	}
	berth(t, root, "tag", theirs, ours)
	berth(t, root, "push", "-q", ours)
	// Another image than docker has, so that it must fetch something.
	file := writeFile(t, t.TempDir()+"/root.tar", rootTar(t))
	mine := r.Host + "/mine/busy:1"
	berth(t, root, "import", "-c", `CMD ["echo","made by berth"]`, file, mine)
	pushed := digestOf(t, "@"+field(t, berth(t, root, "push", mine), "digest:"))
	c.ok(t, "pull", "-q", ours)
	c.says(t, r.Host+"/ours/busy@"+want, "inspect", "-f", "{{.RepoDigests}}", ours)
	c.ok(t, "pull", "-q", mine)
	c.says(t, "@"+pushed, "inspect", "-f", "{{.RepoDigests}}", mine)
	c.says(t, "^made by berth$", "run", "--name", id, mine)
	c.ok(t, "rm", id)
	c.ok(t, "rmi", "-f", theirs, ours, mine)
}

// containerdRegistry: containerd pulls what berth pushed, by its digest, and runs it.
func containerdRegistry(t *testing.T, c *caller, id string) {
	r, root := registries.Start(t, registries.Plain), t.TempDir()
	name := r.Host + "/mine/busy"
	file := writeFile(t, t.TempDir()+"/root.tar", rootTar(t))
	berth(t, root, "import", "-c", `CMD ["sh"]`, file, name+":1")
	ref := name + "@" + digestOf(t, "@"+field(t, berth(t, root, "push", name+":1"), "digest:"))
	c.ok(t, "images", "pull", "--plain-http", "--snapshotter", "overlayfs", ref)
	c.says(t, "^made by berth$", "run", "--rm", ref, id, "echo", "made by berth")
	c.ok(t, "images", "rm", "--sync", ref)
}

// digestOf is what stands after "@".
func digestOf(t *testing.T, name string) string {
	t.Helper()
	_, digest, ok := strings.Cut(name, "@")
	if !ok || !strings.HasPrefix(digest, "sha256:") {
		t.Fatalf("no digest in %q", name)
	}
	return digest
}

// field is the word that follows another one.
func field(t *testing.T, text, word string) string {
	t.Helper()
	words := strings.Fields(text)
	for i, w := range words {
		if w == word && i+1 < len(words) {
			return words[i+1]
		}
	}
	t.Fatalf("no %q in %q", word, text)
	return ""
}

package bundle

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestNoDescriptorLeadsOut: while execve looks for the program, no descriptor
// of the set-up leads out of the container: not by the program's own path, not
// by a script's interpreter (CVE-2024-21626).
func TestNoDescriptorLeadsOut(t *testing.T) {
	h := newHarness(t)
	// It is on the host, and not in the container.
	marker := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(marker, []byte("#!/bin/sh\necho escaped\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	score := 500
	for fd := 3; fd < 48; fd++ {
		path := fmt.Sprintf("/proc/self/fd/%d/..%s", fd, marker)
		s := shell("")
		s.Process.Args, s.Process.OOMScoreAdj = []string{path}, &score
		s.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "1"}
		if out, code, err := h.run(s); err == nil || strings.Contains(out, "escaped") {
			t.Errorf("%s ran: %q, %d", path, out, code)
		}
		if err := h.Create(t.Context(), "c", CreateOptions{Bundle: h.bundle(s)}); err == nil {
			t.Errorf("%s was taken for a program of the container", path)
			if err := h.Delete(t.Context(), "c", true); err != nil {
				t.Fatal(err)
			}
		}
	}
	h.empty()
}

// TestOthersLive: what fails or goes never takes along the processes of another
// container that has the same group.
func TestOthersLive(t *testing.T) {
	h := newHarness(t)
	victim := shell("sleep 100")
	victim.Linux.CgroupsPath = "/berth-test-others/one"
	t.Cleanup(func() { removeGroups(t, "berth-test-others") })
	h.create("victim", victim)
	h.start("victim")
	s := shell("true")
	s.Linux.CgroupsPath = victim.Linux.CgroupsPath
	if err := h.Create(t.Context(), "same", CreateOptions{Bundle: h.bundle(s)}); err == nil {
		t.Error("a second container got the group")
	}
	s.Linux.Namespaces[0].Path = "/nonexistent"
	if err := h.Create(t.Context(), "broken", CreateOptions{Bundle: h.bundle(s)}); err == nil {
		t.Error("a namespace that does not exist was joined")
	}
	h.await("victim", running)

	// One that has ended, and whose group another one has by now.
	if err := h.Kill(t.Context(), "victim", unix.SIGKILL, false); err != nil {
		t.Fatal(err)
	}
	h.await("victim", stopped)
	heir := shell("sleep 100")
	heir.Linux.CgroupsPath = victim.Linux.CgroupsPath
	h.create("heir", heir)
	h.start("heir")
	h.await("heir", running)
	// Its own groups cannot go while the heir is in them.
	c, err := h.load("victim")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.killAll(t.Context(), c); err != nil {
		t.Error(err)
	}
	h.await("heir", running)
	for _, id := range []string{"heir", "victim"} {
		if err := h.Delete(t.Context(), id, true); err != nil {
			t.Error(err)
		}
	}
}

// removeGroups removes what a test has made below the hierarchies' roots.
func removeGroups(t *testing.T, name string) {
	t.Helper()
	dirs, err := filepath.Glob("/sys/fs/cgroup/*/" + name)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range append(dirs, "/sys/fs/cgroup/"+name) {
		_ = os.Remove(dir) // it may not be there
	}
}

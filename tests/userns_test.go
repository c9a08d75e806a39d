package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"berth/tests/fixture"
)

// TestUserNamespace runs a Debian whose root is nobody on the host.
func TestUserNamespace(t *testing.T) {
	debian := fixture.Debian(t, "bookworm")
	s := newStage(t)
	s.must("import", debian, "debian")
	data := t.TempDir()
	for name, mode := range map[string]os.FileMode{"ours": 0o600, "public": 0o644} {
		if err := os.WriteFile(filepath.Join(data, name), []byte(name+"\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	s.must("run", "-d", "--name", "mapped", "--userns", "300000", "-v", data+":/plain", "-v", data+":/mapped:idmap", "debian", "sh", "-c",
		"touch /new; chown 33:44 /new; cp /usr/bin/id /suid; chmod 4755 /suid; exec sleep 100")
	pid := strings.TrimSpace(s.must("inspect", "-f", "{{.State.Pid}}", "mapped"))
	for script, want := range map[string]string{
		"cat /proc/self/uid_map | tr -s ' '":              " 0 300000 65536\n",
		"stat -c %u:%g /etc/shadow /new /proc/1 /dev":     "0:42\n33:44\n0:0\n0:0\n",
		"stat -c %u:%g /dev/null /dev/pts /dev/shm":       "0:0\n0:0\n0:0\n",
		"setpriv --reuid 1000 --clear-groups /suid -u":    "0\n",
		"echo x >/etc/hosts && cat /etc/hosts":            "x\n",
		"cat /plain/public; stat -c %u /plain/public":     "public\n65534\n",
		"cat /plain/ours 2>/dev/null || echo refused":     "refused\n",
		"cat /mapped/ours; stat -c %u:%g /mapped/ours":    "ours\n0:0\n",
		"touch /mapped/theirs; stat -c %u /mapped/theirs": "0\n",
		"chown 70000 /new 2>/dev/null || echo refused":    "refused\n",
	} {
		if got := s.must("exec", "mapped", "sh", "-c", script) + "\n"; got != want {
			t.Errorf("%s: %q, want %q", script, got, want)
		}
	}
	if got := s.must("exec", "-u", "33", "mapped", "/suid", "-u"); got != "0" {
		t.Errorf("a set-user-id program run as another user has the user id %s", got)
	}
	owners := map[string]string{
		filepath.Join("/proc", pid):             "300000:300000",
		filepath.Join("/proc", pid, "root/new"): "300033:300044",
		filepath.Join(data, "theirs"):           "0:0",
		layerOf(t, s, "mapped") + "/new":        "33:44",
	}
	for name, want := range owners {
		if got := owner(t, name); got != want {
			t.Errorf("%s belongs to %s on the host, want %s", name, got, want)
		}
	}
	copyMapped(t, s, data)
	s.must("rm", "-f", "mapped")
}

// copyMapped copies into the container and out of it: owners are as it sees them.
func copyMapped(t *testing.T, s *stage, data string) {
	t.Helper()
	s.must("cp", filepath.Join(data, "ours"), "mapped:/copied")
	if got := s.must("exec", "mapped", "stat", "-c", "%u:%g", "/copied"); got != "0:0" {
		t.Errorf("what was copied in belongs to %s", got)
	}
	out := filepath.Join(t.TempDir(), "new")
	s.must("cp", "-a", "mapped:/new", out)
	if got := owner(t, out); got != "33:44" {
		t.Errorf("what was copied out belongs to %s", got)
	}
}

// layerOf is the folder of what a container has written.
func layerOf(t *testing.T, s *stage, name string) string {
	t.Helper()
	return strings.TrimSpace(s.must("inspect", "-f", "{{.GraphDriver.Data.UpperDir}}", name))
}

func owner(t *testing.T, name string) string {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(name, &st); err != nil {
		t.Fatalf("lstat %s: %v", name, err)
	}
	return fmt.Sprintf("%d:%d", st.Uid, st.Gid)
}

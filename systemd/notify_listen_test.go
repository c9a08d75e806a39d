package systemd

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestListenNotify(t *testing.T) {
	t.Run("long path", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), strings.Repeat("x", 120))
		if err := MakeNotifyFolder(dir); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second replaces what the first has left
			n, err := ListenNotify(dir, NotifyOptions{Host: "@berth-test"})
			if err != nil {
				t.Fatal(err)
			}
			st, err := os.Stat(filepath.Join(dir, notifyName))
			if err != nil || st.Mode() != os.ModeSocket|0o777 {
				t.Errorf("got %v, %v, want a socket for all", st, err)
			}
			n.closeFiles()
		}
	})
	for _, host := range []string{"", "relative", "vsock:2:1234", "/" + strings.Repeat("x", 107)} {
		t.Run("host "+host, func(t *testing.T) {
			if _, err := ListenNotify(t.TempDir(), NotifyOptions{Host: host}); err == nil || !strings.Contains(err.Error(), notifyVariable) {
				t.Errorf("got %v, want an error that names %s", err, notifyVariable)
			}
		})
	}
	t.Run("abstract", func(t *testing.T) {
		name := fmt.Sprintf("@berth-test-%d", os.Getpid())
		m := newManager(t, name)
		dir := t.TempDir()
		n, err := ListenNotify(dir, NotifyOptions{Host: name})
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		n.Serve(0)
		newPayload(t, dir).say("READY=1")
		m.want("READY=1")
		m.close()
	})
}

func TestAddNotify(t *testing.T) {
	spec := &specs.Spec{Process: &specs.Process{Env: []string{"A=b", "NOTIFY_SOCKET=/elsewhere"}}}
	AddNotify(spec, "/x/notify")
	if want := []string{"A=b", "NOTIFY_SOCKET=/run/notify/notify.sock"}; !slices.Equal(spec.Process.Env, want) {
		t.Errorf("environment %q, want %q", spec.Process.Env, want)
	}
	if len(spec.Mounts) != 1 || spec.Mounts[0].Source != "/x/notify" || spec.Mounts[0].Destination != "/run/notify" || !slices.Contains(spec.Mounts[0].Options, "ro") {
		t.Errorf("mounts %+v", spec.Mounts)
	}
}

// TestNotifyLeaks wants no descriptor left.
func TestNotifyLeaks(t *testing.T) {
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	dir := t.TempDir()
	before := count()
	for range 5 {
		n, err := ListenNotify(dir, NotifyOptions{Host: "@nobody-there"})
		if err != nil {
			t.Fatal(err)
		}
		n.Serve(1)
		n.Close()
	}
	if after := count(); after != before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

package tests

import (
	"context"
	"crypto/rand"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/tests/fixture"
	"berth/tests/ledger"
	"berth/tests/registries"
)

// weakLink forwards connections and breaks the first ones after so many bytes
// towards the server.
type weakLink struct {
	net.Listener
	to string

	mu   sync.Mutex
	cuts []int64
	// broken counts the connections that were cut.
	broken int
}

func newWeakLink(t *testing.T, to string, cuts ...int64) *weakLink {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	link := &weakLink{Listener: l, to: to, cuts: cuts}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { link.serve(client) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return link
}

func (l *weakLink) serve(client net.Conn) {
	defer client.Close()
	server, err := new(net.Dialer).DialContext(context.Background(), "tcp", l.to)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		// It ends with either side.
		_, _ = io.Copy(client, server)
		client.Close()
	}()
	l.mu.Lock()
	limit := int64(1 << 40)
	if len(l.cuts) > 0 {
		limit = l.cuts[0]
	}
	l.mu.Unlock()
	if n, err := io.CopyN(server, client, limit); err != nil || n < limit {
		return
	}
	l.mu.Lock()
	l.cuts, l.broken = l.cuts[1:], l.broken+1
	l.mu.Unlock()
}

// TestPushOverWeakLink: an upload goes on where its connection broke, and what
// arrives is whole.
func TestPushOverWeakLink(t *testing.T) {
	leaveToHost(t)
	fixture.NeedRoot(t)
	fixture.NeedTool(t, "skopeo")
	berth := fixture.Berth(t)
	root, run := fixture.Roots(t)
	registry := registries.Start(t, registries.Plain)
	// Other packages' ledgers would count the pushing process.
	ledger.Take(t, root, run)
	// The first cut is in the first chunk, the second in what is left of it.
	link := newWeakLink(t, registry.Host, 20<<20, 30<<20)
	name := link.Addr().String() + "/app:1"

	dir := t.TempDir()
	big, err := os.Create(filepath.Join(dir, "big"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(big, rand.Reader, 80<<20); err != nil {
		t.Fatal(err)
	}
	if err := big.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	do := func(command string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(ctx, command, args...)
		cmd.Env = append(os.Environ(), "BERTH_ROOT="+root, "BERTH_RUNROOT="+run)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %q: %v: %s", command, args, err, out)
		}
		return string(out)
	}
	do("tar", "-C", dir, "-cf", dir+".tar", "big")
	do(berth, "import", dir+".tar", name)
	out := do(berth, "push", name)
	if !strings.Contains(out, ": Retrying\n") || !strings.Contains(out, ": Pushed\n") {
		t.Errorf("push printed:\n%s", out)
	}
	if link.broken != 2 {
		t.Errorf("%d connections were cut, want 2", link.broken)
	}
	// The copy is verified by its digests.
	do("skopeo", "copy", "-q", "--src-tls-verify=false", "docker://"+registry.Host+"/app:1", "dir:"+dir+"/copy")
	if log := registry.Log(); strings.Count(log, `"GET /v2/app/blobs/uploads/`) == 0 {
		t.Error("the registry was not asked how much it had")
	}
}

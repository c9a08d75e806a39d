package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// puller is somebody who pulls images into a store of the comparison's own.
type puller struct {
	name    string
	base    command
	pull    []string // arguments before the reference
	remove  []string // the same, to remove it with all that was stored for it
	settle  time.Duration
	absent  string // why it cannot be measured
	note    string
	daemons func() map[string]int // who does the work, if not the command
	close   func() error
}

// check pulls and removes once before anything is timed.
func (p *puller) check(ref string) error {
	if _, err := p.base.with(p.pull...).with(ref).output(); err != nil {
		return err
	}
	return p.clear(ref)
}

// clear removes the image and leaves the time that takes behind the client's back.
func (p *puller) clear(ref string) error {
	if _, err := p.base.with(p.remove...).with(ref).output(); err != nil {
		return err
	}
	time.Sleep(p.settle)
	return nil
}

// once is one pull, timed, into a store without the image. The peak is that of
// the command and its daemons together.
func (p *puller) once(w *workspace, ref string) (timedRun, error) {
	var none timedRun
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return none, err
	}
	defer null.Close()
	if err := flush(w.disk); err != nil {
		return none, err
	}
	var daemons map[string]int
	if p.daemons != nil {
		daemons = p.daemons()
	}
	for _, pid := range daemons {
		// 5 sets the process's peak back to what it has now (proc(5)).
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
			return none, err
		}
	}
	r := p.base.with(p.pull...).with(ref).run(null.Fd())
	if r.err == nil && r.code != 0 {
		r.err = fmt.Errorf("exit code %d", r.code)
	}
	for _, name := range slices.Sorted(maps.Keys(daemons)) {
		peak, err := peakMemory(daemons[name])
		r.err = firstError(r.err, err)
		r.peak += peak
	}
	return r, firstError(r.err, p.clear(ref))
}

// peakMemory is the most that a process has had in memory, in bytes.
func peakMemory(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, "VmHWM:"); found {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("no VmHWM in the status of process %d", pid)
}

func berthPuller(w *workspace, host *launcher) *puller {
	return &puller{name: rowBerthPull, base: newBerth(w, host, "pull").base,
		pull: []string{"pull", "-q"}, remove: []string{"rmi", "-f"}}
}

func podmanPuller(w *workspace, host *launcher) *puller {
	e := newPodman(w, host)
	return &puller{name: "podman pull", base: e.base.with("--storage-driver", "overlay"), absent: e.absent, settle: settlePull,
		pull: []string{"pull", "-q", "--tls-verify=false"}, remove: []string{"rmi", "-f"}}
}

// settlePull is for what daemons do after they answered.
const settlePull = 300 * time.Millisecond

func dockerPuller(w *workspace, host *launcher) *puller {
	e := newDocker(w, host)
	return &puller{name: "docker pull", base: e.base, absent: e.absent, settle: settlePull, daemons: e.daemons, close: e.close,
		note: "(memory: with dockerd and containerd)", pull: []string{"pull", "-q"}, remove: []string{"rmi", "-f"}}
}

// containerdPuller starts a containerd of the comparison's own.
func containerdPuller(w *workspace, host *launcher) *puller {
	p := &puller{name: "ctr image pull", settle: settlePull, note: "(memory: with containerd)",
		pull:   []string{"image", "pull", "--plain-http", "--snapshotter", "overlayfs"},
		remove: []string{"image", "rm", "--sync"}}
	path, err := exec.LookPath("ctr")
	if err != nil {
		p.absent = err.Error()
		return p
	}
	socket, config := filepath.Join(w.tmpfs, "containerd.sock"), filepath.Join(w.disk, "containerd.toml")
	text := fmt.Sprintf("version = 2\nroot = %q\nstate = %q\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\", \"io.containerd.internal.v1.opt\"]\n[grpc]\naddress = %q\n",
		filepath.Join(w.disk, "containerd"), filepath.Join(w.tmpfs, "containerd"), socket)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		p.absent = err.Error()
		return p
	}
	p.base = command{argv: []string{path, "--address", socket, "--namespace", "berth-bench"}, env: os.Environ(), on: host}
	d, err := startDaemon(w, filepath.Join(w.tmpfs, "none"), "containerd", "--config", config)
	if err != nil {
		p.absent = err.Error()
		return p
	}
	p.close, p.daemons = d.stop, d.pids
	if err := d.answers(p.base); err != nil {
		p.absent = err.Error()
	}
	return p
}

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	daemonStart = 20 * time.Second
	daemonStop  = 20 * time.Second
)

// newDocker starts a daemon of the comparison's own, which brings its own
// containerd. Where that does not work the rows say why.
func newDocker(w *workspace, host *launcher) *engine {
	// dockerd refuses limits below 6 MiB by itself.
	e := &engine{name: "docker", settle: 50 * time.Millisecond, stopped: 100, running: 5, floor: 6 << 20}
	client, err := dockerClient()
	if err != nil {
		e.absent = err.Error()
		return e
	}
	socket := "unix://" + filepath.Join(w.tmpfs, "docker.sock")
	env := append(os.Environ(), "DOCKER_CONFIG="+filepath.Join(w.disk, "docker-client"), "DOCKER_HOST="+socket)
	e.base = command{argv: []string{client}, env: env, on: host}
	d, err := startDocker(w, socket)
	if err != nil {
		e.absent = err.Error()
		return e
	}
	e.close, e.daemons = d.stop, d.pids
	if err := d.answers(e.base); err != nil {
		e.absent = err.Error()
	}
	return e
}

// dockerClient prefers the one that Debian's docker.io brought, which fits its
// daemon, to a newer one found earlier in PATH.
func dockerClient() (string, error) {
	if _, err := os.Stat("/usr/bin/docker"); err == nil {
		return "/usr/bin/docker", nil
	}
	return exec.LookPath("docker")
}

func startDocker(w *workspace, socket string) (*daemon, error) {
	none := filepath.Join(w.disk, "none.json")
	if err := os.WriteFile(none, []byte("{}"), 0o644); err != nil {
		return nil, err
	}
	root := filepath.Join(w.tmpfs, "docker")
	return startDaemon(w, root, "dockerd", "--data-root", filepath.Join(w.disk, "docker"), "--exec-root", root,
		"--host", socket, "--pidfile", filepath.Join(w.tmpfs, "dockerd.pid"), "--config-file", none,
		"--cgroup-parent", "/"+w.parent, "--iptables=false", "--ip6tables=false", "--bridge=none")
}

// daemon is a program that stays until stop.
type daemon struct {
	name    string
	process *exec.Cmd
	log     string
	ended   chan error
	root    string // of dockerd, whose containerd is below it
}

func startDaemon(w *workspace, root, name string, args ...string) (*daemon, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return nil, err
	}
	d := &daemon{name: name, log: filepath.Join(w.disk, name+".log"), ended: make(chan error, 1), root: root}
	d.process = exec.Command(path, args...)
	log, err := os.Create(d.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	d.process.Stdout, d.process.Stderr = log, log
	// Its own group: an interrupt at the terminal is for us to pass on.
	d.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.process.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() { d.ended <- d.process.Wait() }()
	return d, nil
}

// answers waits until the daemon does.
func (d *daemon) answers(client command) error {
	for deadline := time.Now().Add(daemonStart); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		select {
		case err := <-d.ended:
			d.ended <- err
			return fmt.Errorf("%s ended (%w): %s", d.name, errOrEnd(err), d.lastWords())
		default:
		}
		if _, err := client.with("version").output(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%s does not answer after %s: %s", d.name, daemonStart, d.lastWords())
}

func errOrEnd(err error) error {
	if err == nil {
		return errors.New("exit code 0")
	}
	return err
}

// stop asks the daemon, which stops its containerd, and ends both by pid when
// it does not.
func (d *daemon) stop() error {
	pid := d.containerd()
	d.process.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.ended:
	case <-time.After(daemonStop):
		d.process.Process.Kill()
		<-d.ended
	}
	if pid == 0 {
		return nil
	}
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err == nil && strings.HasPrefix(string(comm), "containerd") {
		return syscall.Kill(pid, syscall.SIGKILL)
	}
	return nil
}

// containerd is the pid of the one that dockerd started, or 0.
func (d *daemon) containerd() int {
	text, err := os.ReadFile(filepath.Join(d.root, "containerd", "containerd.pid"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return pid
}

func (d *daemon) pids() map[string]int {
	all := map[string]int{d.name: d.process.Process.Pid}
	if pid := d.containerd(); pid != 0 {
		all["containerd"] = pid
	}
	return all
}

func (d *daemon) lastWords() string {
	text, err := os.ReadFile(d.log)
	if err != nil {
		return err.Error()
	}
	return lastLine(strings.TrimSpace(string(text)))
}

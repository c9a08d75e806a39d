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
	d, err := startDaemon(w, socket)
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

type daemon struct {
	process *exec.Cmd
	log     string
	ended   chan error
	root    string
}

func startDaemon(w *workspace, socket string) (*daemon, error) {
	path, err := exec.LookPath("dockerd")
	if err != nil {
		return nil, err
	}
	d := &daemon{log: filepath.Join(w.disk, "dockerd.log"), ended: make(chan error, 1), root: filepath.Join(w.tmpfs, "docker")}
	d.process = exec.Command(path, "--data-root", filepath.Join(w.disk, "docker"), "--exec-root", d.root,
		"--host", socket, "--pidfile", filepath.Join(w.tmpfs, "dockerd.pid"), "--config-file", filepath.Join(w.disk, "none.json"),
		"--cgroup-parent", "/"+w.parent, "--iptables=false", "--ip6tables=false", "--bridge=none")
	if err := os.WriteFile(filepath.Join(w.disk, "none.json"), []byte("{}"), 0o644); err != nil {
		return nil, err
	}
	log, err := os.Create(d.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	d.process.Stdout, d.process.Stderr = log, log
	// Its own group: an interrupt at the terminal is for us to pass on.
	d.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.process.Start(); err != nil {
		return nil, fmt.Errorf("start dockerd: %w", err)
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
			return fmt.Errorf("dockerd ended (%w): %s", errOrEnd(err), d.lastWords())
		default:
		}
		if _, err := client.with("version").output(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("dockerd does not answer after %s: %s", daemonStart, d.lastWords())
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
	return map[string]int{"dockerd": d.process.Process.Pid, "containerd": d.containerd()}
}

func (d *daemon) lastWords() string {
	text, err := os.ReadFile(d.log)
	if err != nil {
		return err.Error()
	}
	return lastLine(strings.TrimSpace(string(text)))
}

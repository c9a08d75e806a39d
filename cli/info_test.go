package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"berth/container"
)

func TestVersion(t *testing.T) {
	plain := strings.NewReplacer(runtime.Version(), "GO", kernelRelease(), "KERNEL", runtime.GOOS+"/"+runtime.GOARCH, "OS/ARCH")
	w := newWorld()
	golden(t, "version_berth", plain.Replace(w.berth(t, "version").out))
	golden(t, "version_docker", plain.Replace(w.called(t, "docker", "version").out))
	for _, tt := range []struct {
		program, format string
		code            int
		out, err        string
	}{
		{"berth", "{{.Version}}", 0, "1.2.3\n", ""},
		{"berth", "{{.Client.Version}} {{.Server.Version}}", 0, "1.2.3 1.2.3\n", ""},
		{"docker", "{{.Client.Version}} {{.Server.Version}}", 0, "28.5.0 28.5.0\n", ""},
		{"docker", "{{.Server.APIVersion}} {{.Client.DefaultAPIVersion}}", 0, "1.51 1.51\n", ""},
		{"docker", "{{.Server.ApiVersion}}", 0, "1.51\n", ""},
		{"docker", "{{range .Server.Components}}{{.Name}} {{end}}", 0, "Engine berth \n", ""},
		{"berth", "{{json .Client.Os}}", 0, "\"linux\"\n", ""},
		{"berth", "{{.Nope}}", 1, "", "Error: template parsing error: template: :1:2: "},
		{"berth", "{{.Nope", 64, "", "Error: template parsing error: template: :1: unclosed action\n"},
		{"docker", "{{.Nope", 64, "", "template parsing error: template: :1: unclosed action\n"},
	} {
		r := w.called(t, tt.program, "version", "--format", tt.format)
		if r.code != tt.code || r.out != tt.out || !strings.HasPrefix(r.err, tt.err) || tt.err == "" && r.err != "" {
			t.Errorf("%s version --format %s: %+v", tt.program, tt.format, r)
		}
	}
	var whole struct{ Client, Server map[string]any }
	if err := json.Unmarshal([]byte(w.berth(t, "version", "-f", "json").out), &whole); err != nil || whole.Client["Version"] != "1.2.3" || whole.Server["ApiVersion"] != "1.51" {
		t.Errorf("json gives %v, %v", whole, err)
	}
}

func TestInfo(t *testing.T) {
	w := psWorld()
	paused := running("paused", "f6")
	paused.Status = container.Paused
	w.views = append(w.views, paused)
	for format, want := range map[string]string{
		"{{.Containers}} {{.ContainersRunning}} {{.ContainersPaused}} {{.ContainersStopped}} {{.Images}}": "6 1 1 4 1",
		"{{.ServerVersion}} {{.ClientInfo.Version}}":                                                      "1.2.3 1.2.3",
		"{{.Driver}} {{.LoggingDriver}} {{.CgroupDriver}} {{.OSType}}":                                    "overlay2 json-file cgroupfs linux",
		"{{.Swarm.LocalNodeState}} {{.DefaultRuntime}} {{json .Plugins.Volume}}":                          `inactive berth ["local"]`,
		"{{.HttpProxy}}{{.HTTPProxy}}{{.NCPU | printf \"%T\"}}":                                           "",
	} {
		r := w.berth(t, "info", "--format", format)
		if want != "" && (r.code != 0 || r.out != want+"\n") {
			t.Errorf("%s prints %q, want %q (%s)", format, r.out, want, r.err)
		}
		if want == "" && r.code != 1 {
			t.Errorf("%s: %+v", format, r)
		}
	}
	whole := w.called(t, "docker", "system", "info")
	for _, line := range []string{
		"Client:", " Version:    28.5.0", "Server:", " Containers: 6", "  Running: 1", "  Paused: 1", "  Stopped: 4", " Images: 1", " Server Version: 28.5.0",
		" Storage Driver: overlay2", "  Backing Filesystem: .+", " Logging Driver: json-file", " Cgroup Driver: cgroupfs", " Cgroup Version: [12]", "  Volume: local",
		" Swarm: inactive", "  seccomp", "   Profile: builtin", " Kernel Version: .+", " Operating System: .+", " OSType: linux", " Architecture: .+", " CPUs: [0-9]+",
		" Total Memory: .+iB", " Name: .+", " Debug Mode: false", " Live Restore Enabled: true",
	} {
		if !regexp.MustCompile("(?m)^" + line + "$").MatchString(whole.out) {
			t.Errorf("system info has no line %q:\n%s", line, whole.out)
		}
	}
	var all map[string]any
	if err := json.Unmarshal([]byte(w.berth(t, "info", "-f", "json").out), &all); err != nil {
		t.Fatal(err)
	}
	for _, key := range strings.Fields("ID Containers ContainersRunning Images Driver DriverStatus Plugins MemoryLimit SwapLimit CpuCfsPeriod CpuCfsQuota CPUShares CPUSet PidsLimit " +
		"IPv4Forwarding NFd OomKillDisable NGoroutines SystemTime LoggingDriver CgroupDriver CgroupVersion NEventsListener KernelVersion OperatingSystem OSVersion OSType Architecture " +
		"IndexServerAddress RegistryConfig NCPU MemTotal DockerRootDir HttpProxy HttpsProxy NoProxy Name Labels ExperimentalBuild ServerVersion Runtimes DefaultRuntime Swarm LiveRestoreEnabled " +
		"Isolation InitBinary SecurityOptions CDISpecDirs Warnings ClientInfo") {
		if _, ok := all[key]; !ok {
			t.Errorf("info has no key %s", key)
		}
	}
	if r := w.berth(t, "info", "-f", "{{.Nope"); r.code != 64 {
		t.Errorf("a template that cannot be parsed: %+v", r)
	}
}

// TestInfoRegistries: what the user's own files say of registries.
func TestInfoRegistries(t *testing.T) {
	w := loginWorld(t)
	conf := func(content string) {
		path := w.env["HOME"] + "/.config/containers/registries.conf"
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	conf("[[registry]]\nlocation = 'lab.example'\ninsecure = true\n[[registry]]\nlocation = 'docker.io'\n[[registry.mirror]]\nlocation = 'hub.example/x'\n")
	r := w.berth(t, "info")
	for _, lines := range []string{" Insecure Registries:\n  lab.example\n", "  ::1/128\n  127.0.0.0/8\n", " Registry Mirrors:\n  https://hub.example/x/\n"} {
		if !strings.Contains(r.out, lines) {
			t.Errorf("info has no lines %q:\n%s", lines, r.out)
		}
	}
	r = w.berth(t, "info", "-f", `{{json .RegistryConfig.IndexConfigs}}`)
	prints(t, "json", r.out, `{"docker.io":{"Name":"docker.io","Mirrors":["https://hub.example/x/"],"Secure":true,"Official":true},"lab.example":{"Name":"lab.example","Mirrors":[],"Secure":false,"Official":false}}`+"\n")
	conf("[[registry]")
	if r := w.berth(t, "info"); r.code != 0 || !strings.Contains(r.err, "WARNING: "+w.env["HOME"]+"/.config/containers/registries.conf:1: ") {
		t.Errorf("a broken file: status %d, %s", r.code, r.err)
	}
}

func TestOSRelease(t *testing.T) {
	for text, want := range map[string][2]string{
		"PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\n": {"Debian GNU/Linux 12 (bookworm)", "12"},
		"PRETTY_NAME='Alpine v3'\nVERSION_ID=3.1":                             {"Alpine v3", "3.1"},
		"# nothing\n": {"Linux", ""},
	} {
		if name, version := osRelease(text); name != want[0] || version != want[1] {
			t.Errorf("%q: %q %q", text, name, version)
		}
	}
}

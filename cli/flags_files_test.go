package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/container"
)

func TestVolumesFrom(t *testing.T) {
	w := withOther()
	other := w.views[0].Config
	other.From = map[string]string{mountField("/a"): "--volume", mountField("/b"): "--mount", mountField("/c"): "--tmpfs", mountField("/dev/shm"): "--ipc"}
	bind := func(dest string, options ...string) specs.Mount {
		return specs.Mount{Type: "bind", Source: "/src", Destination: dest, Options: options}
	}
	other.Spec.Mounts = []specs.Mount{
		bind("/a", "rbind", "rprivate"), bind("/b", "bind", "rprivate"), bind("/d", "rbind"), bind("/dev/shm", "rbind"),
		{Type: "tmpfs", Source: "tmpfs", Destination: "/c"},
	}
	for mode, want := range map[string]string{
		"":    `["rbind","rprivate"] ["bind","rprivate"]`,
		":rw": `["rbind","rprivate"] ["bind","rprivate"]`,
		":ro": `["rbind","rprivate","rro"] ["bind","rprivate","ro"]`,
	} {
		c := w.created(t, "--volumes-from", "other"+mode, "img")
		a, b, _ := strings.Cut(want, " ")
		wants(t, mode, findMount(c, "/a").Options, a)
		wants(t, mode, findMount(c, "/b").Options, b)
		if findMount(c, "/c").Type+findMount(c, "/d").Type != "" || findMount(c, "/dev/shm").Type != "tmpfs" {
			t.Errorf("mounts that are no volumes: %v", c.Spec.Mounts)
		}
	}
	c := w.created(t, "--volumes-from", "other", "-v", "/:/a:ro", "img")
	wants(t, "own mount", findMount(c, "/a").Source, `"/"`)
	wants(t, "record", c.VolumesFrom, `["`+other.ID+`:rw"]`)
}

func TestDeviceRules(t *testing.T) {
	c := newWorld().created(t, "--device-cgroup-rule", "c 1:* rw", "--device-cgroup-rule", "a *:3 m", "img")
	r := c.Spec.Linux.Resources.Devices
	wants(t, "rules", r[len(r)-2:], `[{"allow":true,"type":"c","major":1,"access":"rw"},{"allow":true,"type":"a","minor":3,"access":"m"}]`)
	wants(t, "record", c.DeviceRules, `["c 1:* rw","a *:3 m"]`)
	for _, rule := range []string{"", "c 1:3", "d 1:3 r", "c 1 r", "c 1:3 x", "c 1:3 rr", "c x:3 r", "c 1:-3 r", "c 1:3 r r"} {
		newWorld().refused(t, "invalid device cgroup format '"+rule+"'", "--device-cgroup-rule", rule, "img")
	}
}

func TestLabelFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "labels")
	if err := os.WriteFile(file, []byte("# labels\na=file\nb\nc=1=2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := newWorld().created(t, "--label-file", file, "-l", "a=flag", "img")
	wants(t, "labels", c.Labels, `{"a":"flag","b":"","c":"1=2"}`)
	newWorld().refused(t, "no such file or directory", "--label-file", file+"x", "img")
}

func TestMoreMountOptions(t *testing.T) {
	dir := t.TempDir()
	c := newWorld().created(t, "--mount", "type=bind,src="+dir+"/new,dst=/x,bind-create-src", "--mount",
		"type=bind,src="+dir+",dst=/y,readonly,bind-recursive=readonly,bind-propagation=rprivate", "img")
	wants(t, "options", findMount(c, "/y").Options, `["rbind","rro","rprivate"]`)
	if _, err := os.Stat(dir + "/new"); err != nil {
		t.Error(err)
	}
	for options, text := range map[string]string{
		"bind-recursive=writable":    "option 'bind-recursive=writable' requires 'readonly' to be specified in conjunction",
		"bind-recursive=readonly":    "option 'bind-recursive=readonly' requires 'readonly' to be specified in conjunction",
		"bind-recursive=readonly,ro": "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction",
		"volume-nocopy":              "cannot mix 'volume-*' options with mount type 'bind'",
		"volume-opt=a=b":             "cannot mix 'volume-*' options with mount type 'bind'",
		"image-subpath=a":            "cannot mix 'image-*' options with mount type 'bind'",
		"tmpfs-size=1m":              "cannot mix 'tmpfs-*' options with mount type 'bind'",
		"bind-create-src=perhaps":    "invalid value for bind-create-src: perhaps",
		"bind-recursive=readonly,ro,bind-propagation=unbindable": "requires 'bind-propagation=rprivate'",
	} {
		newWorld().refused(t, text, "--mount", "type=bind,src="+dir+",dst=/x,"+options, "img")
	}
	newWorld().refused(t, "type=image: this version mounts no images", "--mount", "type=image,src=img,dst=/x", "img")
}

func TestSecurityOptions(t *testing.T) {
	c := newWorld().created(t, "--security-opt", "apparmor=berth-default", "--security-opt", "writable-cgroups=true", "img")
	wants(t, "profile and mount", []any{c.Spec.Process.ApparmorProfile, findMount(c, "/sys/fs/cgroup").Options}, `["berth-default",["nosuid","noexec","nodev"]]`)
	c = newWorld().created(t, "--security-opt", "writable-cgroups=false", "img")
	wants(t, "mount", findMount(c, "/sys/fs/cgroup").Options, `["ro","nosuid","noexec","nodev"]`)
	newWorld().refused(t, `invalid --security-opt: "writable-cgroups=perhaps"`, "--security-opt", "writable-cgroups=perhaps", "img")
}

func TestOtherSystems(t *testing.T) {
	for _, flags := range []string{
		"--isolation default", "--cpu-count 0", "--cpu-percent 0", "--io-maxbandwidth 0", "--io-maxiops 0", "--volume-driver local",
		"--runtime berth", "--use-api-socket=false", "--cgroups enabled", "--cgroups no-conmon", "--sdnotify ignore", "--disable-content-trust", "--kernel-memory 0",
	} {
		if r := newWorld().berth(t, append([]string{"create"}, append(strings.Fields(flags), "img")...)...); r.code != 0 || r.err != "" {
			t.Errorf("%s: status %d, stderr %q", flags, r.code, r.err)
		}
	}
	for flags, text := range map[string]string{
		"--kernel-memory 64m":           "WARNING: Specifying a kernel memory limit is deprecated and has no effect",
		"--disable-content-trust=false": "WARNING: --disable-content-trust=false has no effect",
	} {
		if r := newWorld().berth(t, append([]string{"create"}, append(strings.Fields(flags), "img")...)...); r.code != 0 || !strings.HasPrefix(r.err, text) {
			t.Errorf("%s: status %d, stderr %q", flags, r.code, r.err)
		}
	}
	for flags, text := range map[string]string{
		"--isolation hyperv":        "--isolation hyperv is not supported: it is for containers of Windows",
		"--cpu-count 2":             "--cpu-count is not supported: it is for containers of Windows",
		"--cpu-percent 2":           "--cpu-percent is not supported",
		"--io-maxbandwidth 1m":      "--io-maxbandwidth is not supported",
		"--io-maxiops 5":            "--io-maxiops is not supported",
		"--volume-driver nfs":       "--volume-driver is not supported: berth has no volume plugins",
		"--storage-opt size=1g":     "--storage-opt is not supported: berth sets no quotas",
		"--runtime kata":            "--runtime is not supported: berth is the runtime",
		"--gpus all":                "--gpus is not supported: this version has no device drivers",
		"--use-api-socket":          "--use-api-socket is not supported",
		"--cgroups split":           "--cgroups is not supported",
		"--cgroups disabled":        "--cgroups is not supported",
		"--sdnotify container":      "--sdnotify is not supported",
		"--cpu-count x":             `invalid argument "x" for "--cpu-count" flag`,
		"--device vendor.com/gpu=0": "this version knows no devices of the Container Device Interface",
		"--device /a:/b:r:w":        "bad format for path: /a:/b:r:w",
		"--device :/b":              "bad format for path: :/b",
	} {
		newWorld().refused(t, text, append(strings.Fields(flags), "img")...)
	}
}

func TestLimitsOfOldKernels(t *testing.T) {
	c := newWorld().created(t, "--memory-swappiness", "60", "--oom-kill-disable", "--cpu-rt-period", "1000", "--cpu-rt-runtime", "500", "img")
	wants(t, "memory and cpu", []any{c.Spec.Linux.Resources.Memory, c.Spec.Linux.Resources.CPU},
		`[{"swappiness":60,"disableOOMKiller":true},{"realtimeRuntime":500,"realtimePeriod":1000}]`)
	for flags, text := range map[string]string{
		"--memory-swappiness 101":                   "Invalid value: 101, valid memory swappiness range is 0-100",
		"--cpu-rt-period 1 --cpu-rt-runtime 2":      "cpu real-time runtime cannot be higher than cpu real-time period",
		"--cpuset-cpus 65000":                       "Requested CPUs are not available - requested 65000, available: 0",
		"--cpuset-mems 0-900":                       "Requested memory nodes are not available - requested 0-900, available: 0",
		"--blkio-weight-device /dev/null:5":         "invalid weight for device: /dev/null:5",
		"--blkio-weight-device /dev/null:x":         "invalid weight for device: /dev/null:x",
		"--blkio-weight-device /dev/null:500":       "--blkio-weight-device /dev/null: not a block device",
		"--blkio-weight-device 500":                 "bad format: 500",
		"--volumes-from other:slave":                "invalid mode: slave",
		"--volumes-from other:":                     "invalid mode: ",
		"--volumes-from nobody":                     "No such container: nobody",
		"--volumes-from :ro":                        "invalid volumes-from specification: :ro",
		"--network container:other --userns other ": "--userns: invalid USER mode",
	} {
		withOther().refused(t, text, append(strings.Fields(flags), "img")...)
	}
}

func TestCPUNumbers(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(dir+"/cpu", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/cpu/online", []byte("0-1,4\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for set, ok := range map[string]bool{"0": true, "0-1,4": true, "2": false, "1-2": false, "4-5": false} {
		if err := (&cpuFlags{set: set}).checkAvailable(dir); (err == nil) != ok {
			t.Errorf("%s: %v", set, err)
		}
	}
	if err := (&cpuFlags{mems: "0"}).checkAvailable(dir); err != nil {
		t.Error(err)
	}
}

func TestDevicesOnRecord(t *testing.T) {
	c := newWorld().created(t, "--device", "/dev/null:/dev/nothing:r", "img")
	if want := (container.Device{Host: "/dev/null", Inside: "/dev/nothing", Access: "r"}); len(c.Devices) != 1 || c.Devices[0] != want {
		t.Errorf("devices %v", c.Devices)
	}
}

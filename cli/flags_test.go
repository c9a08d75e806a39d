package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/container"
	"berth/image"
)

// wants is a JSON text that part of a container must be equal to.
func wants(t *testing.T, what string, got any, want string) {
	t.Helper()
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != want {
		t.Errorf("%s: got %s, want %s", what, text, want)
	}
}

func TestFlagsReachTheSpec(t *testing.T) {
	// A field is read from the container after a create with the flags.
	for _, tt := range []struct {
		flags string
		field func(c *container.Config) any
		want  string
		// from are pairs of a field's path and the flag that set it.
		from string
	}{
		{"--name web", func(c *container.Config) any { return c.Name }, `"web"`, ""},
		{"--name /web", func(c *container.Config) any { return c.Name }, `"web"`, ""},
		{"--rm", func(c *container.Config) any { return c.AutoRemove }, `true`, ""},
		{"-h box1", func(c *container.Config) any { return c.Spec.Hostname }, `"box1"`, "hostname --hostname"},
		{"--domainname d.example", func(c *container.Config) any { return c.Spec.Domainname }, `"d.example"`, "domainname --domainname"},
		{"-l a=1 --label b", func(c *container.Config) any { return c.Labels }, `{"a":"1","b":""}`, ""},
		{"--annotation a=b=c", func(c *container.Config) any { return c.Spec.Annotations }, `{"a":"b=c"}`, ""},
		{"--network host", func(c *container.Config) any { return c.Network }, `"host"`, "linux.namespaces[network] --network"},
		{"--net none", func(c *container.Config) any { return c.Network }, `"none"`, ""},
		{"--cgroup-parent /a/b", func(c *container.Config) any { return c.Spec.Linux.CgroupsPath }, `"/a/b"`, "linux.cgroupsPath --cgroup-parent"},
		{"--pidfile /x/pid", func(c *container.Config) any { return c.PidFile }, `"/x/pid"`, ""},

		{"-i", func(c *container.Config) any { return c.OpenStdin }, `true`, ""},
		{"-t", func(c *container.Config) any { return c.Spec.Process.Terminal }, `true`, "process.terminal --tty"},
		{"--init", func(c *container.Config) any { return c.Init }, `true`, ""},
		{"-w /a/../b", func(c *container.Config) any { return c.Spec.Process.Cwd }, `"/b"`, "process.cwd --workdir"},
		{"--stop-signal SIGUSR1", func(c *container.Config) any { return c.StopSignal }, `"SIGUSR1"`, ""},
		{"--stop-timeout 3", func(c *container.Config) any { return c.StopTimeout }, `3`, ""},
		{"--oom-score-adj -500", func(c *container.Config) any { return c.Spec.Process.OOMScoreAdj }, `-500`, "process.oomScoreAdj --oom-score-adj"},
		{"--umask 027", func(c *container.Config) any { return c.Spec.Process.User.Umask }, `23`, "process.user.umask --umask"},
		{"--ulimit nofile=10:20 --ulimit core=0", func(c *container.Config) any { return c.Spec.Process.Rlimits }, `[{"type":"RLIMIT_NOFILE","hard":20,"soft":10},{"type":"RLIMIT_CORE","hard":0,"soft":0}]`, "process.rlimits[RLIMIT_NOFILE] --ulimit"},
		{"--ulimit nproc=-1", func(c *container.Config) any { return c.Spec.Process.Rlimits }, `[{"type":"RLIMIT_NPROC","hard":18446744073709551615,"soft":18446744073709551615}]`, ""},

		{"-m 64m --memory-swap 128m --memory-reservation 32m", func(c *container.Config) any { return c.Spec.Linux.Resources.Memory }, `{"limit":67108864,"reservation":33554432,"swap":134217728}`, "linux.resources.memory.limit --memory"},
		{"-m 1m", func(c *container.Config) any { return c.Spec.Linux.Resources.Memory }, `{"limit":1048576,"swap":2097152}`, "linux.resources.memory.swap --memory"},
		{"-m 4m --memory-swap -1", func(c *container.Config) any { return c.Spec.Linux.Resources.Memory }, `{"limit":4194304,"swap":-1}`, "linux.resources.memory.swap --memory-swap"},
		{"--pids-limit 7", func(c *container.Config) any { return c.Spec.Linux.Resources.Pids }, `{"limit":7}`, "linux.resources.pids.limit --pids-limit"},
		{"--pids-limit -1", func(c *container.Config) any { return c.Spec.Linux.Resources.Pids }, `null`, ""},
		{"--cpus 0.5", func(c *container.Config) any { return c.Spec.Linux.Resources.CPU }, `{"quota":50000,"period":100000}`, "linux.resources.cpu.quota --cpus"},
		{"-c 512 --cpu-period 20000 --cpu-quota 10000 --cpuset-cpus 0 --cpuset-mems 0", func(c *container.Config) any { return c.Spec.Linux.Resources.CPU }, `{"shares":512,"quota":10000,"period":20000,"cpus":"0","mems":"0"}`, "linux.resources.cpu.shares --cpu-shares"},
		{"--blkio-weight 300", func(c *container.Config) any { return c.Spec.Linux.Resources.BlockIO }, `{"weight":300}`, "linux.resources.blockIO.weight --blkio-weight"},

		{"--read-only", func(c *container.Config) any { return c.Spec.Root.Readonly }, `true`, "root.readonly --read-only"},
		{"--sysctl net.ipv4.ip_forward=1", func(c *container.Config) any { return c.Spec.Linux.Sysctl }, `{"net.ipv4.ip_forward":"1"}`, "linux.sysctl[net.ipv4.ip_forward] --sysctl"},
		{"--security-opt no-new-privileges", func(c *container.Config) any { return c.Spec.Process.NoNewPrivileges }, `true`, "process.noNewPrivileges --security-opt"},
		{"--security-opt no-new-privileges=false", func(c *container.Config) any { return c.Spec.Process.NoNewPrivileges }, `false`, ""},
		{"--security-opt no-new-privileges:true", func(c *container.Config) any { return c.Spec.Process.NoNewPrivileges }, `true`, ""},
		{"--security-opt seccomp=unconfined", func(c *container.Config) any { return c.Seccomp }, `"unconfined"`, "linux.seccomp --security-opt"},
		{"--security-opt apparmor=unconfined --security-opt label=disable", func(c *container.Config) any { return c.Spec.Process.ApparmorProfile }, `"unconfined"`, ""},
		{"--security-opt systempaths=unconfined", func(c *container.Config) any { return append(c.Spec.Linux.MaskedPaths, c.Spec.Linux.ReadonlyPaths...) }, `null`, "linux.maskedPaths --security-opt"},
		{"--security-opt unmask=ALL --security-opt mask=/proc/a:/proc/b", func(c *container.Config) any { return c.Spec.Linux.MaskedPaths }, `["/proc/a","/proc/b"]`, ""},
		{"--cap-drop all --cap-add net_admin --cap-add CAP_CHOWN", func(c *container.Config) any { return c.Spec.Process.Capabilities }, `{"bounding":["CAP_NET_ADMIN","CAP_CHOWN"],"effective":["CAP_NET_ADMIN","CAP_CHOWN"],"permitted":["CAP_NET_ADMIN","CAP_CHOWN"]}`, "process.capabilities --cap-add, --cap-drop"},
		{"--log-driver none", func(c *container.Config) any { return c.Log }, `{"driver":"none"}`, ""},
		{"--log-opt max-size=1m --log-opt max-file=2", func(c *container.Config) any { return c.Log }, `{"driver":"json-file","opts":{"max-file":"2","max-size":"1m"}}`, ""},
		{"--no-healthcheck --pull never --platform linux", func(c *container.Config) any { return c.Image.Ref }, `"img"`, ""},
	} {
		t.Run(tt.flags, func(t *testing.T) {
			c := newWorld().created(t, append(strings.Fields(tt.flags), "img")...)
			wants(t, "field", tt.field(c), tt.want)
			if field, flag, ok := strings.Cut(tt.from, " "); ok && c.From[field] != flag {
				t.Errorf("From[%s] is %q, want %q (of %v)", field, c.From[field], flag, c.From)
			}
		})
	}
}

func TestFlagsRefused(t *testing.T) {
	for flags, text := range map[string]string{
		"--name a/b":                                   "Invalid container name (a/b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
		"--network nowhere":                            "network nowhere not found",
		"--pull sometimes":                             `invalid argument "sometimes" for "--pull" flag: invalid pull option`,
		"-h a/b":                                       "invalid hostname format: a/b",
		"-w rel":                                       "the working directory 'rel' is invalid, it needs to be an absolute path",
		"--oom-score-adj 2000":                         "range for oom score adj is [-1000, 1000]",
		"--stop-signal FOO":                            `for "--stop-signal" flag: invalid signal: FOO`,
		"--umask 9":                                    "invalid umask 9",
		"--ulimit nofile=20:10":                        "ulimit soft limit must be less than or equal to hard limit: 20 > 10",
		"--ulimit files=1":                             "invalid ulimit type: files",
		"-m 1023k":                                     "Minimum memory limit allowed is 1MB",
		"-m lots":                                      `invalid argument "lots" for "-m, --memory" flag: invalid size: 'lots'`,
		"--memory-swap 1g":                             "You should always set the Memory limit when using Memoryswap limit, see usage",
		"-m 2g --memory-swap 1g":                       "Minimum memoryswap limit should be larger than memory limit, see usage",
		"-m 1g --memory-reservation 2g":                "Minimum memory limit can not be less than memory reservation limit, see usage",
		"--cpus 0.5 --cpu-quota 1000":                  "Conflicting options: Nano CPUs and CPU Quota cannot both be set.",
		"--cpus 0.5 --cpu-period 1000":                 "Conflicting options: Nano CPUs and CPU Period cannot both be set.",
		"--cpus 100000":                                "Range of CPUs is from 0.01 to",
		"--cpus none":                                  `for "--cpus" flag: failed to parse none as a rational number`,
		"--cpu-period 10":                              "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
		"--cpu-quota 10":                               "CPU cfs quota can not be less than 1ms (i.e. 1000)",
		"--cpuset-cpus 3-1":                            "Invalid value 3-1 for cpuset cpus",
		"--blkio-weight 5":                             "Range of blkio weight is from 10 to 1000",
		"--device-read-bps /dev/null:1mb":              "/dev/null: not a block device",
		"--device-read-bps null:1mb":                   "bad format for device path",
		"--device-write-iops /dev/sda:fast":            "invalid rate for device",
		"--cap-add FLY":                                `invalid CapAdd: unknown capability: "CAP_FLY"`,
		"--cap-drop FLY":                               `invalid CapDrop: unknown capability: "CAP_FLY"`,
		"--security-opt what=ever":                     `invalid --security-opt 2: "what=ever"`,
		"--security-opt no-new-privileges=maybe":       `invalid --security-opt: "no-new-privileges=maybe"`,
		"--security-opt seccomp=/nonexistent":          "opening seccomp profile (/nonexistent) failed",
		"--sysctl kernel.core_pattern=x":               "sysctl 'kernel.core_pattern=x' is not allowed",
		"--sysctl net/../kernel/core_pattern=x":        "is not allowed",
		"--sysctl net.ipv4.ip_forward":                 "is not allowed",
		"--log-driver syslog":                          "no log driver named 'syslog'",
		"--log-opt compress=maybe":                     "log opt 'compress=maybe'",
		"--log-opt nope=1":                             "unknown log opt 'nope' for json-file log driver",
		"-v relative/path:/x":                          "includes invalid characters for a local volume name",
		"-v data:/x":                                   "this version has no named volumes",
		"-v /a":                                        "no anonymous volumes",
		"-v /a:b":                                      "invalid mount path: 'b' mount path must be absolute",
		"-v /a:/":                                      "invalid specification: destination can't be '/'",
		"-v /a:/b:what":                                "invalid mode: what",
		"-v /a:/b:ro,rw":                               "invalid mode: ro,rw",
		"-v /tmp:/b -v /usr:/b":                        "Duplicate mount point: /b",
		"--mount type=bind,src=/nonexistent,dst=/b":    `invalid mount config for type "bind": bind source path does not exist: /nonexistent`,
		"--mount type=bind,dst=/b":                     `invalid mount config for type "bind": field Source must not be empty`,
		"--mount type=bind,src=/tmp":                   "target is required",
		"--mount type=tmpfs,dst=rel":                   "mount path must be absolute",
		"--mount type=tmpfs,dst=/b,bind-propagation=x": "cannot mix 'bind-*' options with mount type 'tmpfs'",
		"--mount type=nfs,dst=/b":                      `mount type unknown: "nfs"`,
		"--mount type=bind,what=1":                     "unexpected key 'what' in 'what=1'",
		"--mount type":                                 "invalid field 'type' must be a key=value pair",
		"--mount dst=/b":                               "this version has no volumes",
		"--tmpfs rel":                                  "mount path must be absolute",
		"--tmpfs /t:what":                              `invalid tmpfs option ["what"]`,
		"--device relative":                            "relative is not an absolute path",
		"--device /dev/null:/dev/x:rz":                 "bad mode specified: rz",
		"--device /etc/passwd":                         "error gathering device information while adding custom device",
		"--device /dev/nonexistent":                    "error gathering device information while adding custom device",
		"-e =x":                                        "invalid environment variable: =x",
		"--env-file /nonexistent":                      "open /nonexistent: no such file or directory",
		"-u 4294967296":                                "uids and gids must be in range",
		"-l =x":                                        "empty name",
		"-a stdfoo":                                    "valid streams are STDIN, STDOUT and STDERR",
		"--pull never --platform linux/sparc":          "was found but its platform",
		"--rm=perhaps":                                 `invalid argument "perhaps" for "--rm" flag`,
	} {
		t.Run(flags, func(t *testing.T) {
			newWorld().refused(t, text, append(strings.Fields(flags), "img")...)
		})
	}
}

func TestImageRefused(t *testing.T) {
	w := newWorld()
	w.refused(t, "No such image: nope:latest", "--pull", "never", "nope")
	w.refused(t, "invalid reference format", "UPPER")
	w.refused(t, "box image is not built in", "box")
	w.setImage(image.Config{})
	w.refused(t, "no command specified", "img")
}

func TestCommandAndEntrypoint(t *testing.T) {
	img := image.Config{Entrypoint: []string{"/entry"}, Cmd: []string{"default"}}
	for _, tt := range []struct{ args, want string }{
		{"img", "/entry default"},
		{"img a b", "/entry a b"},
		{"--entrypoint /e img", "/e"},
		{"--entrypoint /e img a", "/e a"},
		{"--entrypoint= img a", "a"},
	} {
		w := newWorld()
		w.setImage(img)
		if got := strings.Join(w.created(t, strings.Fields(tt.args)...).Spec.Process.Args, " "); got != tt.want {
			t.Errorf("%s runs %q, want %q", tt.args, got, tt.want)
		}
	}
	w := newWorld()
	w.setImage(img)
	w.refused(t, "no command specified", "--entrypoint", "", "img")
}

func TestEnvironment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(file, []byte("# a comment\nF=1\nA=file\nTAKEN\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld()
	w.env["TAKEN"], w.env["MINE"] = "t", "m"
	w.setImage(image.Config{Cmd: []string{"sh"}, Env: []string{"PATH=/img", "A=image", "GONE=1"}})
	c := w.created(t, "-t", "-h", "h", "--env-file", file, "-e", "A=flag", "-e", "MINE", "-e", "GONE", "-e", "EMPTY=", "img")
	wants(t, "env", c.Spec.Process.Env, `["PATH=/img","HOSTNAME=h","TERM=xterm","A=flag","F=1","TAKEN=t","MINE=m","EMPTY="]`)

	c = newWorld().created(t, "img")
	wants(t, "env without flags", c.Spec.Process.Env, `["`+defaultPath+`","HOSTNAME=`+c.ID[:12]+`"]`)
}

func TestImageConfigIsMerged(t *testing.T) {
	w := newWorld()
	w.setImage(image.Config{
		Cmd: []string{"sh"}, User: "www", WorkingDir: "/srv", StopSignal: "SIGINT",
		Labels: map[string]string{"a": "image", "b": "image"}, Volumes: map[string]struct{}{"/data": {}},
	})
	c := w.created(t, "-l", "a=flag", "img")
	wants(t, "labels", c.Labels, `{"a":"flag","b":"image"}`)
	wants(t, "cwd, user, signal", []string{c.Spec.Process.Cwd, c.Spec.Process.User.Username, c.StopSignal}, `["/srv","www","SIGINT"]`)
	wants(t, "layers", c.Layers, `["/layer/1"]`)
	c = w.created(t, "-u", "5", "-w", "/", "--stop-signal", "9", "img")
	wants(t, "cwd, user, signal", []any{c.Spec.Process.Cwd, c.Spec.Process.User.UID, c.Spec.Process.User.Username, c.StopSignal}, `["/",5,"","9"]`)
}

func TestUser(t *testing.T) {
	for _, tt := range []struct {
		user, name string
		uid, gid   uint32
		refused    bool
	}{
		{user: "1", uid: 1},
		{user: "1:2", uid: 1, gid: 2},
		{user: "1:0", name: "1:0"},
		{user: "2147483647", uid: 2147483647},
		{user: "postgres", name: "postgres"},
		{user: "postgres:5", name: "postgres:5"},
		{user: "5:staff", name: "5:staff"},
		{user: "www-data", name: "www-data"},
		{user: "1abc", name: "1abc"},
		{user: "-1", refused: true},
		{user: "2147483648", refused: true},
		{user: "4294967296", refused: true},
		{user: "100000000000000000000", refused: true},
		{user: "1:-1", refused: true},
		{user: "1:4294967295", refused: true},
		{user: ":1", refused: true},
		{user: "a:", refused: true},
		{user: "a/b", refused: true},
	} {
		t.Run(tt.user, func(t *testing.T) {
			w := newWorld()
			if tt.refused {
				w.refused(t, "", "--user="+tt.user, "img")
				return
			}
			u := w.created(t, "--user="+tt.user, "img").Spec.Process.User
			if u.Username != tt.name || u.UID != tt.uid || u.GID != tt.gid {
				t.Errorf("got %+v, want %+v", u, tt)
			}
		})
	}
	c := newWorld().created(t, "--group-add", "7", "--group-add", "audio", "img")
	wants(t, "groups", []any{c.Spec.Process.User.AdditionalGids, c.GroupAdd}, `[[7],["audio"]]`)
}

func findMount(c *container.Config, destination string) specs.Mount {
	for _, m := range c.Spec.Mounts {
		if m.Destination == destination {
			return m
		}
	}
	return specs.Mount{}
}

func TestMounts(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct{ flags, destination, want, from string }{
		{"-v DIR:/x", "/x", `{"destination":"/x","type":"bind","source":"DIR","options":["rbind","rprivate"]}`, "--volume"},
		{"-v DIR:/x/../y:ro", "/y", `{"destination":"/y","type":"bind","source":"DIR","options":["rbind","rro","rprivate"]}`, "--volume"},
		{"-v DIR:/x:rslave,z", "/x", `{"destination":"/x","type":"bind","source":"DIR","options":["rbind","rslave"]}`, "--volume"},
		{"--mount type=bind,source=DIR,target=/x", "/x", `{"destination":"/x","type":"bind","source":"DIR","options":["rbind","rprivate"]}`, "--mount"},
		{"--mount type=bind,src=DIR,dst=/x,readonly", "/x", `{"destination":"/x","type":"bind","source":"DIR","options":["rbind","rro","rprivate"]}`, "--mount"},
		{"--mount type=bind,src=DIR,dst=/x,ro=false,bind-propagation=shared", "/x", `{"destination":"/x","type":"bind","source":"DIR","options":["rbind","shared"]}`, "--mount"},
		{"--mount type=bind,src=DIR,dst=/x,ro,bind-recursive=disabled", "/x", `{"destination":"/x","type":"bind","source":"DIR","options":["bind","ro","rprivate"]}`, "--mount"},
		{"--mount type=bind,src=DIR,dst=/x,ro,bind-recursive=writable", "/x", `{"destination":"/x","type":"bind","source":"DIR","options":["rbind","ro","rprivate"]}`, "--mount"},
		{"--mount type=tmpfs,dst=/x,tmpfs-size=1m,tmpfs-mode=1777", "/x", `{"destination":"/x","type":"tmpfs","source":"tmpfs","options":["noexec","nosuid","nodev","rprivate","size=1048576","mode=1777"]}`, "--mount"},
		{"--tmpfs /x", "/x", `{"destination":"/x","type":"tmpfs","source":"tmpfs","options":["noexec","nosuid","nodev","rprivate"]}`, "--tmpfs"},
		{"--tmpfs /x:exec,size=64k", "/x", `{"destination":"/x","type":"tmpfs","source":"tmpfs","options":["noexec","nosuid","nodev","rprivate","exec","size=64k"]}`, "--tmpfs"},
		{"--shm-size 1m", "/dev/shm", `{"destination":"/dev/shm","type":"tmpfs","source":"shm","options":["nosuid","noexec","nodev","mode=1777","size=1048576"]}`, "--shm-size"},
		{"-v DIR:/dev/shm", "/dev/shm", `{"destination":"/dev/shm","type":"bind","source":"DIR","options":["rbind","rprivate"]}`, "--volume"},
	} {
		t.Run(tt.flags, func(t *testing.T) {
			flags := strings.ReplaceAll(tt.flags, "DIR", dir)
			c := newWorld().created(t, append(strings.Fields(flags), "img")...)
			wants(t, tt.destination, findMount(c, tt.destination), strings.ReplaceAll(tt.want, "DIR", dir))
			if got := c.From[mountField(tt.destination)]; got != tt.from {
				t.Errorf("From %q, want %q", got, tt.from)
			}
		})
	}
}

func TestVolumeSourceIsMade(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	c := newWorld().created(t, "-v", "./a/b:/x", "img")
	if got := findMount(c, "/x").Source; got != dir+"/a/b" {
		t.Errorf("source %q, want %q", got, dir+"/a/b")
	}
	if st, err := os.Stat("a/b"); err != nil || !st.IsDir() {
		t.Errorf("source was not made: %v", err)
	}
}

func TestDevice(t *testing.T) {
	c := newWorld().created(t, "--device", "/dev/null:/dev/nothing:r", "img")
	d := c.Spec.Linux.Devices[len(c.Spec.Linux.Devices)-1]
	wants(t, "device", []any{d.Path, d.Type, d.Major, d.Minor}, `["/dev/nothing","c",1,3]`)
	r := c.Spec.Linux.Resources.Devices
	wants(t, "rule", r[len(r)-1], `{"allow":true,"type":"c","major":1,"minor":3,"access":"r"}`)
}

func TestPrivileged(t *testing.T) {
	c := newWorld().created(t, "--privileged", "--cap-drop", "ALL", "img")
	if !c.Privileged || c.Seccomp != "unconfined" || len(c.Spec.Linux.MaskedPaths) != 0 {
		t.Errorf("privileged %v, seccomp %q, masked %v", c.Privileged, c.Seccomp, c.Spec.Linux.MaskedPaths)
	}
	if !slices.Equal(c.Spec.Process.Capabilities.Bounding, container.AllCapabilities()) {
		t.Errorf("capabilities %v", c.Spec.Process.Capabilities.Bounding)
	}
}

func TestRootfs(t *testing.T) {
	c := newWorld().created(t, "--rootfs", "/some/root", "sh", "-c", "true")
	wants(t, "root", c.Spec.Root.Path, `"/some/root"`)
	wants(t, "args", c.Spec.Process.Args, `["sh","-c","true"]`)
	if len(c.Layers) != 0 || c.Image.Ref != "" {
		t.Errorf("layers %v, image %+v", c.Layers, c.Image)
	}
}

func TestSeccompProfile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "p.json")
	if err := os.WriteFile(file, []byte(`{"defaultAction":"SCMP_ACT_ALLOW"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	c := newWorld().created(t, "--security-opt", "seccomp="+file, "img")
	wants(t, "profile", c.Seccomp, `"{\"defaultAction\":\"SCMP_ACT_ALLOW\"}"`)
	if err := os.WriteFile(file, []byte(`{`), 0o600); err != nil {
		t.Fatal(err)
	}
	newWorld().refused(t, "decoding seccomp profile", "--security-opt", "seccomp="+file, "img")
}

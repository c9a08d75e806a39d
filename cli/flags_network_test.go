package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"berth/container"
	"berth/image"
)

func TestPorts(t *testing.T) {
	for flags, want := range map[string][]container.Port{
		"-p 80":                               {port("", 0, 80, "tcp")},
		"-p 8080:80":                          {port("", 8080, 80, "tcp")},
		"-p 8080:80/UDP":                      {port("", 8080, 80, "udp")},
		"-p 80/":                              {port("", 0, 80, "tcp")},
		"-p :80/sctp":                         {port("", 0, 80, "sctp")},
		"-p 127.0.0.1::80":                    {port("127.0.0.1", 0, 80, "tcp")},
		"-p [::1]:81:80":                      {port("::1", 81, 80, "tcp")},
		"-p ::1:81:80":                        {port("::1", 81, 80, "tcp")},
		"-p 81-82:91-92":                      {port("", 81, 91, "tcp"), port("", 82, 92, "tcp")},
		"-p 91-92":                            {port("", 0, 91, "tcp"), port("", 0, 92, "tcp")},
		"-p 8000-8009:80":                     {port("", 8000, 80, "tcp")},
		"-p 81:80 -p 81:80 -p 9:9":            {port("", 9, 9, "tcp"), port("", 81, 80, "tcp")},
		"-p target=80,published=81":           {port("", 81, 80, "tcp")},
		"-p target=80,protocol=udp,mode=host": {port("", 0, 80, "udp")},
		"-P --expose 80 --expose 90-91/udp":   {port("", 0, 80, "tcp"), port("", 0, 90, "udp"), port("", 0, 91, "udp")},
	} {
		c := newWorld().created(t, append(strings.Fields("--network none "+flags), "img")...)
		if !slices.Equal(c.Ports, want) {
			t.Errorf("%s: %v, want %v", flags, c.Ports, want)
		}
	}
}

func TestExposedPorts(t *testing.T) {
	w := newWorld()
	w.setImage(image.Config{Cmd: []string{"sh"}, ExposedPorts: map[string]struct{}{"80/tcp": {}, "53/udp": {}}})
	c := w.created(t, "--expose", "80", "--expose", "7/sctp", "img")
	if want := []container.Port{port("", 0, 7, "sctp"), port("", 0, 53, "udp"), port("", 0, 80, "tcp")}; !slices.Equal(c.Exposed, want) || c.Ports != nil {
		t.Errorf("exposed %v, published %v", c.Exposed, c.Ports)
	}
}

func TestPortsOfTheHost(t *testing.T) {
	w := newWorld()
	r := w.berth(t, "create", "--network", "host", "-p", "80:80", "img")
	if r.code != 0 || r.err != "WARNING: Published ports are discarded when using host network mode\n" || w.made[0].Ports != nil {
		t.Errorf("status %d, stderr %q", r.code, r.err)
	}
}

func TestNames(t *testing.T) {
	c := newWorld().created(t, "--dns", "1.1.1.1", "--dns", "2001:0db8::1", "--dns-search", "a.example", "--dns-option", "ndots:2", "--dns-opt", "rotate",
		"--add-host", "one:1.2.3.4", "--add-host", "two:[::1]", "--add-host", "three=fe80::1", "--add-host", "one:5.6.7.8", "img")
	wants(t, "dns", c.DNS, `{"servers":["1.1.1.1","2001:db8::1"],"search":["a.example"],"options":["ndots:2","rotate"]}`)
	wants(t, "hosts", c.ExtraHosts, `["one:1.2.3.4","two:::1","three:fe80::1","one:5.6.7.8"]`)
	c = newWorld().created(t, "--net", "name=host", "--dns-search", ".", "img")
	wants(t, "dns", []any{c.Network, c.DNS}, `["host",{"search":["."]}]`)
}

func TestNetworkRefused(t *testing.T) {
	for flags, text := range map[string]string{
		"-p 80:80":                              "cannot publish ports",
		"-P":                                    "cannot publish ports",
		"-p x:80":                               `invalid argument "x:80" for "-p, --publish" flag: invalid hostPort: x`,
		"-p 80:x":                               "invalid containerPort: x",
		"-p 80:65536":                           "invalid containerPort: 65536",
		"-p 80:90-80":                           "invalid containerPort: 90-80",
		"-p 80:":                                "no port specified: 80:<empty>",
		"-p 1.2.3:80:80":                        "invalid IP address: 1.2.3",
		"-p [::1:80:80":                         "invalid IP address [::1",
		"-p 80:80/icmp":                         "invalid proto: icmp",
		"-p 1-3:1-2":                            "invalid ranges specified for container and host Ports: 1-2 and 1-3",
		"-p target=80,published":                "invalid publish opts format (should be name=value but got 'published')",
		"-p target=80,port=1":                   "invalid field key port",
		"--expose 80:80":                        "invalid port format for --expose: 80:80",
		"--expose nine":                         "invalid range format for --expose: nine, error: ",
		"--expose 9/icmp":                       "invalid proto: icmp",
		"--network container:other -p 80":       "conflicting options: port publishing and the container type network mode",
		"--network container:other -P":          "conflicting options: port publishing and the container type network mode",
		"--network container:other --expose 80": "conflicting options: port exposing and the container type network mode",
		"--network container:other --dns 1.1.1.1":        "conflicting options: dns and the network mode",
		"--network container:other --dns-search a":       "conflicting options: dns and the network mode",
		"--network container:other --add-host a:1.1.1.1": "conflicting options: custom host-to-IP mapping and the network mode",
		"--network host --mac-address 92:d0:c6:0a:29:33": "conflicting options: mac-address and the network mode",
		"--mac-address nine":                             "nine is not a valid mac address",
		"--ip 1.2.3.4":                                   "user specified IP address is supported on user defined networks only",
		"--ip6 ::1":                                      "user specified IP address is supported on user defined networks only",
		"--link-local-ip 169.254.1.1":                    "user specified IP address is supported on user defined networks only",
		"--ip 1.2.3":                                     "IP address is not correctly formatted: 1.2.3",
		"--network-alias a":                              "network-scoped alias is supported only for containers in user defined networks",
		"--network name=none,alias=a":                    "network-scoped alias is supported only for containers in user defined networks",
		"--network name=none,what=a":                     "invalid field key what",
		"--network alias=a":                              "network name/id is not specified",
		"--link other":                                   "conflicting options: none type network can't be used with links. This would result in undefined behavior",
		"--network host --link other":                    "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
		"--network container:other --link other":         "conflicting options: container type network can't be used with links. This would result in undefined behavior",
		"--dns one":                                      "IP address is not correctly formatted: one",
		"--dns-search 1.2":                               "1.2 is not a valid domain",
		"--dns-search a..b":                              "a..b is not a valid domain",
		"--dns-search -a":                                "-a is not a valid domain",
		"--add-host one":                                 `bad format for add-host: "one"`,
		"--add-host one:two":                             `invalid IP address in add-host: "two"`,
		"--add-host :1.1.1.1":                            `bad format for add-host: ":1.1.1.1"`,
		"--add-host a:b=1.1.1.1":                         `bad format for add-host: "a:b=1.1.1.1"`,
		"--add-host one:host-gateway":                    "unable to derive the IP value for host-gateway",
	} {
		t.Run(flags, func(t *testing.T) {
			withOther().refused(t, text, append(strings.Fields(flags), "img")...)
		})
	}
}

func TestUsers(t *testing.T) {
	for mode, want := range map[string]string{"host": "", "auto": "auto:size=65536", "100000": "100000:65536", "container:other": "container:" + strings.Repeat("b", 64)} {
		if c := withOther().created(t, "--userns", mode, "img"); c.Modes.User != want {
			t.Errorf("--userns %s: %s", mode, c.Modes.User)
		}
	}
	dir := t.TempDir()
	c := newWorld().created(t, "--userns", "auto", "-v", dir+":/a:ro,idmap", "--mount", "type=bind,src="+dir+",dst=/b,idmap", "img")
	wants(t, "mounts", []any{findMount(c, "/a").Options, findMount(c, "/b").Options}, `[["rbind","rro","idmap","rprivate"],["rbind","idmap","rprivate"]]`)
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for flags, text := range map[string]string{
		"--userns nobody":                        "--userns: invalid USER mode",
		"--userns container:nobody":              "No such container: nobody",
		"--userns auto --privileged":             "privileged mode is incompatible with user namespaces.",
		"--userns auto --pid container:other":    "conflicting options: --pid container and --userns auto",
		"--userns 9 --network container:other":   "conflicting options: --network container and --userns 9",
		"--userns private --ipc container:other": "conflicting options: --ipc container and --userns private",
		"-v " + dir + ":/x:idmap":                "idmap at /x needs a user namespace",
		"--mount type=tmpfs,dst=/x,idmap":        "cannot mix 'bind-*' options with mount type 'tmpfs'",
	} {
		withOther().refused(t, text, append(strings.Fields(flags), "img")...)
	}
}

func port(ip string, host, inside uint16, protocol string) container.Port {
	return container.Port{HostIP: ip, HostPort: host, ContainerPort: inside, Protocol: protocol}
}

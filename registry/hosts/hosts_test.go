package hosts

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/image"
)

// world writes files below a root of their own and returns a Finder that sees
// them. Names that start with "~" are the user's.
func world(t *testing.T, files map[string]string, change func(*Options)) *Finder {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, strings.Replace(name, "~", "home", 1))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	o := Options{Root: root, LookupEnv: lookup(map[string]string{"HOME": filepath.Join(root, "home")})}
	if change != nil {
		change(&o)
	}
	return New(o)
}

func lookup(env map[string]string) func(string) (string, bool) {
	return func(key string) (string, bool) { v, ok := env[key]; return v, ok }
}

// describe writes endpoints in one line each: URL of the repository, credentials'
// name, and what is special.
func describe(list []Endpoint) string {
	var lines []string
	for _, e := range list {
		line := e.Base.String() + "/" + e.Repository
		if e.Registry != e.Base.Host {
			line += " as " + e.Registry
		}
		if e.Mirror {
			line += " mirror"
		}
		if e.ByDigestOnly {
			line += " by-digest"
		}
		if e.ByTagOnly {
			line += " by-tag"
		}
		if e.TLS != nil && e.TLS.InsecureSkipVerify {
			line += " any-certificate"
		}
		if e.TLS != nil && e.TLS.RootCAs != nil {
			line += " own-ca"
		}
		if e.TLS != nil && len(e.TLS.Certificates) > 0 {
			line += " client-certificate"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func parse(t *testing.T, name string) image.Reference {
	t.Helper()
	ref, err := image.ParseReference(name)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestEndpoints(t *testing.T) {
	mirrored := `
[[registry]]
prefix = "example.com/foo"
location = "internal.example.net/bar"
[[registry.mirror]]
location = "mirror-0.local/mirror-for-foo"
[[registry.mirror]]
location = "mirror-1.local:5000/foo/"
insecure = true
[[registry]]
location = "registry.com"
mirror-by-digest-only = true
[[registry.mirror]]
location = "mirror.registry.com"
[[registry]]
prefix = "picky.com"
location = "picky.com"
[[registry.mirror]]
location = "digests.picky.com"
pull-from-mirror = "digest-only"
[[registry.mirror]]
location = "tags.picky.com"
pull-from-mirror = "tag-only"
[[registry.mirror]]
location = "all.picky.com"
pull-from-mirror = "all"
[[registry]]
prefix = "*.wild.org"
insecure = true
[[registry]]
prefix = "*.moved.wild.org"
location = "new.org/old"
[[registry]]
prefix = "docker.io/library/busybox"
location = "quay.example/box/busybox"
[[registry]]
prefix = "docker.io"
location = "docker.io"
[[registry.mirror]]
location = "hub.local/proxy"
`
	conf := map[string]string{"etc/containers/registries.conf": mirrored}
	daemon := map[string]string{"etc/docker/daemon.json": `{
  "data-root": "/srv", "log-opts": {"max-size": "1m"},
  "insecure-registries": ["lab.example:5000", "10.1.0.0/16", "http://old.example", "fd00::/8"],
  "registry-mirrors": ["https://m1.example/", "http://m2.example:5000", "https://lab.example:5000"]
}`}
	no, yes := false, true
	for _, tt := range []struct {
		name, ref string
		files     map[string]string
		change    func(*Options)
		want      string
	}{
		{"nothing set", "quay.io/a/b", nil, nil, "https://quay.io/a/b"},
		{"hub", "busybox", nil, nil, "https://registry-1.docker.io/library/busybox as docker.io"},
		{"port", "quay.io:8443/a/b", nil, nil, "https://quay.io:8443/a/b"},
		{"localhost", "localhost/a", nil, nil, "https://localhost/a any-certificate\nhttp://localhost/a"},
		{"loopback", "127.9.1.2:5000/a", nil, nil, "https://127.9.1.2:5000/a any-certificate\nhttp://127.9.1.2:5000/a"},
		{"loopback v6", "[::1]:5000/a", nil, nil, "https://[::1]:5000/a any-certificate\nhttp://[::1]:5000/a"},
		{"no loopback", "128.0.0.1:5000/a", nil, nil, "https://128.0.0.1:5000/a"},
		{"name of localhost", "localhost.example:5000/a", nil, nil, "https://localhost.example:5000/a"},
		{"verify asked for", "localhost/a", nil, func(o *Options) { o.TLSVerify = &yes }, "https://localhost/a"},
		{"verify refused", "quay.io/a", nil, func(o *Options) { o.TLSVerify = &no }, "https://quay.io/a any-certificate\nhttp://quay.io/a"},

		{"mirrors", "example.com/foo/image:1", conf, nil, "https://mirror-0.local/mirror-for-foo/image mirror\nhttps://mirror-1.local:5000/foo/image mirror any-certificate\nhttp://mirror-1.local:5000/foo/image mirror\nhttps://internal.example.net/bar/image"},
		{"prefix is a repository", "example.com/foo:1", conf, nil, "https://mirror-0.local/mirror-for-foo mirror\nhttps://mirror-1.local:5000/foo mirror any-certificate\nhttp://mirror-1.local:5000/foo mirror\nhttps://internal.example.net/bar"},
		{"prefix is part of a word", "example.com/foobar", conf, nil, "https://example.com/foobar"},
		{"mirror by digest only, tag", "registry.com/image", conf, nil, "https://registry.com/image"},
		{"mirror by digest only", "registry.com/image@" + digest, conf, nil, "https://mirror.registry.com/image mirror by-digest\nhttps://registry.com/image"},
		{"pull-from-mirror, tag", "picky.com/a", conf, nil, "https://tags.picky.com/a mirror by-tag\nhttps://all.picky.com/a mirror\nhttps://picky.com/a"},
		{"pull-from-mirror, digest", "picky.com/a@" + digest, conf, nil, "https://digests.picky.com/a mirror by-digest\nhttps://all.picky.com/a mirror\nhttps://picky.com/a"},
		{"wildcard", "a.b.wild.org:5000/x", conf, nil, "https://a.b.wild.org:5000/x any-certificate\nhttp://a.b.wild.org:5000/x"},
		{"wildcard itself", "wild.org/x", conf, nil, "https://wild.org/x"},
		{"wildcard with location", "a.moved.wild.org/x/y", conf, nil, "https://new.org/old/x/y"},
		{"hub's own mirror", "alpine", conf, nil, "https://hub.local/proxy/library/alpine mirror\nhttps://registry-1.docker.io/library/alpine as docker.io"},
		{"longest prefix", "busybox", conf, nil, "https://quay.example/box/busybox"},

		{"daemon.json host", "lab.example:5000/x", daemon, nil, "https://lab.example:5000/x any-certificate\nhttp://lab.example:5000/x"},
		{"daemon.json other port", "lab.example/x", daemon, nil, "https://lab.example/x"},
		{"daemon.json range", "10.1.2.3:5000/x", daemon, nil, "https://10.1.2.3:5000/x any-certificate\nhttp://10.1.2.3:5000/x"},
		{"daemon.json range v6", "[fd00::5]/x", daemon, nil, "https://[fd00::5]/x any-certificate\nhttp://[fd00::5]/x"},
		{"daemon.json outside", "10.2.2.3:5000/x", daemon, nil, "https://10.2.2.3:5000/x"},
		{"daemon.json with a scheme", "old.example/x", daemon, nil, "https://old.example/x any-certificate\nhttp://old.example/x"},
		{"daemon.json mirrors", "user/x", daemon, nil, "https://m1.example/user/x mirror\nhttp://m2.example:5000/user/x mirror\nhttps://lab.example:5000/user/x mirror any-certificate\nhttps://registry-1.docker.io/user/x as docker.io"},
		{"daemon.json resolved", "ten.example/x", daemon, func(o *Options) {
			o.Resolve = func(host string) ([]netip.Addr, error) {
				if host != "ten.example" {
					return nil, errors.New("another host")
				}
				return []netip.Addr{netip.MustParseAddr("::ffff:10.1.0.9")}, nil
			}
		}, "https://ten.example/x any-certificate\nhttp://ten.example/x"},

		{"version 1", "three.com/x", map[string]string{"etc/containers/registries.conf": "[registries.search]\nregistries = ['one.com']\n[registries.insecure]\nregistries = ['three.com']\n"}, nil, "https://three.com/x any-certificate\nhttp://three.com/x"},
		{"drop-ins replace", "a.com/x", map[string]string{
			"etc/containers/registries.conf":             "[[registry]]\nlocation = 'a.com'\ninsecure = true\n",
			"etc/containers/registries.conf.d/10-a.conf": "[[registry]]\nprefix = 'a.com'\nlocation = 'ten.com'\n",
			"etc/containers/registries.conf.d/20-a.conf": "[[registry]]\nprefix = 'a.com'\nlocation = 'twenty.com'\n",
			"etc/containers/registries.conf.d/30-a.bak":  "no toml",
		}, nil, "https://twenty.com/x"},
		{"user's drop-in is last", "a.com/x", map[string]string{
			"etc/containers/registries.conf.d/20-a.conf":       "[[registry]]\nprefix = 'a.com'\nlocation = 'twenty.com'\n",
			"~/.config/containers/registries.conf.d/10-a.conf": "[[registry]]\nprefix = 'a.com'\nlocation = 'own.com'\n",
		}, nil, "https://own.com/x"},
		{"user's file alone", "a.com/x", map[string]string{
			"etc/containers/registries.conf.d/20-a.conf": "[[registry]]\nprefix = 'a.com'\nlocation = 'twenty.com'\n",
			"~/.config/containers/registries.conf":       "",
		}, nil, "https://a.com/x"},
		{"file of the environment", "a.com/x", map[string]string{
			"~/.config/containers/registries.conf": "[[registry]]\nprefix = 'a.com'\nlocation = 'own.com'\n",
			"named.conf":                           "[[registry]]\nprefix = 'a.com'\nlocation = 'named.com'\n",
		}, func(o *Options) {
			o.LookupEnv = lookup(map[string]string{"HOME": o.Root + "/home", "CONTAINERS_REGISTRIES_CONF": o.Root + "/named.conf"})
		}, "https://named.com/x"},
		{"aliases are not followed", "nginx", map[string]string{"etc/containers/registries.conf": "unqualified-search-registries = ['a.com']\nshort-name-mode = 'enforcing'\n[aliases]\nnginx = 'evil.com/nginx'\n"}, nil, "https://registry-1.docker.io/library/nginx as docker.io"},
		{"home is no folder", "a.com/x", nil, func(o *Options) { o.LookupEnv = lookup(map[string]string{"HOME": "/dev/null"}) }, "https://a.com/x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list, err := world(t, tt.files, tt.change).Endpoints(parse(t, tt.ref))
			if err != nil {
				t.Fatal(err)
			}
			if got := describe(list); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// TestDirect: pushes and logins go to the registry that was named.
func TestDirect(t *testing.T) {
	files := map[string]string{
		"etc/containers/registries.conf": "[[registry]]\nprefix = 'a.com'\nlocation = 'b.com'\ninsecure = true\n[[registry.mirror]]\nlocation = 'c.com'\n[[registry]]\nlocation = 'bad.com'\nblocked = true\n",
		"etc/containers/policy.json":     `{"default": [{"type": "reject"}]}`,
		"etc/docker/daemon.json":         `{"registry-mirrors": ["https://m1.example"]}`,
	}
	f := world(t, files, nil)
	for _, tt := range []struct {
		ref  image.Reference
		want string
	}{
		{image.Reference{Domain: "a.com", Path: "x", Tag: "1"}, "https://a.com/x any-certificate\nhttp://a.com/x"},
		{image.Reference{Domain: "a.com"}, "https://a.com/ any-certificate\nhttp://a.com/"},
		{image.Reference{Domain: "docker.io"}, "https://registry-1.docker.io/ as docker.io"},
	} {
		list, err := f.Direct(tt.ref)
		if err != nil {
			t.Fatal(err)
		}
		if got := describe(list); got != tt.want {
			t.Errorf("%v: got\n%s\nwant\n%s", tt.ref, got, tt.want)
		}
	}
	if _, err := f.Direct(image.Reference{Domain: "bad.com"}); err == nil || !strings.Contains(err.Error(), "registry bad.com is blocked") {
		t.Errorf("a blocked registry: %v", err)
	}
}

// TestFilesAreReadLate: a command that asks no registry reads none of the files.
func TestFilesAreReadLate(t *testing.T) {
	f := world(t, nil, nil)
	path := filepath.Join(f.options.Root, "etc/docker/daemon.json")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(`{"insecure-registries": ["late.example"]}`), 0o644); err != nil {
		t.Fatal(err)
	}
	list, err := f.Endpoints(parse(t, "late.example/x"))
	if err != nil || len(list) != 2 {
		t.Errorf("a file that came after New: %s, %v", describe(list), err)
	}
}

// TestRefusals: one error that names the file, and the line where there is one.
func TestRefusals(t *testing.T) {
	const conf, daemon = "etc/containers/registries.conf", "etc/docker/daemon.json"
	table := func(rest string) map[string]string { return map[string]string{conf: "[[registry]]\n" + rest} }
	for _, tt := range []struct {
		name, ref string
		files     map[string]string
		want      string
	}{
		{"no toml", "a.com/x", map[string]string{conf: "[[registry]]\nlocation = 'a.com'\ninsecure = maybe\n"}, "/etc/containers/registries.conf:3: "},
		{"wrong type", "a.com/x", map[string]string{conf: "[[registry]]\nlocation = 'a.com'\ninsecure = 'yes'\n"}, `/etc/containers/registries.conf:3: registry.insecure: cannot decode TOML string as bool`},
		{"drop-in", "a.com/x", map[string]string{"etc/containers/registries.conf.d/x.conf": "\n\n[[["}, "/etc/containers/registries.conf.d/x.conf:3: "},
		{"mixed versions", "a.com/x", map[string]string{conf: "unqualified-search-registries = []\n[registries.block]\nregistries = ['b.com']\n"}, "do not go together"},
		{"version 1 drop-in", "a.com/x", map[string]string{"etc/containers/registries.conf.d/x.conf": "[registries.block]\nregistries = ['b.com']\n"}, "cannot be in registries.conf.d"},
		{"blocked", "b.com/x", table("location = 'b.com'\nblocked = true\n"), "/etc/containers/registries.conf: registry b.com is blocked"},
		{"blocked namespace", "b.com/x/y", table("prefix = 'b.com/x'\nlocation = 'b.com/x'\nblocked = true\n"), "registry b.com/x is blocked"},
		{"blocked version 1", "b.com/x", map[string]string{conf: "[registries.insecure]\nregistries = ['b.com']\n[registries.block]\nregistries = ['b.com', 'c.com']\n"}, "registry b.com is blocked"},
		{"blocked version 1 alone", "c.com/x", map[string]string{conf: "[registries.block]\nregistries = ['c.com']\n"}, "registry c.com is blocked"},
		{"scheme", "b.com/x", table("location = 'https://b.com'\n"), "without http:// or https://"},
		{"scheme of a prefix", "b.com/x", table("prefix = 'https://b.com'\nlocation = 'c.com'\n"), "without http:// or https://"},
		{"scheme of a mirror", "b.com/x", table("location = 'b.com'\n[[registry.mirror]]\nlocation = 'http://m.com'\n"), "without http:// or https://"},
		{"nothing in it", "b.com/x", table("insecure = true\n"), "neither prefix nor location"},
		{"no location", "b.com/x", table("prefix = 'b.com'\n"), "no location is set"},
		{"star inside", "b.com/x", table("prefix = 'a.*.com'\nlocation = 'b.com'\n"), `a "*" is for the start`},
		{"star with a path", "b.com/x", table("prefix = '*.b.com/x'\n"), `only a host may follow`},
		{"mirror without location", "b.com/x", table("location = 'b.com'\n[[registry.mirror]]\ninsecure = true\n"), "a mirror has no location"},
		{"both restrictions", "b.com/x", table("location = 'b.com'\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = 'm.com'\npull-from-mirror = 'all'\n"), "cannot be set along with"},
		{"unknown restriction", "b.com/x", table("location = 'b.com'\n[[registry.mirror]]\nlocation = 'm.com'\npull-from-mirror = 'some'\n"), `not "some"`},
		{"twice", "b.com/x", table("location = 'b.com'\n[[registry]]\nprefix = 'b.com'\nlocation = 'c.com'\nblocked = true\n"), "there twice"},
		{"location makes no name", "b.com/x", table("prefix = 'b.com'\nlocation = 'UPPER.com/Case'\n"), "UPPER.com/Case/x:latest"},
		{"mirror makes no name", "b.com/x", table("location = 'b.com'\n[[registry.mirror]]\nlocation = 'm.com/_'\n"), "m.com/_/x:latest"},

		{"daemon.json", "b.com/x", map[string]string{daemon: "{\n \"insecure-registries\": [,]\n}"}, "/etc/docker/daemon.json:2: invalid character ','"},
		{"daemon.json type", "b.com/x", map[string]string{daemon: "{\n\n \"registry-mirrors\": \"https://m.com\"\n}"}, "/etc/docker/daemon.json:3: registry-mirrors is a JSON string, not a slice"},
		{"daemon.json scheme", "b.com/x", map[string]string{daemon: `{"insecure-registries": ["ftp://b.com"]}`}, `"ftp://b.com" is no registry`},
		{"daemon.json path", "b.com/x", map[string]string{daemon: `{"insecure-registries": ["b.com/x"]}`}, `neither a host nor a range`},
		{"daemon.json mirror", "b.com/x", map[string]string{daemon: `{"registry-mirrors": ["m.com"]}`}, `registry-mirrors: mirror "m.com" is no URL`},
		{"daemon.json mirror's scheme", "b.com/x", map[string]string{daemon: `{"registry-mirrors": ["ftp://m.com"]}`}, `unsupported scheme "ftp"`},
		{"daemon.json mirror's query", "b.com/x", map[string]string{daemon: `{"registry-mirrors": ["https://m.com?x=1"]}`}, "fragment at end of the URI"},
		{"daemon.json mirror's path", "b.com/x", map[string]string{daemon: `{"registry-mirrors": ["https://m.com/v2/"]}`}, "path, query"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list, err := world(t, tt.files, nil).Endpoints(parse(t, tt.ref))
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: got %s, %v, want %q in an error of one line", tt.ref, describe(list), err, tt.want)
			}
		})
	}
}

// TestSecretsStayOut: a password in a mirror's URL is in no error.
func TestSecretsStayOut(t *testing.T) {
	for _, mirror := range []string{"https://user:hunter2@m.com", "ftp://user:hunter2@m.com", "https://user:hunter2@m.com/%zz"} {
		_, err := world(t, map[string]string{"etc/docker/daemon.json": fmt.Sprintf(`{"registry-mirrors": [%q]}`, mirror)}, nil).Endpoints(parse(t, "x"))
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", mirror, err)
		}
	}
}

// TestNamedFileMissing: what the environment asks for has to be there.
func TestNamedFileMissing(t *testing.T) {
	f := New(Options{Root: t.TempDir(), LookupEnv: lookup(map[string]string{"CONTAINERS_REGISTRIES_CONF": "/nonexistent.conf"})})
	if _, err := f.Endpoints(parse(t, "x")); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "CONTAINERS_REGISTRIES_CONF") {
		t.Errorf("got %v", err)
	}
}

func TestSummary(t *testing.T) {
	f := world(t, map[string]string{
		"etc/containers/registries.conf": "[[registry]]\nlocation='b.com/ns'\ninsecure=true\n[[registry]]\nlocation='docker.io'\n[[registry.mirror]]\nlocation='m.com'\n",
		"etc/docker/daemon.json":         `{"insecure-registries": ["a.com:5000", "10.1.2.0/24"], "registry-mirrors": ["http://n.com/"]}`,
	}, nil)
	s, err := f.Summary()
	if got, want := fmt.Sprint(s, err), "{[a.com:5000 b.com/ns] [::1/128 127.0.0.0/8 10.1.2.0/24] [https://m.com/ http://n.com/]} <nil>"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if _, err := world(t, map[string]string{"etc/docker/daemon.json": "{"}, nil).Summary(); err == nil {
		t.Error("a broken file makes no error")
	}
}

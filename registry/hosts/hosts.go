// Package hosts owns where a registry's requests go: registries.conf with its
// mirrors and rewritten names, docker's daemon.json, the certificates in certs.d,
// which registries may be spoken to without TLS, and what policy.json allows.
//
// It reads files, and only once it is asked. It asks the network only where
// daemon.json has address ranges and Options has a Resolve. Not for credentials:
// those are package credentials'.
package hosts

import (
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync"

	"berth/image"
)

const (
	hubDomain = "docker.io"
	// hubHost is where Docker Hub answers.
	hubHost = "registry-1.docker.io"
)

// Options says where to look. The zero value reads nothing of the user's.
type Options struct {
	// LookupEnv is the environment: HOME, XDG_CONFIG_HOME and
	// CONTAINERS_REGISTRIES_CONF are looked at. Nil is an empty one.
	LookupEnv func(string) (string, bool)
	// Root is where /etc is, "" for the root directory.
	Root string
	// TLSVerify overrides what the files say of all registries: false lets them
	// all be spoken to without TLS or with any certificate, true none, loopback
	// included.
	TLSVerify *bool
	// CertDir has the certificates for all registries, in place of certs.d.
	CertDir string
	// Resolve returns a host's addresses, for the address ranges among docker's
	// insecure registries. With nil they are for hosts that are addresses.
	Resolve func(host string) ([]netip.Addr, error)
}

// Finder answers where requests go. It may be used from several goroutines at
// once.
type Finder struct {
	options Options
	read    func() (*config, error)
	policy  func() (*policy, error)

	mu    sync.Mutex
	certs map[string]*certificates
}

// New returns a Finder. No file is read before its first question.
func New(o Options) *Finder {
	if o.LookupEnv == nil {
		o.LookupEnv = func(string) (string, bool) { return "", false }
	}
	f := &Finder{options: o, certs: map[string]*certificates{}}
	f.read = sync.OnceValues(f.readConfig)
	f.policy = sync.OnceValues(f.readPolicy)
	return f
}

// config is what the files say of all registries.
type config struct {
	registries []registry
	docker     daemon
}

func (f *Finder) readConfig() (*config, error) {
	registries, err := f.readRegistries()
	if err != nil {
		return nil, err
	}
	docker, err := readDaemon(f.system("docker/daemon.json"))
	if err != nil {
		return nil, err
	}
	return &config{registries: registries, docker: docker}, nil
}

// Endpoints returns where to pull ref from, in the order to try: mirrors first. A
// registry that may be spoken to without TLS has two endpoints, https and http.
// It refuses a registry that is blocked and images that policy.json does not
// allow; the error names the file.
func (f *Finder) Endpoints(ref image.Reference) ([]Endpoint, error) {
	c, err := f.read()
	if err != nil {
		return nil, err
	}
	row, err := c.find(ref)
	if err != nil {
		return nil, err
	}
	p, err := f.policy()
	if err != nil {
		return nil, err
	}
	if err := p.allows(ref); err != nil {
		return nil, err
	}
	var all []Endpoint
	for _, m := range row.mirrorsFor(ref) {
		at, err := row.rewrite(ref, m.location)
		if err != nil {
			return nil, err
		}
		list, err := f.reach(c, at, m.insecure)
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			e.Mirror, e.ByDigestOnly, e.ByTagOnly = true, m.only == digestOnly, m.only == tagOnly
			all = append(all, e)
		}
	}
	if ref.Domain == hubDomain {
		list, err := f.hubMirrors(c, ref)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	at, err := row.rewrite(ref, row.location)
	if err != nil {
		return nil, err
	}
	list, err := f.reach(c, at, row.insecure)
	return append(all, list...), err
}

// Direct returns the endpoints of the registry that ref names and of no other,
// for pushing and for logging in, where ref may have a domain only: neither
// mirrors nor rewritten locations are for these, and there is no image that
// policy.json could speak of.
func (f *Finder) Direct(ref image.Reference) ([]Endpoint, error) {
	c, err := f.read()
	if err != nil {
		return nil, err
	}
	row, err := c.find(ref)
	if err != nil {
		return nil, err
	}
	return f.reach(c, ref, row.insecure)
}

// reach returns the endpoints for a name as it is.
func (f *Finder) reach(c *config, ref image.Reference, insecure bool) ([]Endpoint, error) {
	certs, err := f.certificates(ref.Domain)
	if err != nil {
		return nil, err
	}
	host := ref.Domain
	if host == hubDomain {
		host = hubHost
	}
	trust := f.trust(c, ref.Domain, insecure, certs)
	e := Endpoint{
		Base: &url.URL{Scheme: "https", Host: host}, Repository: ref.Path, Registry: ref.Domain,
		TLS: certs.client(trust == anyone),
	}
	if trust == verified {
		return []Endpoint{e}, nil
	}
	plain := e
	plain.Base, plain.TLS = &url.URL{Scheme: "http", Host: host}, nil
	return []Endpoint{e, plain}, nil
}

// trust is what a connection to a registry needs.
type trust int

const (
	// verified: TLS with a certificate that somebody known has signed.
	verified trust = iota
	// verifiedOrPlain: no other certificate, but no TLS will do too.
	verifiedOrPlain
	// anyone: any certificate, or no TLS at all.
	anyone
)

// trust says what host, which may have a port, has to show.
func (f *Finder) trust(c *config, host string, insecure bool, certs *certificates) trust {
	verify := f.options.TLSVerify
	switch {
	case verify != nil && *verify:
		return verified
	case verify != nil, insecure, c.docker.insecure(host, f.options.Resolve):
		return anyone
	case !isLoopback(host):
		return verified
	case certs.hasCA():
		// Whoever named the signer of this machine's own registry wants it checked.
		return verifiedOrPlain
	}
	return anyone
}

// isLoopback tells whether host is this machine by its name alone, which makes
// docker speak to it without TLS.
func isLoopback(host string) bool {
	name := hostname(host)
	if strings.EqualFold(name, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.Unmap().IsLoopback()
}

// hostname is host without its port and brackets.
func hostname(host string) string {
	if inside, ok := strings.CutPrefix(host, "["); ok {
		name, _, _ := strings.Cut(inside, "]")
		return name
	}
	name, _, _ := strings.Cut(host, ":")
	return name
}

// hubMirrors are docker's registry-mirrors, which are for Docker Hub.
func (f *Finder) hubMirrors(c *config, ref image.Reference) ([]Endpoint, error) {
	var all []Endpoint
	for _, m := range c.docker.mirrors {
		list, err := f.reach(c, image.Reference{Domain: m.Host, Path: ref.Path}, false)
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			// The scheme is written there, so it is not to be guessed.
			if e.Base.Scheme != m.Scheme && len(list) > 1 {
				continue
			}
			e.Base = m
			if e.Mirror = true; m.Scheme == "http" {
				e.TLS = nil
			}
			all = append(all, e)
		}
	}
	return all, nil
}

// system is the path of a file below /etc.
func (f *Finder) system(name string) string {
	return filepath.Join("/", f.options.Root, "etc", name)
}

// user is the path of a file below the user's ~/.config/containers; "" where
// there is no home.
func (f *Finder) user(name string) string {
	base, _ := f.options.LookupEnv("XDG_CONFIG_HOME")
	if base == "" {
		home, _ := f.options.LookupEnv("HOME")
		if home == "" {
			return ""
		}
		base = filepath.Join(home, ".config")
	}
	return filepath.Join(base, "containers", name)
}

// refusal is a registry or image that a file keeps berth from.
func refusal(file, format string, args ...any) error {
	return fmt.Errorf("%s: %s", file, fmt.Sprintf(format, args...))
}

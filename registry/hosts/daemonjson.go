package hosts

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"berth/registry/jsonfile"
)

// daemon is the part of docker's daemon.json that is about registries.
type daemon struct {
	hosts   []string
	ranges  []netip.Prefix
	mirrors []*url.URL
}

// readDaemon reads daemon.json; none is as an empty one. What else is in it
// belongs to docker's daemon and is not looked at.
func readDaemon(path string) (daemon, error) {
	var file struct {
		Insecure []string `json:"insecure-registries"`
		Mirrors  []string `json:"registry-mirrors"`
	}
	var d daemon
	if err := jsonfile.Read(path, &file); absent(err) {
		return d, nil
	} else if err != nil {
		return d, err
	}
	for _, entry := range file.Insecure {
		if err := d.addInsecure(entry); err != nil {
			return d, fmt.Errorf("%s: insecure-registries: %w", path, err)
		}
	}
	for _, entry := range file.Mirrors {
		m, err := parseMirror(entry)
		if err != nil {
			return d, fmt.Errorf("%s: registry-mirrors: %w", path, err)
		}
		d.mirrors = append(d.mirrors, m)
	}
	return d, nil
}

// addInsecure notes a host, with its port if it has one, or an address range.
func (d *daemon) addInsecure(entry string) error {
	// docker takes the scheme off with a warning.
	name := strings.TrimPrefix(strings.TrimPrefix(entry, "http://"), "https://")
	if strings.Contains(name, "://") || name == "" || name[0] == '-' {
		return fmt.Errorf("%q is no registry", entry)
	}
	if network, err := netip.ParsePrefix(name); err == nil {
		d.ranges = append(d.ranges, network.Masked())
		return nil
	}
	if strings.Contains(name, "/") {
		return fmt.Errorf("%q is neither a host nor a range of addresses", entry)
	}
	d.hosts = append(d.hosts, name)
	return nil
}

// parseMirror checks a URL as docker does.
func parseMirror(entry string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(entry, "/"))
	switch {
	case (err != nil || u.Host == "") && strings.Contains(entry, "@"):
		// Neither the URL nor the parser's error, which has it: before the "@" is
		// a password.
		return nil, errors.New("a mirror is no URL as https://mirror.example.com")
	case err != nil || u.Host == "":
		return nil, fmt.Errorf("mirror %q is no URL as https://mirror.example.com", entry)
	case u.User != nil:
		return nil, fmt.Errorf("the mirror at %s has a user in its URL: that is for berth login", u.Host)
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("mirror %q: unsupported scheme %q", entry, u.Scheme)
	case u.Path != "" || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("invalid mirror: path, query, or fragment at end of the URI %q", entry)
	}
	return u, nil
}

// insecure tells whether docker speaks to host, which may have a port, without
// TLS because of this file.
func (d *daemon) insecure(host string, resolve func(string) ([]netip.Addr, error)) bool {
	for _, h := range d.hosts {
		if strings.EqualFold(h, host) {
			return true
		}
	}
	if len(d.ranges) == 0 {
		return false
	}
	addrs := []netip.Addr{}
	if addr, err := netip.ParseAddr(hostname(host)); err == nil {
		addrs = append(addrs, addr)
	} else if resolve != nil {
		// A host without an address is in no range; connecting to it says why.
		addrs, _ = resolve(hostname(host))
	}
	for _, addr := range addrs {
		for _, network := range d.ranges {
			if network.Contains(addr.Unmap()) {
				return true
			}
		}
	}
	return false
}

package cli

import (
	"net/netip"
	"strings"
	"unicode"

	"berth/cli/option"
	"berth/container"
)

// nameFlags say which names the container's programs can look up, and where.
type nameFlags struct {
	servers, search, resolver []string
	hosts                     []string
}

func (f *nameFlags) options() []*option.Option {
	return []*option.Option{
		option.ParsedList(&f.servers, parseAddress, "dns", "list", "Set custom DNS servers"),
		option.ParsedList(&f.search, parseSearch, "dns-search", "list", "Set custom DNS search domains"),
		option.List(&f.resolver, "dns-option,dns-opt", "list", "Set DNS options"),
		option.ParsedList(&f.hosts, parseHost, "add-host", "list", "Add a custom host-to-IP mapping (host:ip)"),
	}
}

func parseAddress(s string) (string, error) {
	addr, err := netip.ParseAddr(strings.TrimSpace(s))
	if err != nil {
		return "", verbatim("IP address is not correctly formatted: %s", s)
	}
	return addr.String(), nil
}

// parseSearch checks a domain: labels of letters, digits and dashes with a letter
// somewhere. "." alone stands for no domain at all.
func parseSearch(s string) (string, error) {
	domain := strings.TrimSpace(s)
	if domain == "." {
		return domain, nil
	}
	lettered := false
	for label := range strings.SplitSeq(strings.TrimSuffix(domain, "."), ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' {
			return "", verbatim("%s is not a valid domain", s)
		}
		for _, c := range label {
			letter := c < unicode.MaxASCII && unicode.IsLetter(c)
			if !letter && (c < '0' || c > '9') && c != '-' && c != '_' {
				return "", verbatim("%s is not a valid domain", s)
			}
			lettered = lettered || letter
		}
	}
	if !lettered {
		return "", verbatim("%s is not a valid domain", s)
	}
	return domain, nil
}

// parseHost reads NAME:ADDRESS or NAME=ADDRESS, where an IPv6 address may have
// brackets.
func parseHost(s string) (string, error) {
	name, address, ok := strings.Cut(s, "=")
	if !ok {
		name, address, ok = strings.Cut(s, ":")
	}
	if !ok || name == "" || strings.ContainsAny(name, ": \t\n#") {
		return "", verbatim("bad format for add-host: %q", s)
	}
	if address == "host-gateway" {
		return "", &hintError{
			verbatim("unable to derive the IP value for host-gateway"),
			"this version has no bridge network, so the host has no address to the container",
		}
	}
	if len(address) > 2 && address[0] == '[' && address[len(address)-1] == ']' {
		address = address[1 : len(address)-1]
	}
	if _, err := netip.ParseAddr(address); err != nil {
		return "", verbatim("invalid IP address in add-host: %q", address)
	}
	return name + ":" + address, nil
}

func (f *nameFlags) check() error {
	for _, o := range f.resolver {
		if strings.ContainsAny(o, "\n\x00") {
			return verbatim("invalid DNS option: %q", o)
		}
	}
	return nil
}

// apply runs after the network is known: another container's has its own files.
func (f *nameFlags) apply(d *draft) error {
	if container.ModeContainer(d.Network) != "" {
		switch {
		case len(f.servers)+len(f.search)+len(f.resolver) > 0:
			return verbatim("conflicting options: dns and the network mode")
		case len(f.hosts) > 0:
			return verbatim("conflicting options: custom host-to-IP mapping and the network mode")
		}
	}
	d.DNS = container.DNS{Servers: f.servers, Search: f.search, Options: f.resolver}
	d.ExtraHosts = f.hosts
	return nil
}

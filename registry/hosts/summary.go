package hosts

import (
	"slices"
	"strings"
)

// Summary is what the files say of registries in general.
type Summary struct {
	// Insecure are the registries that may be spoken to without TLS: hosts, with
	// their port if it was given, and prefixes of registries.conf.
	Insecure []string
	// Ranges are addresses in CIDR notation that this goes for as well, this
	// machine's own among them.
	Ranges []string
	// HubMirrors are the addresses of the mirrors of Docker Hub.
	HubMirrors []string
}

// Summary returns what commands that describe the machine show.
func (f *Finder) Summary() (Summary, error) {
	s := Summary{Ranges: []string{"::1/128", "127.0.0.0/8"}}
	c, err := f.read()
	if err != nil {
		return s, err
	}
	for _, network := range c.docker.ranges {
		s.Ranges = append(s.Ranges, network.String())
	}
	s.Insecure = slices.Clone(c.docker.hosts)
	for _, r := range c.registries {
		if r.insecure {
			s.Insecure = append(s.Insecure, r.prefix)
		}
		if r.prefix == hubDomain {
			for _, m := range r.mirrors {
				s.HubMirrors = append(s.HubMirrors, "https://"+m.location+"/")
			}
		}
	}
	slices.Sort(s.Insecure)
	s.Insecure = slices.Compact(s.Insecure)
	for _, m := range c.docker.mirrors {
		s.HubMirrors = append(s.HubMirrors, strings.TrimRight(m.String(), "/")+"/")
	}
	return s, nil
}

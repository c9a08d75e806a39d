package registry

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
)

// place is which part of the network an address belongs to.
type place int32

// The places; each but the first is closed to the world.
const (
	placePublic place = iota
	placePrivate
	placeLinkLocal
	placeLoopback
	// placeUnknown is where a server is that was not reached yet.
	placeUnknown
)

func (p place) String() string {
	switch p {
	case placePublic:
		return "public"
	case placePrivate:
		return "private"
	case placeLinkLocal:
		return "link-local"
	case placeLoopback:
		return "loopback"
	case placeUnknown:
	}
	return "unknown"
}

// placeOf sorts an address. Those that carry an IPv4 address (mapped, NAT64) count
// as what they carry.
func placeOf(a netip.Addr) place {
	a = a.Unmap()
	if b := a.As16(); a.Is6() && netip.MustParsePrefix("64:ff9b::/96").Contains(a) {
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	switch {
	// Linux connects to itself for the unspecified address.
	case a.IsLoopback(), a.IsUnspecified():
		return placeLoopback
	// Instance metadata, keys included, is served on link-local addresses.
	case a.IsLinkLocalUnicast(), a.IsMulticast():
		return placeLinkLocal
	// The shared space behind carriers' NAT has other customers in it.
	case a.IsPrivate(), netip.MustParsePrefix("100.64.0.0/10").Contains(a):
		return placePrivate
	}
	return placePublic
}

// placeOfHost sorts a host by its name alone; one that is no address is public.
func placeOfHost(host string) place {
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return placeOf(a)
	}
	if name := strings.TrimSuffix(strings.ToLower(host), "."); name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return placeLoopback
	}
	return placePublic
}

// mayReach says whether a server at p may send berth to one at q. A server on the
// internet that names an address inside would have berth make requests which it
// cannot make itself, and learn from the outcome.
func (p place) mayReach(q place) bool {
	switch {
	case q == placePublic || p == q:
		return true
	case p == placeLoopback:
		return q == placePrivate
	}
	return false
}

// found notes where o was reached. Behind a proxy only the name can tell.
func (o *origin) found(target *url.URL, remote net.Addr, proxy func(*url.URL) (*url.URL, error)) {
	at := placeOfHost(target.Hostname())
	tcp, ok := remote.(*net.TCPAddr)
	if via, err := proxy(target); ok && via == nil && err == nil {
		at = placeOf(tcp.AddrPort().Addr())
	}
	for {
		known := o.place.Load()
		if int32(at) >= known || o.place.CompareAndSwap(known, int32(at)) {
			return
		}
	}
}

// guard is called by the dialer with the address that a name stands for, so that
// no name server can lead past it.
func (o *origin) guard(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", address, err)
	}
	return o.admit(placeOf(to.Addr()), address)
}

func (o *origin) admit(to place, what string) error {
	if from := place(o.place.Load()); !from.mayReach(to) {
		return fmt.Errorf("refused to go to %s: registry %s has a %s address and leads to a %s one", what, o.registry, from, to)
	}
	return nil
}

// transport picks the connections to reach target by: o's own, or those for
// another host.
func (c *Client) transport(o *origin, target *url.URL) (*http.Transport, error) {
	if sameOrigin(target, o.base) {
		return o.home, nil
	}
	via, err := c.config.Proxy(target)
	if err != nil {
		return nil, err
	}
	if via == nil {
		return o.away, nil
	}
	return o.awayByProxy, o.admit(placeOfHost(target.Hostname()), target.Host)
}

// sameOrigin tells whether two URLs have scheme, host and port in common.
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && hostPort(a) == hostPort(b)
}

// hostPort is the host of u in lower case, with the port also where it is the
// scheme's own.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "80"
		if u.Scheme == "https" {
			port = "443"
		}
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

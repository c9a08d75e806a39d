package registry

import (
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"strings"
)

// environmentProxy is the proxy that the environment names for a server, by the
// rules of curl and Go: lower or upper case, HTTPS_PROXY or HTTP_PROXY by the
// server's scheme, else ALL_PROXY, none for what NO_PROXY lists and for this
// machine.
func environmentProxy(server *url.URL) (*url.URL, error) {
	return proxyFrom(os.Getenv, server)
}

func proxyFrom(getenv func(string) string, server *url.URL) (*url.URL, error) {
	first := func(names ...string) string {
		for _, name := range names {
			if value := getenv(name); value != "" {
				return value
			}
		}
		return ""
	}
	value := first("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
	if server.Scheme == "http" {
		value = first("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
		// A web server hands a request's Proxy header to its programs as HTTP_PROXY.
		if getenv("REQUEST_METHOD") != "" {
			value = first("http_proxy", "ALL_PROXY", "all_proxy")
		}
	}
	if value == "" || placeOfHost(server.Hostname()) == placeLoopback || bypasses(first("NO_PROXY", "no_proxy"), server) {
		return nil, nil
	}
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	proxy, err := url.Parse(value)
	if err != nil || proxy.Host == "" {
		// The value may have a password in it, so it is not shown.
		return nil, fmt.Errorf("use proxy for %s: the value in the environment is no address", server.Host)
	}
	switch proxy.Scheme {
	case "http", "https", "socks5", "socks5h":
		return proxy, nil
	}
	return nil, fmt.Errorf("use proxy for %s: scheme %q: want http, https, socks5 or socks5h", server.Host, proxy.Scheme)
}

// bypasses tells whether list, the value of NO_PROXY, has server: "*", an
// address, a range of them, or a domain, which stands for what is below it too;
// each with a port or for all ports.
func bypasses(list string, server *url.URL) bool {
	host := strings.TrimSuffix(strings.ToLower(server.Hostname()), ".")
	address, err := netip.ParseAddr(host)
	isAddress := err == nil
	for entry := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ',' || r == ' ' }) {
		entry = strings.ToLower(entry)
		if entry == "*" {
			return true
		}
		if prefix, err := netip.ParsePrefix(entry); err == nil {
			if isAddress && prefix.Contains(address.Unmap()) {
				return true
			}
			continue
		}
		name := entry
		// A colon is a port's, except in a bare IPv6 address.
		if _, err := netip.ParseAddr(entry); err != nil {
			u := url.URL{Scheme: server.Scheme, Host: entry}
			if u.Port() != "" && u.Port() != portOf(server) {
				continue
			}
			name = u.Hostname()
		}
		name = strings.TrimPrefix(strings.TrimPrefix(name, "*"), ".")
		if name != "" && (host == name || !isAddress && strings.HasSuffix(host, "."+name)) {
			return true
		}
	}
	return false
}

// portOf is the port that a URL leads to.
func portOf(u *url.URL) string {
	at := hostPort(u)
	return at[strings.LastIndexByte(at, ':')+1:]
}

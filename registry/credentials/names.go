package credentials

import (
	"slices"
	"strings"
)

// Docker Hub's names: docker's key, and podman's.
const (
	hubKey    = "https://index.docker.io/v1/"
	hubDomain = "docker.io"
)

// names are what files may call a registry, or a part of it.
type names struct {
	// parts are the repository and the namespaces above it, the longest first.
	parts []string
	// hosts are the registry's own names, docker's first.
	hosts []string
}

// namesOf returns what a repository goes by; without a repository, the registry.
func namesOf(registry, repository string) names {
	n := names{hosts: hostsOf(registry)}
	if isHub(registry) {
		registry = hubDomain
	}
	for part := repository; part != ""; {
		n.parts = append(n.parts, registry+"/"+part)
		slash := strings.LastIndexByte(part, '/')
		part = part[:max(slash, 0)]
	}
	return n
}

// hostsOf lists a registry's own names.
func hostsOf(registry string) []string {
	if isHub(registry) {
		return []string{hubKey, hubDomain, "index.docker.io", "registry-1.docker.io"}
	}
	return []string{registry}
}

func isHub(registry string) bool {
	return slices.Contains([]string{hubDomain, "index.docker.io", "registry-1.docker.io"}, registry)
}

// Registry returns the name that logins for server are kept under: its host, and
// port if it has one. Docker Hub's is "docker.io", also for an empty server.
func Registry(server string) string {
	host := withoutScheme(server)
	host, _, _ = strings.Cut(host, "/")
	if host == "" || isHub(host) {
		return hubDomain
	}
	return host
}

// Key is what docker calls the registry in its config.json.
func Key(registry string) string {
	if isHub(registry) {
		return hubKey
	}
	return registry
}

func withoutScheme(s string) string {
	return strings.TrimPrefix(strings.TrimPrefix(s, "https://"), "http://")
}

// isURLOf tells whether key is an address that old versions of docker kept a
// registry's login under: "https://registry.example.com/v1/".
func isURLOf(key string, hosts []string) bool {
	rest := withoutScheme(key)
	if rest == key {
		return false
	}
	host, _, _ := strings.Cut(rest, "/")
	return slices.Contains(hosts, host)
}

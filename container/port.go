package container

import (
	"cmp"
	"slices"
	"strconv"
)

// Port is a port of a container: one that -p publishes on the host, or, with
// neither HostIP nor HostPort, one that is merely exposed.
type Port struct {
	// HostIP is the host's address; empty is every one.
	HostIP string `json:"host_ip,omitempty"`
	// HostPort is the host's port; 0 is one that is still to be chosen.
	HostPort uint16 `json:"host_port,omitempty"`
	// ContainerPort is the port inside.
	ContainerPort uint16 `json:"container_port"`
	// Protocol is "tcp", "udp" or "sctp".
	Protocol string `json:"protocol"`
}

// Private is the container's side in docker's notation: "80/tcp".
func (p Port) Private() string {
	return strconv.Itoa(int(p.ContainerPort)) + "/" + p.Protocol
}

// SortPorts orders ports as docker lists them: by the container's port and its
// protocol, then by the host's side.
func SortPorts(ports []Port) {
	slices.SortFunc(ports, func(a, b Port) int {
		return cmp.Or(cmp.Compare(a.ContainerPort, b.ContainerPort), cmp.Compare(a.Protocol, b.Protocol),
			cmp.Compare(a.HostIP, b.HostIP), cmp.Compare(a.HostPort, b.HostPort))
	})
}

// Reachable returns the ports that are published and those that are exposed, as
// far as the container has a network of its own: with none, the host's or another
// container's there is nothing to publish, and docker lists no ports.
func (c *Config) Reachable() (published, exposed []Port) {
	if c.Network == "none" || c.Network == "host" || ModeContainer(c.Network) != "" {
		return nil, nil
	}
	return c.Ports, c.Exposed
}

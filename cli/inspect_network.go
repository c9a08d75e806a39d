package cli

import (
	"strconv"

	"berth/container"
)

// networkSettings is docker's NetworkSettings. The keys from EndpointID on
// repeat those of the default network, as docker still does.
type networkSettings struct {
	Bridge, SandboxID, SandboxKey string
	Ports                         portMap
	HairpinMode                   bool
	LinkLocalIPv6Address          string
	LinkLocalIPv6PrefixLen        int
	SecondaryIPAddresses          []networkAddress
	SecondaryIPv6Addresses        []networkAddress
	EndpointID, Gateway           string
	GlobalIPv6Address             string
	GlobalIPv6PrefixLen           int
	IPAddress                     string
	IPPrefixLen                   int
	IPv6Gateway, MacAddress       string
	Networks                      map[string]networkEndpoint
}

// portMap has the host's sides of each of the container's ports; null for one
// that is only exposed.
type portMap map[string][]portBinding

type portBinding struct {
	HostIP   string `json:"HostIp"`
	HostPort string
}

type networkAddress struct {
	Addr      string
	PrefixLen int
}

type networkEndpoint struct {
	IPAMConfig            *struct{}
	Links, Aliases        []string
	MacAddress            string
	DriverOpts            map[string]string
	GwPriority            int
	NetworkID, EndpointID string
	Gateway, IPAddress    string
	IPPrefixLen           int
	IPv6Gateway           string
	GlobalIPv6Address     string
	GlobalIPv6PrefixLen   int
	DNSNames              []string
}

func describeNetwork(v *container.View) networkSettings {
	n := networkSettings{Ports: portMap{}, Networks: map[string]networkEndpoint{v.Network: {}}}
	if container.ModeContainer(v.Network) != "" {
		n.Networks = map[string]networkEndpoint{} // the other container has them
	}
	if v.Live == nil || v.Live.Payload.PID == 0 {
		return n
	}
	n.SandboxKey = "/proc/" + strconv.Itoa(v.Live.Payload.PID) + "/ns/net"
	published, exposed := v.Reachable()
	n.Ports = bindings(published)
	for _, port := range exposed {
		if _, published := n.Ports[port.Private()]; !published {
			n.Ports[port.Private()] = nil
		}
	}
	return n
}

// bindings groups published ports by the container's side.
func bindings(ports []container.Port) portMap {
	m := portMap{}
	for _, p := range ports {
		b := portBinding{HostIP: p.HostIP}
		if p.HostPort != 0 {
			b.HostPort = strconv.Itoa(int(p.HostPort))
		}
		m[p.Private()] = append(m[p.Private()], b)
	}
	return m
}

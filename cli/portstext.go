package cli

import (
	"net"
	"slices"
	"strconv"
	"strings"

	"berth/container"
)

// portsText is docker's PORTS column: "0.0.0.0:8080->80/tcp, 443/tcp". Ports in
// a row that go to the same numbers, or are merely exposed, become a range:
// "7000-7002/tcp"; they stand before those that go to others.
func portsText(published, exposed []container.Port) string {
	ports := slices.Clone(published)
	for _, p := range exposed {
		if !slices.ContainsFunc(published, func(o container.Port) bool { return o.Private() == p.Private() }) {
			ports = append(ports, container.Port{ContainerPort: p.ContainerPort, Protocol: p.Protocol})
		}
	}
	container.SortPorts(ports)
	var ranges []portRange
	var ended, moved []string
	for _, p := range ports {
		if p.HostPort != 0 && p.HostPort != p.ContainerPort {
			moved = append(moved, hostSide(p.HostIP, strconv.Itoa(int(p.HostPort)))+"->"+p.Private())
			continue
		}
		r := portRange{ip: p.HostIP, public: p.HostPort != 0, protocol: p.Protocol, first: p.ContainerPort, last: p.ContainerPort}
		at := slices.IndexFunc(ranges, r.sameKind)
		switch {
		case at < 0:
			ranges = append(ranges, r)
		case p.ContainerPort == ranges[at].last+1:
			ranges[at].last++
		default:
			ended = append(ended, ranges[at].text())
			ranges[at] = r
		}
	}
	for _, r := range ranges {
		ended = append(ended, r.text())
	}
	return strings.Join(append(ended, moved...), ", ")
}

// portRange is a row of ports that have all else in common.
type portRange struct {
	ip          string
	public      bool
	protocol    string
	first, last uint16
}

func (r portRange) sameKind(o portRange) bool {
	return r.ip == o.ip && r.public == o.public && r.protocol == o.protocol
}

func (r portRange) text() string {
	ports := strconv.Itoa(int(r.first))
	if r.last != r.first {
		ports += "-" + strconv.Itoa(int(r.last))
	}
	if r.public {
		ports = hostSide(r.ip, ports) + "->" + ports
	}
	return ports + "/" + r.protocol
}

// hostSide is the host's address and port; no address is every one.
func hostSide(ip, port string) string {
	if ip == "" {
		ip = "0.0.0.0"
	}
	return net.JoinHostPort(ip, port)
}

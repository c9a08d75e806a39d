package cli

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"berth/container"
)

// portList is one or more ports in a row; the zero value is none.
type portList struct{ first, last uint16 }

func (r portList) count() int { return int(r.last) - int(r.first) + 1 }

// parsePortList reads "80" or "80-90".
func parsePortList(s string) (portList, error) {
	if s == "" {
		return portList{}, errors.New("empty string specified for ports.") //nolint:staticcheck,revive // docker's text
	}
	low, high, isRange := strings.Cut(s, "-")
	if !isRange {
		high = low
	}
	first, err := strconv.ParseUint(low, 10, 16)
	if err != nil {
		return portList{}, err
	}
	last, err := strconv.ParseUint(high, 10, 16)
	if err != nil {
		return portList{}, err
	}
	if last < first {
		return portList{}, verbatim("invalid range specified for port: %s", s)
	}
	return portList{uint16(first), uint16(last)}, nil
}

// splitProtocol cuts "80/udp"; without a protocol it is tcp.
func splitProtocol(s string) (port, protocol string) {
	port, protocol, _ = strings.Cut(s, "/")
	if protocol == "" {
		protocol = "tcp"
	}
	return port, strings.ToLower(protocol)
}

func checkProtocol(s string) error {
	switch s {
	case "tcp", "udp", "sctp":
		return nil
	}
	return verbatim("invalid proto: %s", s)
}

// parsePublish reads -p: [IP:][HOST]:CONTAINER[/PROTOCOL], CONTAINER alone, or
// target=…,published=…,protocol=…,mode=….
func parsePublish(s string) ([]container.Port, error) {
	if strings.Contains(s, "=") {
		return parseLongPublish(s)
	}
	var ip, host, inside string
	switch parts := strings.Split(s, ":"); len(parts) {
	case 1:
		inside = parts[0]
	case 2:
		host, inside = parts[0], parts[1]
	default:
		n := len(parts)
		ip, host, inside = strings.Join(parts[:n-2], ":"), parts[n-2], parts[n-1]
	}
	return mapPorts(s, ip, host, inside)
}

// parseLongPublish reads the form that services use. mode is between machines.
func parseLongPublish(s string) ([]container.Port, error) {
	params := map[string]string{}
	for param := range strings.SplitSeq(s, ",") {
		key, value, given := strings.Cut(param, "=")
		if !given || key == "" {
			return nil, verbatim("invalid publish opts format (should be name=value but got '%s')", param)
		}
		switch key {
		case "target", "published", "protocol", "mode":
			params[key] = value
		default:
			return nil, verbatim("invalid field key %s", key)
		}
	}
	inside := params["target"]
	if p := params["protocol"]; p != "" {
		inside += "/" + p
	}
	return mapPorts(s, "", params["published"], inside)
}

// mapPorts pairs the ports of both sides.
func mapPorts(s, ip, host, inside string) ([]container.Port, error) {
	inside, protocol := splitProtocol(inside)
	ip, err := hostAddress(ip)
	switch {
	case err != nil:
		return nil, err
	case inside == "":
		return nil, verbatim("no port specified: %s<empty>", s)
	}
	theirs, err := parsePortList(inside)
	if err != nil {
		return nil, verbatim("invalid containerPort: %s", inside)
	}
	var ours portList
	if host != "" {
		if ours, err = parsePortList(host); err != nil {
			return nil, verbatim("invalid hostPort: %s", host)
		}
		// Several of the host's for one of the container's: any of them.
		if ours.count() != theirs.count() && theirs.count() != 1 {
			return nil, verbatim("invalid ranges specified for container and host Ports: %s and %s", inside, host)
		}
	}
	if err := checkProtocol(protocol); err != nil {
		return nil, err
	}
	var list []container.Port
	for i := range theirs.count() {
		p := container.Port{HostIP: ip, ContainerPort: theirs.first + uint16(i), Protocol: protocol}
		if host != "" {
			p.HostPort = ours.first + uint16(i)
		}
		list = append(list, p)
	}
	return list, nil
}

// hostAddress reads the host's side of -p; IPv6 may have brackets.
func hostAddress(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	bare := s
	if s[0] == '[' {
		inner, _, err := net.SplitHostPort(s + ":")
		if err != nil {
			return "", fmt.Errorf("invalid IP address %v: %w", s, err)
		}
		bare = inner
	}
	if _, err := netip.ParseAddr(bare); err != nil {
		return "", verbatim("invalid IP address: %s", bare)
	}
	return bare, nil
}

// parseExpose reads --expose: PORT[-PORT][/PROTOCOL].
func parseExpose(s string) ([]container.Port, error) {
	if strings.Contains(s, ":") {
		return nil, verbatim("invalid port format for --expose: %s", s)
	}
	port, protocol := splitProtocol(s)
	r, err := parsePortList(port)
	if err != nil {
		return nil, verbatim("invalid range format for --expose: %s, error: %w", s, err)
	}
	if err := checkProtocol(protocol); err != nil {
		return nil, err
	}
	var list []container.Port
	for i := range r.count() {
		list = append(list, container.Port{ContainerPort: r.first + uint16(i), Protocol: protocol})
	}
	return list, nil
}

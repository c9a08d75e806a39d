package cli

import (
	"net"
	"os"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/cli/option"
	"berth/container"
)

// networkFlags say whose network the container has, and which ports of it others
// may use.
type networkFlags struct {
	network            string
	aliases, addresses []string
	mac                string
	links              []string
	publish, expose    [][]container.Port
	publishAll         bool
}

func (f *networkFlags) options() []*option.Option {
	return []*option.Option{
		option.New("network,net", "network", "Connect the container to a network: none (the default), host, or container:<name|id>", f.setNetwork),
		option.List(&f.aliases, "network-alias,net-alias", "list", "Add network-scoped alias for the container"),
		option.ParsedList(&f.addresses, parseAddress, "ip", "string", "IPv4 address (e.g., 172.30.100.104)"),
		option.ParsedList(&f.addresses, parseAddress, "ip6", "string", "IPv6 address (e.g., 2001:db8::33)"),
		option.ParsedList(&f.addresses, parseAddress, "link-local-ip", "list", "Container IPv4/IPv6 link-local addresses"),
		option.Parsed(&f.mac, parseMAC, "mac-address", "string", "Container MAC address (e.g., 92:d0:c6:0a:29:33)"),
		option.ParsedList(&f.links, parseLink, "link", "list", "Add link to another container"),
		option.ParsedList(&f.publish, parsePublish, "p,publish", "list", "Publish a container's port(s) to the host"),
		option.Switch(&f.publishAll, "P,publish-all", "Publish all exposed ports to random ports"),
		option.ParsedList(&f.expose, parseExpose, "expose", "list", "Expose a port or a range of ports"),
	}
}

// setNetwork takes a network's name, or name=…,alias=… and so on.
func (f *networkFlags) setNetwork(s string) error {
	if !strings.Contains(s, "=") {
		f.network = s
		return nil
	}
	for field := range strings.SplitSeq(s, ",") {
		key, value, given := strings.Cut(field, "=")
		if !given {
			return verbatim("invalid field %s", field)
		}
		var err error
		switch strings.ToLower(key) {
		case "name":
			f.network = value
		case "alias":
			f.aliases = append(f.aliases, value)
		case "ip", "ip6", "link-local-ip":
			value, err = parseAddress(value)
			f.addresses = append(f.addresses, value)
		case "mac-address":
			f.mac, err = parseMAC(value)
		case "driver-opt", "gw-priority": // for networks that this version refuses
		default:
			return verbatim("invalid field key %s", key)
		}
		if err != nil {
			return err
		}
	}
	if f.network == "" {
		return verbatim("network name/id is not specified")
	}
	return nil
}

func parseMAC(s string) (string, error) {
	s = strings.TrimSpace(s)
	if _, err := net.ParseMAC(s); err != nil {
		return "", verbatim("%s is not a valid mac address", s)
	}
	return s, nil
}

func parseLink(s string) (string, error) {
	if s == "" {
		return "", verbatim("empty string specified for links")
	}
	if strings.Count(s, ":") > 1 {
		return "", verbatim("bad format for links: %s", s)
	}
	return s, nil
}

func (f *networkFlags) check() error {
	switch {
	case f.network == "container" || f.network == "container:":
		return verbatim("Invalid network mode: invalid container format container:<name|id>")
	case !isMode(f.network, true, "none", "host"):
		return &hintError{&daemonError{verbatim("network %s not found", f.network)}, "this version has --network none, host and container:NAME"}
	case len(f.links) > 0:
		return f.refuseLinks()
	case f.mac != "":
		return verbatim("conflicting options: mac-address and the network mode")
	case len(f.addresses) > 0:
		return verbatim("user specified IP address is supported on user defined networks only")
	case len(f.aliases) > 0:
		return verbatim("network-scoped alias is supported only for containers in user defined networks")
	}
	return f.checkPorts()
}

func (f *networkFlags) refuseLinks() error {
	kind := "none"
	switch {
	case f.network == "host":
		return verbatim("conflicting options: host type networking can't be used with links. This would result in undefined behavior")
	case f.network != "" && f.network != "none":
		kind = "container"
	}
	return verbatim("conflicting options: %s type network can't be used with links. This would result in undefined behavior", kind)
}

// checkPorts refuses ports that nobody could reach. A network of "none" that was
// asked for takes them, as docker's does: nothing listens there.
func (f *networkFlags) checkPorts() error {
	published := len(f.publish) > 0 || f.publishAll
	switch {
	case f.network == "" && published:
		return &hintError{
			verbatim("cannot publish ports: the container has the network \"none\", which reaches nothing, and this version makes no bridge network"),
			"--network host gives the container the host's network with all of its ports",
		}
	case !strings.HasPrefix(f.network, "container:"):
		return nil
	case published:
		return verbatim("conflicting options: port publishing and the container type network mode")
	case len(f.expose) > 0:
		return verbatim("conflicting options: port exposing and the container type network mode")
	}
	return nil
}

// apply joins the network of the host or of another container. Their name comes
// with it, as in docker.
func (f *networkFlags) apply(d *draft) error {
	if err := f.applyPorts(d); err != nil {
		return err
	}
	mode, err := d.share(specs.NetworkNamespace, f.network, "--network")
	if err != nil || mode == "" {
		return err
	}
	d.Network = mode
	named := d.From["hostname"] != ""
	id := container.ModeContainer(mode)
	switch {
	case mode == "host" && !named:
		d.Spec.Hostname, err = os.Hostname()
		return err
	case id == "":
		return nil
	case named:
		return verbatim("conflicting options: hostname and the network mode")
	}
	other, err := d.find(id)
	if err != nil {
		return err
	}
	if d.Spec.Hostname = other.Spec.Hostname; d.Spec.Hostname == "" {
		d.Spec.Hostname, err = os.Hostname()
	}
	return err
}

// applyPorts notes the ports in the record.
func (f *networkFlags) applyPorts(d *draft) error {
	d.Ports, d.Exposed = slices.Concat(f.publish...), slices.Concat(f.expose...)
	for text := range d.image.ExposedPorts {
		list, err := parseExpose(text)
		if err != nil {
			return err
		}
		d.Exposed = append(d.Exposed, list...)
	}
	if f.publishAll {
		d.Ports = append(d.Ports, d.Exposed...)
	}
	container.SortPorts(d.Ports)
	container.SortPorts(d.Exposed)
	d.Ports, d.Exposed = slices.Compact(d.Ports), slices.Compact(d.Exposed)
	if f.network == "host" && len(d.Ports) > 0 {
		d.warn("Published ports are discarded when using host network mode")
		d.Ports = nil
	}
	return nil
}

package network

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// MoveDevice moves the host's network device host into the network namespace of
// process pid, where it is called name, gets back its permanent addresses of
// global scope, and is brought up (runtime-spec, config-linux.md, "Network
// Devices"). A name that ends in %d has the kernel find a number. The error
// wraps EEXIST when the name is taken there; then the device has not moved.
func MoveDevice(pid int, host, name string) error {
	if err := move(pid, host, name); err != nil {
		return fmt.Errorf("move network device %s into process %d: %w", host, pid, err)
	}
	return nil
}

func move(pid int, host, name string) error {
	ns, err := netns.GetFromPid(pid)
	if err != nil {
		return fmt.Errorf("open network namespace: %w", err)
	}
	defer func() { _ = ns.Close() }()
	here, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	defer here.Close()
	there, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open netlink in the namespace: %w", err)
	}
	defer there.Close()
	link, err := here.LinkByName(host)
	if err != nil {
		return fmt.Errorf("look up device: %w", err)
	}
	if err := free(there, name); err != nil {
		return err
	}
	// The kernel drops addresses on the way.
	addrs, err := permanent(here, link)
	if err != nil {
		return err
	}
	if err := here.LinkSetDown(link); err != nil {
		return fmt.Errorf("set device down: %w", err)
	}
	if err := send(link, int(ns), name); err != nil {
		return errors.Join(fmt.Errorf("change namespace: %w", err), restore(here, link, addrs))
	}
	return arrive(there, link, name, addrs)
}

// free refuses a name that is taken, or none: the kernel would rename the device only
// after the move, and leave it there under its old name.
func free(there *netlink.Handle, name string) error {
	if name == "" || len(name) >= unix.IFNAMSIZ || strings.ContainsAny(name, "/: \t\n\x00") {
		return fmt.Errorf("call the device %q: %w", name, unix.EINVAL)
	}
	if strings.Contains(name, "%") {
		return nil
	}
	_, err := there.LinkByName(name)
	if err == nil {
		return fmt.Errorf("there is a device %s already: %w", name, unix.EEXIST)
	}
	if missing := (netlink.LinkNotFoundError{}); !errors.As(err, &missing) {
		return fmt.Errorf("look up device %s in the namespace: %w", name, err)
	}
	return nil
}

// permanent returns the addresses that go with a device: those that nobody
// leased to it for a time and that mean something elsewhere, too (RFC 3549,
// section 2.3.3.2).
func permanent(here *netlink.Handle, link netlink.Link) ([]netlink.Addr, error) {
	all, err := here.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	var addrs []netlink.Addr
	for _, a := range all {
		if a.Scope == int(netlink.SCOPE_UNIVERSE) && a.Flags&unix.IFA_F_PERMANENT != 0 {
			addrs = append(addrs, a)
		}
	}
	return addrs, nil
}

// send changes the namespace and the name in one request. The number is kept
// if it is free there; another one is the kernel's choice.
func send(link netlink.Link, ns int, name string) error {
	req := nl.NewNetlinkRequest(unix.RTM_SETLINK, unix.NLM_F_ACK)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(link.Attrs().Index)
	req.AddData(msg)
	req.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(name)))
	req.AddData(nl.NewRtAttr(unix.IFLA_NET_NS_FD, nl.Uint32Attr(uint32(ns))))
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

// restore brings a device that stays back up, with the addresses that going
// down has cost it.
func restore(here *netlink.Handle, link netlink.Link, addrs []netlink.Addr) error {
	if link.Attrs().RawFlags&unix.IFF_UP == 0 {
		return nil
	}
	if err := here.LinkSetUp(link); err != nil {
		return fmt.Errorf("bring the device back up: %w", err)
	}
	return address(here, link, addrs)
}

// arrive gives a device its addresses in its new namespace and brings it up.
func arrive(there *netlink.Handle, old netlink.Link, name string, addrs []netlink.Addr) error {
	link, err := find(there, old, name)
	if err != nil {
		return err
	}
	if err := address(there, link, addrs); err != nil {
		return err
	}
	if err := there.LinkSetUp(link); err != nil {
		return fmt.Errorf("bring device %s up: %w", link.Attrs().Name, err)
	}
	return nil
}

// find looks up the device in its new namespace.
func find(there *netlink.Handle, old netlink.Link, name string) (netlink.Link, error) {
	prefix, isTemplate := strings.CutSuffix(name, "%d")
	if !isTemplate {
		link, err := there.LinkByName(name)
		if err != nil {
			return nil, fmt.Errorf("look up device %s in the namespace: %w", name, err)
		}
		return link, nil
	}
	links, err := there.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list devices of the namespace: %w", err)
	}
	for _, l := range links {
		number, ok := strings.CutPrefix(l.Attrs().Name, prefix)
		if _, err := strconv.Atoi(number); ok && err == nil && l.Type() == old.Type() &&
			l.Attrs().HardwareAddr.String() == old.Attrs().HardwareAddr.String() {
			return l, nil
		}
	}
	return nil, fmt.Errorf("look up device %s in the namespace: %w", name, unix.ENODEV)
}

// address adds addresses. One that is there already is as good.
func address(h *netlink.Handle, link netlink.Link, addrs []netlink.Addr) error {
	for _, a := range addrs {
		// A label begins with the device's name, which may be another now.
		a.Label = ""
		a.LinkIndex = link.Attrs().Index
		if err := h.AddrAdd(link, &a); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("add address %s to device %s: %w", a.IPNet, link.Attrs().Name, err)
		}
	}
	return nil
}

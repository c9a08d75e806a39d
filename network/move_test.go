package network

import (
	"errors"
	"net"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"berth/tests/fixture"
)

// onOwnHost runs a test on a thread with a network namespace of its own, which
// stands for the host's; the thread ends with it.
func onOwnHost(t *testing.T, test func()) {
	t.Helper()
	fixture.NeedRoot(t)
	fixture.OwnThread(func() {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Error(err)
			return
		}
		test()
	})
}

// container is a process in a network namespace of its own, and a handle on
// that.
func container(t *testing.T) (int, *netlink.Handle) {
	t.Helper()
	cmd := exec.Command("/bin/sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	if err := cmd.Start(); err != nil {
		t.Error(err)
		runtime.Goexit()
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	ns, err := netns.GetFromPid(cmd.Process.Pid)
	if err != nil {
		t.Error(err)
		runtime.Goexit()
	}
	defer ns.Close()
	h, err := netlink.NewHandleAt(ns)
	if err != nil {
		t.Error(err)
		runtime.Goexit()
	}
	t.Cleanup(h.Close)
	return cmd.Process.Pid, h
}

// device makes a device with addresses, some of which stay behind. Its other
// end, if it has one, is called name + "-peer".
func device(t *testing.T, name string, addrs ...string) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = name, 1400
	link := &netlink.Veth{LinkAttrs: attrs, PeerName: name + "-peer"}
	if err := netlink.LinkAdd(link); err != nil {
		t.Error(err)
		runtime.Goexit()
	}
	peer, err := netlink.LinkByName(name + "-peer")
	if err == nil {
		err = errors.Join(netlink.LinkSetUp(peer), netlink.LinkSetUp(link))
	}
	if err != nil {
		t.Error(err)
		runtime.Goexit()
	}
	for _, text := range addrs {
		text, leased := strings.CutSuffix(text, " leased")
		a, err := netlink.ParseAddr(text)
		if err != nil {
			t.Error(err)
			runtime.Goexit()
		}
		if leased {
			a.ValidLft, a.PreferedLft = 1000, 1000
		}
		if err := netlink.AddrAdd(link, a); err != nil {
			t.Error(text, err)
		}
	}
}

// global lists a device's addresses but for those that the kernel gives it.
func global(t *testing.T, h *netlink.Handle, name string) string {
	t.Helper()
	link, err := h.LinkByName(name)
	if err != nil {
		t.Error(err)
		return ""
	}
	if link.Attrs().Flags&net.FlagUp == 0 || link.Attrs().MTU != 1400 {
		t.Errorf("%s: flags %s, MTU %d", name, link.Attrs().Flags, link.Attrs().MTU)
	}
	addrs, err := h.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		t.Error(err)
	}
	var list []string
	for _, a := range addrs {
		if a.Scope == int(netlink.SCOPE_UNIVERSE) {
			list = append(list, a.IPNet.String())
		}
	}
	return strings.Join(list, " ")
}

func TestMoveDevice(t *testing.T) {
	onOwnHost(t, func() {
		pid, there := container(t)
		device(t, "lan0", "192.0.2.5/24", "192.0.2.77/24 leased", "2001:db8::5/64")
		device(t, "lan1")
		device(t, "lan2", "198.51.100.1/32")
		for _, x := range []struct{ host, name, arrives, addrs string }{
			{"lan0", "eth0", "eth0", "192.0.2.5/24 2001:db8::5/64"},
			{"lan1", "lan1", "lan1", ""},
			{"lan2", "eth%d", "eth1", "198.51.100.1/32"},
		} {
			if err := MoveDevice(pid, x.host, x.name); err != nil {
				t.Errorf("%s: %v", x.host, err)
				continue
			}
			if got := global(t, there, x.arrives); got != x.addrs {
				t.Errorf("%s has %q, want %q", x.arrives, got, x.addrs)
			}
			if _, err := netlink.LinkByName(x.host); err == nil {
				t.Errorf("%s is still on the host", x.host)
			}
		}
	})
}

// TestMoveDeviceRefused: a device that cannot arrive stays as it is.
func TestMoveDeviceRefused(t *testing.T) {
	onOwnHost(t, func() {
		pid, _ := container(t)
		device(t, "lan0", "192.0.2.5/24", "2001:db8::5/64")
		device(t, "lan1")
		if err := MoveDevice(pid, "lan1", "eth0"); err != nil {
			t.Error(err)
		}
		own, err := netlink.NewHandle()
		if err != nil {
			t.Error(err)
			return
		}
		defer own.Close()
		for _, x := range []struct {
			pid        int
			host, name string
			want       string
		}{
			{pid, "lan0", "eth0", "move network device lan0 into process"},
			{pid, "lan0", "eth0", "there is a device eth0 already: file exists"},
			{pid, "nothing", "eth1", "look up device: Link not found"},
			{pid, "lan0", "a/b", `call the device "a/b": invalid argument`},
			{1 << 22, "lan0", "eth1", "open network namespace"},
			{pid, "lo", "lo0", "change namespace"},
		} {
			err := MoveDevice(x.pid, x.host, x.name)
			if err == nil || !strings.Contains(err.Error(), x.want) {
				t.Errorf("%s as %s: got %v, want %s", x.host, x.name, err, x.want)
			}
			if got := global(t, own, "lan0"); got != "192.0.2.5/24 2001:db8::5/64" {
				t.Errorf("%s as %s: the device has %q now", x.host, x.name, got)
			}
		}
	})
}

package bundle

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/vishvananda/netlink"
)

// TestNetDevices moves a device into a container that looks for it, with and
// without a user namespace.
func TestNetDevices(t *testing.T) {
	h := newHarness(t)
	for _, user := range []bool{false, true} {
		t.Run("user namespace "+strconv.FormatBool(user), func(t *testing.T) {
			name := "bt" + strconv.Itoa(os.Getpid()%1e6)
			attrs := netlink.NewLinkAttrs()
			attrs.Name = name
			link := &netlink.Veth{LinkAttrs: attrs, PeerName: name + "p"}
			if err := netlink.LinkAdd(link); err != nil {
				t.Fatal(err)
			}
			// The namespace's end destroys the pair, some time.
			defer func() { _ = netlink.LinkDel(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: name + "p"}}) }()
			addr, err := netlink.ParseAddr("192.0.2.9/24")
			if err != nil {
				t.Fatal(err)
			}
			if err := netlink.AddrAdd(link, addr); err != nil {
				t.Fatal(err)
			}
			s := shell(`cat /proc/net/dev | grep -c lan0; cat /proc/sys/net/ipv4/conf/lan0/forwarding; awk '/192.0.2.9/ {print $2; exit}' /proc/net/fib_trie`)
			if user {
				mapped(s)
			}
			s.Linux.NetDevices = map[string]specs.LinuxNetDevice{name: {Name: "lan0"}}
			s.Linux.Sysctl = map[string]string{"net.ipv4.conf.lan0.forwarding": "1"}
			out, code, err := h.runBundle("devices", h.mappedBundle(s))
			if err != nil || code != 0 || strings.Join(strings.Fields(out), " ") != "1 1 192.0.2.9" {
				t.Errorf("%q, %d, %v", out, code, err)
			}
		})
	}
	s := shell("echo payload")
	s.Linux.NetDevices = map[string]specs.LinuxNetDevice{"btnothing": {}}
	if _, _, err := h.run(s); err == nil || !strings.Contains(err.Error(), "move network device btnothing into process") {
		t.Errorf("got %v", err)
	}
	h.empty()
}

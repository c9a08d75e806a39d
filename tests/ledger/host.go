package ledger

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// links lists the network interfaces of the test's network namespace with
// their addresses.
func links() counts {
	c := counts{}
	all, err := net.Interfaces()
	if err != nil {
		return c
	}
	for _, i := range all {
		c[i.Name]++
		addresses, _ := i.Addrs()
		for _, a := range addresses {
			c[i.Name+" "+a.String()]++
		}
	}
	return c
}

// ruleset is what nft prints, without counters. Where nft is not installed no
// rule can be compared: tests of the network ask for it.
func ruleset() counts {
	c := counts{}
	path, err := exec.LookPath("nft")
	if err != nil {
		path = "/usr/sbin/nft"
	}
	out, err := exec.Command(path, "--stateless", "list", "ruleset").Output()
	if err != nil {
		return c
	}
	for _, line := range strings.Split(string(out), "\n") {
		if line = strings.TrimSpace(line); line != "" && line != "}" {
			c[line]++
		}
	}
	return c
}

// openFiles lists what a process has open. Numbers are left out: the same file
// may come back under another.
func openFiles(pid int) counts {
	c := counts{}
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	f, err := os.Open(dir)
	if err != nil {
		return c
	}
	defer f.Close()
	names, _ := f.Readdirnames(-1)
	for _, name := range names {
		if pid == os.Getpid() && name == strconv.Itoa(int(f.Fd())) {
			continue
		}
		if link, err := os.Readlink(dir + "/" + name); err == nil {
			c[link]++
		}
	}
	return c
}

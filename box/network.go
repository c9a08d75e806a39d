package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

func networkApplets() map[string]applet {
	return map[string]applet{"ip": ip, "nc": netcat, "wget": wget}
}

// ip shows addresses, links and routes; it changes nothing.
func ip(c *call, args []string) int {
	what := "addr"
	for _, a := range args {
		if !strings.HasPrefix(a, "-") {
			what = a
			break
		}
	}
	switch {
	case strings.HasPrefix("route", what):
		return ipRoute(c)
	case strings.HasPrefix("link", what), strings.HasPrefix("address", what):
	default:
		return c.usage("[addr|link|route] [show]")
	}
	links, err := net.Interfaces()
	if err != nil {
		return c.fail(err)
	}
	for _, l := range links {
		flags := strings.ToUpper(strings.ReplaceAll(l.Flags.String(), "|", ","))
		mac := l.HardwareAddr.String()
		if mac == "" {
			mac = "00:00:00:00:00:00"
		}
		fmt.Fprintf(c.out, "%d: %s: <%s> mtu %d\n    link %s\n", l.Index, l.Name, flags, l.MTU, mac)
		if strings.HasPrefix("link", what) {
			continue
		}
		addrs, err := l.Addrs()
		if err != nil {
			return c.fail(err)
		}
		for _, a := range addrs {
			family := "inet"
			if strings.Contains(a.String(), ":") {
				family = "inet6"
			}
			fmt.Fprintf(c.out, "    %s %s\n", family, a)
		}
	}
	return 0
}

// ipRoute reads the IPv4 table (proc_pid_net(5)): addresses are hex in the
// machine's byte order, little-endian on every architecture of this image.
func ipRoute(c *call) int {
	return c.each([]string{"/proc/net/route"}, func(_ string, r io.Reader) error {
		first := true
		return lines(r, func(l string) error {
			f := strings.Fields(l)
			if first || len(f) < 8 {
				first = false
				return nil
			}
			dest, gateway, mask := hexIP(f[1]), hexIP(f[2]), net.IPMask(hexIP(f[7]).To4())
			ones, _ := mask.Size()
			text := fmt.Sprintf("%s/%d", dest, ones)
			if ones == 0 {
				text = "default"
			}
			if !gateway.IsUnspecified() {
				text += " via " + gateway.String()
			}
			fmt.Fprintf(c.out, "%s dev %s\n", text, f[0])
			return nil
		})
	})
}

func hexIP(s string) net.IP {
	var n uint32
	fmt.Sscanf(s, "%x", &n)
	return net.IPv4(byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
}

func netcat(c *call, args []string) int {
	on, v, rest, err := c.flags(args, "luzvkn", "pw")
	if err != nil {
		return c.fail(err)
	}
	network := "tcp"
	if on['u'] {
		network = "udp"
	}
	var conn net.Conn
	switch {
	case on['l']:
		port := v['p']
		if port == "" && len(rest) > 0 {
			port = rest[len(rest)-1]
		}
		conn, err = accept(network, port)
	case len(rest) == 2:
		wait := time.Duration(0)
		if v['w'] != "" {
			if wait, err = parseDuration(v['w']); err != nil {
				return c.fail(err)
			}
		}
		conn, err = net.DialTimeout(network, net.JoinHostPort(rest[0], rest[1]), wait)
	default:
		return c.usage("[-uz] [-w SECONDS] HOST PORT | -l [-p] PORT")
	}
	if err != nil {
		return c.fail(err)
	}
	defer conn.Close()
	if on['z'] {
		return 0
	}
	go func() {
		_, _ = io.Copy(conn, os.Stdin)
		if half, ok := conn.(*net.TCPConn); ok {
			_ = half.CloseWrite()
		}
	}()
	if _, err := io.Copy(os.Stdout, conn); err != nil {
		return c.fail(err)
	}
	return 0
}

func accept(network, port string) (net.Conn, error) {
	if network == "udp" {
		return nil, errors.New("listening on udp is not supported")
	}
	l, err := net.Listen(network, ":"+port)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	return l.Accept()
}

// wget fetches one http:// address: enough to see whether a service answers.
func wget(c *call, args []string) int {
	on, v, rest, err := c.flags(args, "q", "OT")
	if err != nil {
		return c.fail(err)
	}
	if len(rest) != 1 {
		return c.usage("[-q] [-O FILE] [-T SECONDS] http://HOST[:PORT]/PATH")
	}
	address, ok := strings.CutPrefix(rest[0], "http://")
	if !ok {
		address = rest[0]
		if strings.Contains(address, "://") {
			return c.fail(fmt.Errorf("%s: only http is supported", address))
		}
	}
	host, path, _ := strings.Cut(address, "/")
	dial := host
	if _, _, err := net.SplitHostPort(host); err != nil {
		dial = net.JoinHostPort(strings.Trim(host, "[]"), "80")
	}
	wait := 30 * time.Second
	if v['T'] != "" {
		if wait, err = parseDuration(v['T']); err != nil {
			return c.fail(err)
		}
	}
	conn, err := net.DialTimeout("tcp", dial, wait)
	if err != nil {
		return c.fail(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(wait))
	body, err := get(conn, host, path)
	if err != nil {
		return c.fail(err)
	}
	out := os.Stdout
	if name := v['O']; name != "-" {
		if name == "" {
			if name = path[strings.LastIndex(path, "/")+1:]; name == "" {
				name = "index.html"
			}
		}
		if out, err = os.Create(name); err != nil {
			return c.fail(err)
		}
		defer out.Close()
		if !on['q'] {
			fmt.Fprintf(c.err, "saving to %s\n", name)
		}
	}
	if _, err := io.Copy(out, body); err != nil {
		return c.fail(err)
	}
	return 0
}

// get asks for a path and returns what comes behind the answer's head.
func get(conn net.Conn, host, path string) (io.Reader, error) {
	// HTTP/1.0 keeps the answer free of chunks; it ends with the connection.
	fmt.Fprintf(conn, "GET /%s HTTP/1.0\r\nHost: %s\r\nUser-Agent: box\r\nConnection: close\r\n\r\n", path, host)
	r := bufio.NewReader(conn)
	status, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	for {
		h, err := r.ReadString('\n')
		if err != nil {
			return nil, err
		}
		if strings.TrimSpace(h) == "" {
			break
		}
	}
	if f := strings.Fields(status); len(f) < 2 || !strings.HasPrefix(f[1], "2") {
		return nil, fmt.Errorf("server answered %s", strings.TrimSpace(status))
	}
	return r, nil
}

package container

import (
	"strings"
	"testing"
)

func TestHosts(t *testing.T) {
	c := &Config{Network: "none", ExtraHosts: []string{"one:1.2.3.4", "two:::1"}}
	data, err := localHosts(c)
	if err != nil || !strings.HasSuffix(string(data), "ip6-allrouters\n1.2.3.4\tone\n::1\ttwo\n") {
		t.Errorf("%q, error %v", data, err)
	}
	if got := string(withHosts([]byte("1.1.1.1 a"), c.ExtraHosts[:1])); got != "1.1.1.1 a\n1.2.3.4\tone\n" {
		t.Errorf("behind a file without a newline at its end: %q", got)
	}
}

func TestNameFiles(t *testing.T) {
	for _, tt := range []struct {
		c    Config
		want string
	}{
		{Config{Network: "none"}, "hostname hosts"},
		{Config{Network: "none", DNS: DNS{Options: []string{"rotate"}}}, "hostname hosts resolv.conf"},
		{Config{Network: "host"}, "hostname hosts resolv.conf"},
	} {
		var names []string
		for _, f := range nameFiles(&tt.c) {
			names = append(names, f.name)
		}
		if got := strings.Join(names, " "); got != tt.want {
			t.Errorf("%+v: %s", tt.c, got)
		}
	}
}

func TestResolver(t *testing.T) {
	const host = "# a comment\nnameserver 9.9.9.9\nnameserver\t8.8.8.8\nsearch lan\noptions edns0"
	for _, tt := range []struct {
		dns  DNS
		want string
	}{
		{DNS{Servers: []string{"1.1.1.1"}}, "# a comment\nsearch lan\noptions edns0\nnameserver 1.1.1.1\n"},
		{DNS{Search: []string{"a", "b"}}, "# a comment\nnameserver 9.9.9.9\nnameserver\t8.8.8.8\noptions edns0\nsearch a b\n"},
		{DNS{Search: []string{"."}}, "# a comment\nnameserver 9.9.9.9\nnameserver\t8.8.8.8\noptions edns0\n"},
		{DNS{Options: []string{"x", "y"}}, "# a comment\nnameserver 9.9.9.9\nnameserver\t8.8.8.8\nsearch lan\noptions x y\n"},
	} {
		if got := tt.dns.over(host); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.dns, got, tt.want)
		}
	}
}

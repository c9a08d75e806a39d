package container

import (
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// hostilePasswd has names that look like numbers: a number must never be taken
// for one of them (CVE-2024-40635, CVE-2026-30892, CVE-2026-46680).
const (
	hostilePasswd = `root:x:0:0:root:/root:/bin/sh
postgres:x:70:71:PostgreSQL:/var/lib/postgresql:/bin/sh
1:x:0:0:one:/one:/bin/sh
-1:x:0:0:minus:/:/bin/sh
2147483648:x:0:0:big:/:/bin/sh
100000000000000000000:x:0:0:huge:/:/bin/sh
0x1:x:0:0:hex:/:/bin/sh
nohome:x:500:500:::
huge:x:4294967296:0::/:/bin/sh
negative:x:-5:0::/:/bin/sh
`
	hostileGroup = `root:x:0:
dba:x:71:
video:x:44:postgres,other
audio:x:29:other
tape:x:26:postgres
2:x:0:
4294967295:x:0:
wrong:x:9999999999:postgres2
`
)

func TestFindUser(t *testing.T) {
	for _, x := range []struct {
		who  string
		add  []string
		want string // empty: refused
	}{
		{who: "", want: "0:0 [0] /root"},
		{who: "0", want: "0:0 [0] /root"},
		{who: "root", want: "0:0 [0] /root"},
		{who: "postgres", want: "70:71 [71 44 26] /var/lib/postgresql"},
		{who: "70", want: "70:71 [71 44 26] /var/lib/postgresql"},
		{who: "postgres:audio", want: "70:29 [29] /var/lib/postgresql"},
		{who: "postgres:12", want: "70:12 [12] /var/lib/postgresql"},
		{who: "postgres", add: []string{"audio", "1234"}, want: "70:71 [71 44 26 29 1234] /var/lib/postgresql"},
		{who: "nohome", want: "500:500 [500] /"},
		{who: "1", want: "1:0 [0] /"},
		{who: "1:2", want: "1:2 [2] /"},
		{who: "2147483647", want: "2147483647:0 [0] /"},
		{who: "-1"},
		{who: "2147483648"},
		{who: "4294967296"},
		{who: "100000000000000000000"},
		{who: "0:-1"},
		{who: "0:4294967295"},
		{who: "0:4294967296"},
		{who: "0:100000000000000000000"},
		{who: "nobody"},
		{who: "root:nogroup"},
		{who: "postgres", add: []string{"nogroup"}},
		{who: "postgres", add: []string{"-1"}},
		{who: "postgres", add: []string{"4294967296"}},
		{who: "huge"},
		{who: "negative"},
	} {
		t.Run(fmt.Sprint(x.who, x.add), func(t *testing.T) {
			i := identify(specs.User{})
			err := i.find(x.who, x.add, strings.NewReader(hostilePasswd), strings.NewReader(hostileGroup))
			got := fmt.Sprintf("%d:%d %v %s", i.UID, i.GID, i.Groups, i.Home)
			switch {
			case x.want == "" && err == nil:
				t.Errorf("became %s, want an error", got)
			case x.want != "" && (err != nil || got != x.want):
				t.Errorf("became %s, %v; want %s", got, err, x.want)
			}
		})
	}
}

// TestFindUserKeepsAskedGroups: groups by number are in the spec already.
func TestFindUserKeepsAskedGroups(t *testing.T) {
	i := identify(specs.User{AdditionalGids: []uint32{4, 44}})
	if err := i.find("postgres", nil, strings.NewReader(hostilePasswd), strings.NewReader(hostileGroup)); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(i.Groups); got != "[71 4 44 26]" {
		t.Errorf("groups %s", got)
	}
}

func TestUserSpec(t *testing.T) {
	for want, u := range map[string]specs.User{
		"0": {}, "5": {UID: 5}, "5:6": {UID: 5, GID: 6}, "0:6": {GID: 6}, "a:b": {Username: "a:b", UID: 7},
	} {
		if got := userSpec(u); got != want {
			t.Errorf("%+v is %q, want %q", u, got, want)
		}
	}
}

// FuzzFindUser: whatever an image's files say, an id is in range or refused.
func FuzzFindUser(f *testing.F) {
	for _, who := range []string{"", "0", "root", "1:2", "-1", "100000000000000000000", "postgres:audio", ":", "::", "a:b:c"} {
		f.Add(who, hostilePasswd, hostileGroup)
	}
	f.Fuzz(func(t *testing.T, who, passwd, group string) {
		i := identify(specs.User{})
		if i.find(who, []string{who}, strings.NewReader(passwd), strings.NewReader(group)) != nil {
			return
		}
		for _, id := range append([]uint32{i.UID, i.GID}, i.Groups...) {
			if id > maxID {
				t.Errorf("id %d", id)
			}
		}
		if i.Home == "" {
			t.Error("no home")
		}
	})
}

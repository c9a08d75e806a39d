package container

import (
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestDefaultCapabilitiesAreDockers(t *testing.T) {
	list := DefaultCapabilities()
	s, warnings, err := capabilitySets(&specs.LinuxCapabilities{Bounding: list, Permitted: list, Effective: list}, Host{LastCap: unix.CAP_LAST_CAP})
	want := capSets{bounding: 0xa80425fb, permitted: 0xa80425fb, effective: 0xa80425fb}
	if err != nil || len(warnings) > 0 || s != want {
		t.Errorf("sets %+v, %v, %v; want docker's a80425fb", s, warnings, err)
	}
}

// TestCapabilitySets: what cannot be granted is left out and told of, and what
// the kernel would refuse is refused.
func TestCapabilitySets(t *testing.T) {
	type caps = specs.LinuxCapabilities
	const chown, bind = 1 << unix.CAP_CHOWN, 1 << unix.CAP_NET_BIND_SERVICE
	list := func(names ...string) []string { return names }
	host := Host{LastCap: unix.CAP_AUDIT_READ, Withheld: 1 << unix.CAP_SYS_RESOURCE}
	for _, x := range []struct {
		name     string
		in       *caps
		want     capSets
		warnings []string
		err      string
	}{
		{name: "none"},
		{name: "empty", in: &caps{}},
		{name: "all five", in: &caps{
			Bounding: list("CAP_CHOWN", "CAP_NET_BIND_SERVICE"), Permitted: list("CAP_CHOWN", "CAP_NET_BIND_SERVICE"),
			Effective: list("CAP_CHOWN"), Inheritable: list("CAP_NET_BIND_SERVICE"), Ambient: list("CAP_NET_BIND_SERVICE"),
		}, want: capSets{bounding: chown | bind, permitted: chown | bind, effective: chown, inheritable: bind, ambient: bind}},
		{name: "unknown to everybody", in: &caps{Bounding: list("CAP_FLY", "CAP_CHOWN"), Permitted: list("CAP_FLY")},
			want: capSets{bounding: chown}, warnings: list("process.capabilities: ignoring unknown capabilities CAP_FLY")},
		{name: "unknown to the kernel", in: &caps{Bounding: list("CAP_BPF", "CAP_CHOWN")},
			want: capSets{bounding: chown}, warnings: list("process.capabilities: ignoring unknown capabilities CAP_BPF")},
		{name: "withheld", in: &caps{Bounding: list("CAP_SYS_RESOURCE"), Permitted: list("CAP_CHOWN", "CAP_SYS_RESOURCE"), Effective: list("CAP_SYS_RESOURCE")},
			want: capSets{permitted: chown}, warnings: list("process.capabilities: ignoring unavailable capabilities CAP_SYS_RESOURCE")},
		{name: "not in upper case", in: &caps{Permitted: list("cap_chown")},
			warnings: list("process.capabilities: ignoring unknown capabilities cap_chown")},
		{name: "effective without permitted", in: &caps{Effective: list("CAP_CHOWN")}, err: "process.capabilities.effective: CAP_CHOWN"},
		{name: "inheritable without bounding", in: &caps{Inheritable: list("CAP_CHOWN")}, err: "process.capabilities.inheritable: CAP_CHOWN"},
		{name: "ambient without inheritable", in: &caps{Permitted: list("CAP_CHOWN"), Ambient: list("CAP_CHOWN")},
			want: capSets{permitted: chown}, warnings: list("process.capabilities.ambient: ignoring CAP_CHOWN: not permitted and inheritable too")},
		{name: "ambient without permitted", in: &caps{Bounding: list("CAP_CHOWN"), Inheritable: list("CAP_CHOWN"), Ambient: list("CAP_CHOWN")},
			want: capSets{bounding: chown, inheritable: chown}, warnings: list("process.capabilities.ambient: ignoring CAP_CHOWN: not permitted and inheritable too")},
	} {
		t.Run(x.name, func(t *testing.T) {
			got, warnings, err := capabilitySets(x.in, host)
			if x.err != "" {
				if err == nil || !strings.Contains(err.Error(), x.err) {
					t.Errorf("got %v, want %s", err, x.err)
				}
				return
			}
			if err != nil || got != x.want || !slices.Equal(warnings, x.warnings) {
				t.Errorf("got %+v, %q, %v; want %+v, %q", got, warnings, err, x.want, x.warnings)
			}
		})
	}
}

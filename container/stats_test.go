package container

import (
	"strings"
	"testing"
)

func TestParseNetDev(t *testing.T) {
	const head = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
`
	for _, c := range []struct {
		name, text     string
		received, sent uint64
		fails          bool
	}{
		{"loopback only", head + "    lo:     500       5    0    0    0     0          0         0      500       5    0    0    0     0       0          0\n", 0, 0, false},
		{
			"two devices", head + "    lo:     500       5    0    0    0     0          0         0      500       5    0    0    0     0       0          0\n" +
				"  eth0: 1000       5    0    0    0     0          0         0      20       5    0    0    0     0       0          0\n" +
				"eth1:18446744073709      5    0    0    0     0          0         0      3       5    0    0    0     0       0          0\n", 18446744074709, 23, false,
		},
		{"not a number", head + "  eth0: x       5    0    0    0     0          0         0      20       5    0    0    0     0       0          0\n", 0, 0, true},
		{"empty", "", 0, 0, false},
	} {
		received, sent, err := parseNetDev(strings.NewReader(c.text))
		if received != c.received || sent != c.sent || (err != nil) != c.fails {
			t.Errorf("%s: %d, %d, %v", c.name, received, sent, err)
		}
	}
}

func TestMemoryLimit(t *testing.T) {
	total, err := memoryLimit(0)
	if err != nil || total == 0 {
		t.Fatal(total, err)
	}
	for limit, want := range map[uint64]uint64{1 << 20: 1 << 20, total + 1: total, total: total} {
		if got, err := memoryLimit(limit); err != nil || got != want {
			t.Errorf("limit %d: %d, %v, want %d", limit, got, err, want)
		}
	}
}

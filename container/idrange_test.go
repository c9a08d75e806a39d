package container

import (
	"slices"
	"strings"
	"testing"
)

func TestParseSubordinate(t *testing.T) {
	for text, want := range map[string][]IDRange{
		"": nil,
		"root:1:2\nberth:100000:65536\n\n berth:5:6 \n": {{100000, 65536}, {5, 6}},
		"berthe:1:2":            nil,
		"berth:4294967290:1000": {{4294967290, 5}},
	} {
		got, err := parseSubordinate(strings.NewReader(text), "berth")
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, error %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"berth:1", "berth:x:1", "berth:1:x", "berth:1:-1", "berth:4294967296:1"} {
		if got, err := parseSubordinate(strings.NewReader(text), "berth"); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestCommon(t *testing.T) {
	got := common([]IDRange{{10, 10}, {100, 10}}, []IDRange{{15, 90}, {0, 11}})
	if want := []IDRange{{15, 5}, {10, 1}, {100, 5}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestFreeRange(t *testing.T) {
	pool := []IDRange{{100, 100}, {1000, 1000}}
	for _, tt := range []struct {
		taken []IDRange
		size  uint32
		want  uint32 // 0: none
	}{
		{nil, 100, 100},
		{nil, 101, 1000},
		{nil, 1001, 0},
		{[]IDRange{{100, 10}}, 90, 110},
		{[]IDRange{{100, 10}}, 91, 1000},
		{[]IDRange{{150, 10}, {100, 10}}, 40, 110},
		{[]IDRange{{150, 10}, {100, 10}}, 41, 1000},
		{[]IDRange{{0, 4000}}, 1, 0},
		{[]IDRange{{0, 101}, {1000, 999}}, 1, 101},
		{[]IDRange{{101, 1899}}, 1, 100},
	} {
		got, ok := freeRange(pool, tt.taken, tt.size)
		if ok != (tt.want != 0) || ok && got != (IDRange{tt.want, tt.size}) {
			t.Errorf("%d beside %v: %v, %v", tt.size, tt.taken, got, ok)
		}
	}
}

func TestUserModes(t *testing.T) {
	for s, want := range map[string]string{
		"": "", "host": "", "private": "auto:size=65536", "auto": "auto:size=65536", "auto:size=7": "auto:size=7",
		"100000": "100000:65536", "100000:7": "100000:7", "container:x": "container:x",
	} {
		if got, err := ParseUserMode(s); err != nil || got != want {
			t.Errorf("%q: %q, error %v", s, got, err)
		}
	}
	for _, s := range []string{"keep-id", "0", "00:5", "auto:", "auto:size=", "auto:size=0", "auto:7", "5:", "5:x", "5:0", "4294967290", "-1", "container:", "ns:/x"} {
		if got, err := ParseUserMode(s); err == nil {
			t.Errorf("%q: %q", s, got)
		}
	}
}

package container

import (
	"strings"
	"testing"
	"time"
)

func TestParseRestartPolicy(t *testing.T) {
	for text, want := range map[string]RestartPolicy{
		"":               {},
		"no":             {Name: "no"},
		"no:0":           {Name: "no"},
		"always":         {Name: "always"},
		"always:":        {Name: "always"},
		"unless-stopped": {Name: "unless-stopped"},
		"on-failure":     {Name: "on-failure"},
		"on-failure:":    {Name: "on-failure"},
		"on-failure:5":   {Name: "on-failure", MaximumRetryCount: 5},
	} {
		if got, err := ParseRestartPolicy(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
		if want.None() != (text == "" || text == "no" || text == "no:0") {
			t.Errorf("%q: none is %v", text, want.None())
		}
	}
	for text, want := range map[string]string{
		":1":               "no policy provided before colon",
		"on-failure:x":     "maximum retry count must be an integer",
		"on-failure:1:2":   "maximum retry count must be an integer",
		"on-failure:-1":    "maximum retry count cannot be negative",
		"always:3":         "maximum retry count can only be used with 'on-failure'",
		"always:-3":        "and cannot be negative",
		"unless-stopped:1": "can only be used with 'on-failure'",
		"no:1":             "can only be used with 'on-failure'",
		"sometimes":        "unknown policy 'sometimes'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
		"ALWAYS":           "unknown policy 'ALWAYS'",
	} {
		if _, err := ParseRestartPolicy(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestRestartPolicyWants(t *testing.T) {
	code := func(n int) *int { return &n }
	for _, tt := range []struct {
		policy   string
		code     *int
		restarts int
		want     bool
	}{
		{"no", code(1), 0, false},
		{"", code(1), 0, false},
		{"always", code(0), 1000, true},
		{"always", code(137), 0, true},
		{"always", nil, 0, false},
		{"unless-stopped", code(0), 3, true},
		{"on-failure", code(0), 0, false},
		{"on-failure", code(1), 1000, true},
		{"on-failure:2", code(1), 0, true},
		{"on-failure:2", code(1), 1, true},
		{"on-failure:2", code(1), 2, false},
		{"on-failure:2", code(0), 1, false},
	} {
		p, err := ParseRestartPolicy(tt.policy)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.wants(tt.code, tt.restarts); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}

// TestNextPause: docker's pauses, 100 ms doubled up to a minute, and from the
// start again after a run of ten seconds.
func TestNextPause(t *testing.T) {
	var pause time.Duration
	want := 100 * time.Millisecond
	for range 15 {
		pause = nextPause(pause, time.Second)
		if pause != want {
			t.Errorf("got %v, want %v", pause, want)
		}
		want = min(2*want, time.Minute)
	}
	if pause != time.Minute {
		t.Errorf("the longest pause is %v", pause)
	}
	if got := nextPause(pause, 10*time.Second); got != 100*time.Millisecond {
		t.Errorf("after a long run: %v", got)
	}
}

package logs

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ParseTime reads the argument of docker's --since and --until: a Go duration
// before now ("10m", to whole seconds), an RFC 3339 time, of which seconds,
// minutes, hours, time and zone may be missing from the right, or a Unix time
// with up to nine decimals. A time without zone is in now's location. The
// empty string is the zero Time.
func ParseTime(value string, now time.Time) (time.Time, error) {
	if value == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(value); err == nil && value != "0" {
		return time.Unix(now.Add(-d).Unix(), 0), nil
	}
	// A zone is a Z, a plus, or a third minus after those of the date.
	zoned := strings.ContainsAny(value, "zZ+") || strings.Count(value, "-") == 3
	layouts := []string{
		"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02T15", "2006-01-02",
	}
	var first error
	for _, layout := range layouts {
		var t time.Time
		var err error
		if zoned {
			t, err = time.Parse(layout+"Z07:00", strings.ToUpper(value))
		} else {
			t, err = time.ParseInLocation(layout, value, now.Location())
		}
		if err == nil {
			return t, nil
		}
		if first == nil {
			first = err
		}
	}
	if strings.Contains(value, "-") {
		return time.Time{}, first
	}
	t, ok := parseUnix(value)
	if !ok {
		// Scripts may look for docker's words.
		return time.Time{}, fmt.Errorf("failed to parse value as time or duration: %q", value)
	}
	return t, nil
}

// parseUnix reads seconds since 1970 with an optional fraction.
func parseUnix(value string) (time.Time, bool) {
	whole, frac, _ := strings.Cut(value, ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || sec > math.MaxInt64/int64(time.Second) {
		return time.Time{}, false
	}
	if len(frac) > 9 {
		frac = frac[:9]
	}
	nsec, err := strconv.ParseUint("0"+frac+strings.Repeat("0", 9-len(frac)), 10, 64)
	return time.Unix(sec, int64(nsec)), err == nil
}

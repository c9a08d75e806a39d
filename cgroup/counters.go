package cgroup

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// parseFlat parses a "flat keyed" file (cgroup-v2.rst): a name and a number a
// line. Lines that are otherwise are left out.
func parseFlat(text string) map[string]uint64 {
	out := map[string]uint64{}
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		n, err := strconv.ParseUint(value, 10, 64)
		if _, seen := out[key]; ok && err == nil && !seen {
			out[key] = n
		}
	}
	return out
}

// flatValue is one number of a flat keyed file, 0 when missing. It is
// parseFlat for one key, without the map.
func flatValue(text, key string) uint64 {
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if n, err := strconv.ParseUint(value, 10, 64); ok && err == nil && name == key {
			return n
		}
	}
	return 0
}

// readNumber reads a file of one number. No limit ("max", and on v1 the
// largest number of whole pages) is 0.
func readNumber(file string) (uint64, error) {
	text, err := readFile(file)
	if err != nil {
		return 0, err
	}
	n, err := parseNumber(text)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", file, err)
	}
	return n, nil
}

// v1NoLimit is what v1's memory files show for no limit with pages of 64 KiB,
// the largest there are; with smaller pages it is a little more.
const v1NoLimit = 1<<63 - 1<<16

func parseNumber(text string) (uint64, error) {
	text = strings.TrimSpace(text)
	if text == "max" || text == "-1" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("number %q: %w", text, unix.EINVAL)
	}
	if n >= v1NoLimit {
		return 0, nil
	}
	return n, nil
}

// ioStats reads io.stat, or on v1 what the throttling policy counted: all
// requests, not only throttled ones.
func (m *Manager) ioStats(s *Stats) error {
	dir, v2, err := m.with("io")
	if err != nil {
		return err
	}
	if v2 {
		text, err := readFile(dir + "/io.stat")
		s.IO = parseIOStat(text)
		return err
	}
	dir, v2, err = m.with("blkio")
	if dir == "" || v2 {
		return err
	}
	text, err := readFile(dir + "/blkio.throttle.io_service_bytes_recursive")
	if err != nil {
		return err
	}
	s.IO = parseBlkio(s.IO, text, func(d *IOStats) (*uint64, *uint64) { return &d.ReadBytes, &d.WriteBytes })
	text, err = readFile(dir + "/blkio.throttle.io_serviced_recursive")
	s.IO = parseBlkio(s.IO, text, func(d *IOStats) (*uint64, *uint64) { return &d.ReadRequests, &d.WriteRequests })
	return err
}

// parseIOStat parses lines such as
//
//	8:0 rbytes=180224 wbytes=0 rios=3 wios=0 dbytes=0 dios=0
func parseIOStat(text string) []IOStats {
	var out []IOStats
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		d, ok := parseDevice(fields[0])
		if !ok {
			continue
		}
		for _, f := range fields[1:] {
			key, value, _ := strings.Cut(f, "=")
			n, _ := strconv.ParseUint(value, 10, 64)
			switch key {
			case "rbytes":
				d.ReadBytes = n
			case "wbytes":
				d.WriteBytes = n
			case "rios":
				d.ReadRequests = n
			case "wios":
				d.WriteRequests = n
			}
		}
		out = append(out, d)
	}
	return out
}

// parseBlkio parses lines such as "8:0 Read 180224" into the fields of their
// devices; the lines for sums and other operations are passed over.
func parseBlkio(list []IOStats, text string, fields func(*IOStats) (read, write *uint64)) []IOStats {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) != 3 {
			continue
		}
		d, ok := parseDevice(words[0])
		n, err := strconv.ParseUint(words[2], 10, 64)
		if !ok || err != nil {
			continue
		}
		i := slices.IndexFunc(list, func(o IOStats) bool { return o.Major == d.Major && o.Minor == d.Minor })
		if i < 0 {
			list = append(list, d)
			i = len(list) - 1
		}
		switch read, write := fields(&list[i]); words[1] {
		case "Read":
			*read = n
		case "Write":
			*write = n
		}
	}
	return list
}

// parseDevice parses "8:16".
func parseDevice(text string) (IOStats, bool) {
	major, minor, ok := strings.Cut(text, ":")
	a, err := strconv.ParseUint(major, 10, 32)
	b, err2 := strconv.ParseUint(minor, 10, 32)
	return IOStats{Major: a, Minor: b}, ok && err == nil && err2 == nil
}

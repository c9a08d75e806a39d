package cgroup

import (
	"strconv"
	"strings"
)

// blockDetails reads the counters of block devices: on v1 the BFQ scheduler's
// where there are any, else what the throttling policy counted.
func (m *Manager) blockDetails(d *Details) error {
	dir, v2, err := m.with("io")
	if err != nil {
		return err
	}
	if v2 && dir != "" {
		text, err := readFile(dir + "/io.stat")
		d.Block = blockOfStat(parseIOStat(text))
		return err
	}
	dir, v2, err = m.with("blkio")
	if dir == "" || v2 {
		return err
	}
	b := &d.Block
	bfq := map[string]*[]BlockEntry{
		"io_service_bytes": &b.Bytes, "io_serviced": &b.Requests, "io_queued": &b.Queued, "io_service_time": &b.ServiceTime,
		"io_wait_time": &b.WaitTime, "io_merged": &b.Merged, "time": &b.Time, "sectors": &b.Sectors,
	}
	for name, to := range bfq {
		if *to, err = blockFile(dir + "/blkio.bfq." + name + "_recursive"); err != nil {
			return err
		}
	}
	if len(b.Requests) > 0 {
		return nil
	}
	if b.Bytes, err = blockFile(dir + "/blkio.throttle.io_service_bytes_recursive"); err != nil {
		return err
	}
	b.Requests, err = blockFile(dir + "/blkio.throttle.io_serviced_recursive")
	return err
}

// blockOfStat lists v2's counters with v1's names for the operations.
func blockOfStat(list []IOStats) BlockDetails {
	var b BlockDetails
	for _, x := range list {
		entry := func(op string, n uint64) BlockEntry { return BlockEntry{x.Major, x.Minor, op, n} }
		b.Bytes = append(b.Bytes, entry("Read", x.ReadBytes), entry("Write", x.WriteBytes))
		b.Requests = append(b.Requests, entry("Read", x.ReadRequests), entry("Write", x.WriteRequests))
	}
	return b
}

// blockFile reads a blkio file; one that is missing has no entries.
func blockFile(file string) ([]BlockEntry, error) {
	text, err := readFile(file)
	if isGone(err) {
		return nil, nil
	}
	return parseBlockFile(text), err
}

// parseBlockFile reads lines such as "8:0 Read 4096", or "8:0 17" in files that
// tell no operations apart. The sum over all devices is passed over.
func parseBlockFile(text string) []BlockEntry {
	var out []BlockEntry
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 2 || len(words) > 3 {
			continue
		}
		d, ok := parseDevice(words[0])
		n, err := strconv.ParseUint(words[len(words)-1], 10, 64)
		if !ok || err != nil {
			continue
		}
		e := BlockEntry{Major: d.Major, Minor: d.Minor, Value: n}
		if len(words) == 3 {
			e.Op = words[1]
		}
		out = append(out, e)
	}
	return out
}

package container

import (
	"fmt"
	"strconv"
	"strings"

	"berth/nsenter"
)

// parseList reads a list of CPUs or memory nodes as cpuset(7), "List format"
// has it, "0-3,7", into a bit mask whose length is a multiple of eight bytes.
// Spaces and empty elements between the commas mean nothing. A number of limit
// or more is an error, and so is a list without a number.
func parseList(list string, limit int) ([]byte, error) {
	var mask []byte
	for _, part := range strings.Split(list, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err1 := strconv.ParseUint(first, 10, 31)
		to, err2 := strconv.ParseUint(last, 10, 31)
		switch {
		case err1 != nil || err2 != nil || from > to:
			return nil, fmt.Errorf("%q is not a number or a range", part)
		case to >= uint64(limit):
			return nil, fmt.Errorf("%q is out of range: the highest number is %d", part, limit-1)
		}
		for n := from; n <= to; n++ {
			for len(mask) <= int(n/8) {
				mask = append(mask, make([]byte, 8)...)
			}
			mask[n/8] |= 1 << (n % 8)
		}
	}
	if mask == nil {
		return nil, fmt.Errorf("%q names no number", list)
	}
	return mask, nil
}

// maskData is a bit mask as an argument.
func maskData(mask []byte) nsenter.Arg { return nsenter.Bytes(mask, "") }

package teach

import (
	"strconv"
	"strings"
)

// family is a set of C constants that share a prefix.
type family struct {
	prefix string
	// drop tells that the call's own name makes the prefix superfluous.
	drop  bool
	names []constant
}

// constant is one of a family: its value, and its name behind the prefix.
type constant struct {
	value uint64
	name  string
}

// name returns the constant as the listing shows it.
func (f family) name(c constant, full bool) string {
	if f.drop && !full {
		return c.name
	}
	return f.prefix + c.name
}

// one returns the name of a value of an enumeration, or the number.
func (f family) one(v uint64, full bool) string {
	for _, c := range f.names {
		if c.value == v {
			return f.name(c, full)
		}
	}
	return number(v)
}

// all returns the names of the flags that are set in v, joined by |. Masks of
// several bits must stand before their parts. What has no name is shown in
// hexadecimal.
func (f family) all(v uint64, full bool) string {
	if v == 0 {
		return "0"
	}
	var list []string
	for _, c := range f.names {
		if c.value != 0 && v&c.value == c.value {
			list = append(list, f.name(c, full))
			v &^= c.value
		}
	}
	if v != 0 {
		list = append(list, "0x"+strconv.FormatUint(v, 16))
	}
	return strings.Join(list, "|")
}

// number returns a value that has no name: small ones in decimal, with the
// sign that C's int would have, others in hexadecimal.
func number(v uint64) string {
	if signed := int64(v); signed > -1<<31 && signed < 1<<31 {
		return strconv.FormatInt(signed, 10)
	}
	return "0x" + strconv.FormatUint(v, 16)
}

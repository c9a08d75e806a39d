package cgroup

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// access is what is done to a device; the bits are those of the kernel's
// BPF_DEVCG_ACC_*.
type access uint8

const (
	mayMknod access = 1 << iota
	mayRead
	mayWrite
	mayAll = mayMknod | mayRead | mayWrite
)

// Device types, as the kernel's BPF_DEVCG_DEV_*; anyType is ours.
const (
	anyType   = 0
	blockType = 1
	charType  = 2
)

// anyNumber stands for all majors or minors.
const anyNumber = -1

// rule is one checked device rule.
type rule struct {
	allow        bool
	kind         uint8
	major, minor int64
	access       access
}

// policy is a list of device rules in the order of deciding: for each kind of
// access the first rule that matches wins. What no rule matches is decided by
// allow.
type policy struct {
	rules []rule
	allow bool
}

// open tells that everything is allowed.
func (p *policy) open() bool { return p.allow && len(p.rules) == 0 }

// DefaultDevices returns docker's device rules: nothing but making any node,
// and using the handful that every container has.
func DefaultDevices() []specs.LinuxDeviceCgroup {
	number := func(n int64) *int64 { return &n }
	out := []specs.LinuxDeviceCgroup{
		{Allow: false, Access: "rwm"},
		{Allow: true, Type: "c", Access: "m"},
		{Allow: true, Type: "b", Access: "m"},
	}
	for _, x := range [][2]int64{
		{1, 3},           // null
		{1, 5},           // zero
		{1, 7},           // full
		{1, 8},           // random
		{1, 9},           // urandom
		{5, 0},           // tty
		{5, 1},           // console
		{5, 2},           // ptmx
		{136, anyNumber}, // pts/*
	} {
		r := specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: number(x[0]), Access: "rwm"}
		if x[1] != anyNumber {
			r.Minor = number(x[1])
		}
		out = append(out, r)
	}
	return out
}

// withDefaults returns a list of rules with those default ones behind it that
// it does not end with anyway.
func withDefaults(list []specs.LinuxDeviceCgroup) []specs.LinuxDeviceCgroup {
	out, last := slices.Clone(list), len(list)
	for last > 0 && list[last-1].Allow {
		last--
	}
	for _, d := range DefaultDevices()[1:] {
		if !slices.ContainsFunc(list[last:], func(o specs.LinuxDeviceCgroup) bool { return reflect.DeepEqual(o, d) }) {
			out = append(out, d)
		}
	}
	return out
}

// newPolicy checks rules and puts them into the order of deciding. In the OCI
// spec later rules override earlier ones, and a runtime starts with nothing
// allowed; so what comes before a rule for everything cannot matter.
func newPolicy(list []specs.LinuxDeviceCgroup) (*policy, error) {
	p := &policy{}
	for i := range slices.Backward(list) {
		r, err := newRule(&list[i])
		if err != nil {
			return nil, fmt.Errorf("linux.resources.devices[%d]: %w", i, err)
		}
		if r.kind == anyType && r.major == anyNumber && r.minor == anyNumber && r.access == mayAll {
			p.allow = r.allow
			break
		}
		p.rules = append(p.rules, r)
	}
	// The last rules to be asked decide nothing if they say what holds anyway.
	for n := len(p.rules); n > 0 && p.rules[n-1].allow == p.allow; n-- {
		p.rules = p.rules[:n-1]
	}
	return p, nil
}

// newRule checks one rule.
func newRule(d *specs.LinuxDeviceCgroup) (rule, error) {
	r := rule{allow: d.Allow, major: anyNumber, minor: anyNumber}
	switch d.Type {
	case "", "a":
		r.kind = anyType
	case "b":
		r.kind = blockType
	case "c", "u":
		r.kind = charType
	default:
		return r, fmt.Errorf("device type %q is not a, b or c: %w", d.Type, ErrDevices)
	}
	for _, x := range []struct {
		from *int64
		to   *int64
	}{{d.Major, &r.major}, {d.Minor, &r.minor}} {
		if x.from == nil {
			continue
		}
		if *x.from < anyNumber || *x.from > 1<<31-1 {
			return r, fmt.Errorf("device number %d: %w", *x.from, ErrDevices)
		}
		*x.to = *x.from
	}
	for _, c := range d.Access {
		switch c {
		case 'r':
			r.access |= mayRead
		case 'w':
			r.access |= mayWrite
		case 'm':
			r.access |= mayMknod
		default:
			return r, fmt.Errorf("device access %q is not made of r, w and m: %w", d.Access, ErrDevices)
		}
	}
	if r.access == 0 {
		return r, fmt.Errorf("device access is empty: %w", ErrDevices)
	}
	return r, nil
}

// matches tells whether the rule is about a device.
func (r *rule) matches(kind uint8, major, minor int64) bool {
	return (r.kind == anyType || r.kind == kind) &&
		(r.major == anyNumber || r.major == major) &&
		(r.minor == anyNumber || r.minor == minor)
}

// covers tells whether every device that o is about is also one of r's.
func (r *rule) covers(o *rule) bool {
	return (r.kind == anyType || r.kind == o.kind) &&
		(r.major == anyNumber || r.major == o.major) &&
		(r.minor == anyNumber || r.minor == o.minor)
}

// overlaps tells whether a device exists that both rules are about.
func (r *rule) overlaps(o *rule) bool {
	return (r.kind == anyType || o.kind == anyType || r.kind == o.kind) &&
		(r.major == anyNumber || o.major == anyNumber || r.major == o.major) &&
		(r.minor == anyNumber || o.minor == anyNumber || r.minor == o.minor)
}

// v1Write is one write to a file of the devices controller.
type v1Write struct{ file, value string }

// v1Writes expresses the policy for the v1 devices controller, which knows a
// default and exceptions to it, but no order. A rule that takes back a part of
// another can therefore not be expressed; the kernel would ignore it in
// silence, so it is refused here. The controller is stricter in one case: it
// wants one exception to grant all that an open asks for.
func (p *policy) v1Writes() ([]v1Write, error) {
	def, exceptions := "devices.deny", "devices.allow"
	if p.allow {
		def, exceptions = exceptions, def
	}
	out := []v1Write{{def, "a"}}
	for i := range slices.Backward(p.rules) {
		r := p.rules[i]
		if r.allow == p.allow {
			// It takes back from an earlier exception. That was skipped, or
			// trimmed, below, if this rule covers it whole.
			continue
		}
		left := r.access
		for j := range i {
			later := &p.rules[j]
			if later.allow == r.allow || later.access&left == 0 || !later.overlaps(&r) {
				continue
			}
			if !later.covers(&r) {
				return nil, fmt.Errorf("express rule %q, which takes back a part of %q, in cgroup v1: %w", later, &r, ErrDevices)
			}
			left &^= later.access
		}
		if r.access = left; left == 0 {
			continue
		}
		for _, kind := range r.kinds() {
			r.kind = kind
			out = append(out, v1Write{exceptions, r.String()})
		}
	}
	return out, nil
}

// kinds splits "any type": v1 reads an "a" as everything, whatever follows.
func (r *rule) kinds() []uint8 {
	if r.kind == anyType {
		return []uint8{blockType, charType}
	}
	return []uint8{r.kind}
}

// String returns the rule as v1 writes it: "c 1:3 rwm".
func (r *rule) String() string {
	var b strings.Builder
	b.WriteByte("abc"[r.kind])
	for i, n := range []int64{r.major, r.minor} {
		b.WriteByte(" :"[i])
		if n == anyNumber {
			b.WriteByte('*')
		} else {
			b.WriteString(strconv.FormatInt(n, 10))
		}
	}
	b.WriteByte(' ')
	b.WriteString(r.access.String())
	return b.String()
}

// String returns the letters of the access, in the kernel's order.
func (a access) String() string {
	s := ""
	for _, x := range []struct {
		bit  access
		text string
	}{{mayRead, "r"}, {mayWrite, "w"}, {mayMknod, "m"}} {
		if a&x.bit != 0 {
			s += x.text
		}
	}
	return s
}

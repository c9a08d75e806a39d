package systemd

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/godbus/dbus/v5"
)

// Property is one property of a unit, with a value of its D-Bus type
// (org.freedesktop.systemd1(5)).
type Property struct {
	Name  string
	Value any
}

// unlimited is systemd's "infinity".
const unlimited = uint64(math.MaxUint64)

// Limit is what a limit writes to a control file of a cgroup version.
type Limit struct {
	V2          bool
	File, Value string
}

// Properties returns the properties that stand for limits, which come as any
// struct that has a Limit's fields. Limits that systemd has no property for are
// left to the control files; all properties here exist since systemd 244. The
// error wraps [ErrProperty].
func Properties[V ~struct {
	V2          bool
	File, Value string
}](values []V) ([]Property, error) {
	var out []Property
	var quota quota
	for _, value := range values {
		v := Limit(value)
		if quota.takes(v) {
			continue
		}
		p, err := limit(v)
		if err != nil {
			return nil, fmt.Errorf("read %s %q for systemd: %w", v.File, v.Value, err)
		}
		if p.Name != "" {
			out = append(out, p)
		}
	}
	q, err := quota.properties()
	return append(out, q...), err
}

// limit converts one value; the name is empty when systemd has no property.
func limit(v Limit) (Property, error) {
	numbers := map[string]string{
		"pids.max": "TasksMax",
	}
	lists := map[string]string{}
	if v.V2 {
		maps.Copy(numbers, map[string]string{
			"memory.max": "MemoryMax", "memory.high": "MemoryHigh", "memory.low": "MemoryLow",
			"memory.min": "MemoryMin", "memory.swap.max": "MemorySwapMax",
			"cpu.weight": "CPUWeight", "io.weight": "IOWeight",
		})
		lists["cpuset.cpus"], lists["cpuset.mems"] = "AllowedCPUs", "AllowedMemoryNodes"
	} else {
		maps.Copy(numbers, map[string]string{
			"memory.limit_in_bytes": "MemoryLimit", "cpu.shares": "CPUShares", "blkio.weight": "BlockIOWeight",
		})
	}
	text := strings.TrimSpace(v.Value)
	if name := lists[v.File]; name != "" {
		bits, err := bitmap(text)
		return Property{name, bits}, err
	}
	name := numbers[v.File]
	if name == "" || v.File == "io.weight" && strings.Contains(text, " ") {
		return Property{}, nil // a weight of one device
	}
	n, err := number(strings.TrimPrefix(text, "default "))
	return Property{name, n}, err
}

// number reads a limit, of which "max" and, on v1, -1 are none.
func number(text string) (uint64, error) {
	if text == "max" || text == "-1" {
		return unlimited, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no number: %w", text, ErrProperty)
	}
	return n, nil
}

// bitmap turns a list such as 0-2,7 into an array of bits, lowest first.
func bitmap(list string) ([]byte, error) {
	var out []byte
	for part := range strings.SplitSeq(list, ",") {
		low, high, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			high = low
		}
		a, err := strconv.ParseUint(low, 10, 13)
		b, err2 := strconv.ParseUint(high, 10, 13)
		if err != nil || err2 != nil || a > b {
			return nil, fmt.Errorf("%q is no list of numbers below 8192: %w", list, ErrProperty)
		}
		for ; a <= b; a++ {
			for uint64(len(out)) <= a/8 {
				out = append(out, 0)
			}
			out[a/8] |= 1 << (a % 8)
		}
	}
	return out, nil
}

// quota collects the processor quota, of which v1 has two files.
type quota struct{ quota, period string }

// takes tells whether a value belongs to the quota.
func (q *quota) takes(v Limit) bool {
	switch v.File {
	case "cpu.cfs_quota_us":
		q.quota = v.Value
	case "cpu.cfs_period_us":
		q.period = v.Value
	case "cpu.max":
		q.quota, q.period, _ = strings.Cut(strings.TrimSpace(v.Value), " ")
	default:
		return false
	}
	return true
}

// properties expresses the quota in microseconds for each second, which
// systemd takes in whole percents: it is rounded up, the less restrictive way.
func (q *quota) properties() ([]Property, error) {
	const percent = 10000
	var out []Property
	period := uint64(100000) // the kernel's default (sched-bwc.rst)
	if q.period != "" {
		n, err := number(strings.TrimSpace(q.period))
		if err != nil || n == 0 || n > 1000000 {
			return nil, fmt.Errorf("processor period %q is not between 1 and 1000000: %w", q.period, ErrProperty)
		}
		period = n
		out = append(out, Property{"CPUQuotaPeriodUSec", period})
	}
	if q.quota == "" {
		return out, nil
	}
	n, err := number(q.quota)
	if err != nil || n != unlimited && n > math.MaxUint64/2000000 {
		return nil, fmt.Errorf("processor quota %q: %w", q.quota, ErrProperty)
	}
	if n != unlimited {
		n = n * 1000000 / period
		n = (n + percent - 1) / percent * percent
	}
	return append(out, Property{"CPUQuotaPerSecUSec", n}), nil
}

// annotationPrefix starts the annotations that set properties of a scope, a
// convention of runc's that crun and others follow.
const annotationPrefix = "org.systemd.property."

// maxValue bounds an annotation's value: the parser looks far ahead.
const maxValue = 4096

// Annotated returns the properties that annotations ask for: the rest of the
// key is the name, the value is in GVariant's text form. A name that ends in
// Sec, as in unit files, stands for the D-Bus property in microseconds, and
// its value is in seconds. The error wraps [ErrName] or [ErrProperty] and names
// the annotation.
func Annotated(annotations map[string]string) ([]Property, error) {
	var out []Property
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		name, ok := strings.CutPrefix(key, annotationPrefix)
		if !ok {
			continue
		}
		p, err := annotated(name, annotations[key])
		if err != nil {
			return nil, fmt.Errorf("annotations[%s]: %w", key, err)
		}
		out = append(out, p)
	}
	return out, nil
}

func annotated(name, text string) (Property, error) {
	if len(name) < 3 || strings.ContainsFunc(name, func(c rune) bool { return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') }) {
		return Property{}, fmt.Errorf("property %q: %w", name, ErrName)
	}
	if len(text) > maxValue {
		return Property{}, fmt.Errorf("value of %d bytes: longer than %d: %w", len(text), maxValue, ErrProperty)
	}
	value, err := dbus.ParseVariant(text, dbus.Signature{})
	if err != nil {
		return Property{}, fmt.Errorf("value %q: %w: %w", text, err, ErrProperty)
	}
	stem, ok := strings.CutSuffix(name, "Sec")
	if !ok || stem == "" || stem[len(stem)-1] < 'a' {
		return Property{name, value}, nil
	}
	usec, err := microseconds(value.Value())
	return Property{stem + "USec", usec}, err
}

// microseconds converts seconds of any number type.
func microseconds(value any) (uint64, error) {
	var seconds float64
	switch v := reflect.ValueOf(value); {
	case v.CanInt():
		seconds = float64(v.Int())
	case v.CanUint():
		seconds = float64(v.Uint())
	case v.CanFloat():
		seconds = v.Float()
	default:
		return 0, fmt.Errorf("%v is no number of seconds: %w", value, ErrProperty)
	}
	if !(seconds >= 0 && seconds < 1e12) {
		return 0, fmt.Errorf("%v seconds: %w", value, ErrProperty)
	}
	return uint64(math.Round(seconds * 1e6)), nil
}

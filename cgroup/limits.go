package cgroup

import (
	"fmt"
	"slices"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// setting is one value for one control file.
type setting struct {
	// on is the hierarchy that has the controller.
	on         *Hierarchy
	controller string
	// files are the names that the file has had over time; the first that
	// exists is written.
	files []string
	value string
	// optional lets all files be missing.
	optional bool
	// inherit marks the two files that a v1 cpuset cannot live without: an
	// empty value means "as the parent has it".
	inherit bool
	// periodOnly marks a cpu.max whose quota nobody asked for.
	periodOnly bool
	// field is the config field that asked, below linux.resources.
	field string
	why   string
}

// limits collects settings; the first error stops it.
type limits struct {
	host *Host
	// name is how errors call a field.
	name func(field string) string
	// update says that the group has limits already.
	update bool
	// optionalSwap is Group.OptionalSwap.
	optionalSwap bool
	list         []setting
	err          error
	// on, controller and field hold for the settings added next.
	on         *Hierarchy
	controller string
}

// fieldName is a field's place in config.json.
func fieldName(field string) string { return "linux.resources." + field }

// settings converts resources for the hierarchies that the host has. The order
// matters within one controller only.
func (l *limits) settings(res *specs.LinuxResources) ([]setting, error) {
	if res == nil {
		return nil, nil
	}
	for _, family := range []func(*specs.LinuxResources){
		l.memory, l.cpu, l.cpuset, l.pids, l.blockIO, l.hugetlb, l.rdma, l.network, l.unified,
	} {
		family(res)
		if l.err != nil {
			return nil, l.err
		}
	}
	return l.list, nil
}

// use selects the controller for what follows. Its v1 and v2 names differ for
// blkio only. Without a hierarchy that has it, it sets the error.
func (l *limits) use(field, v1, v2 string) bool {
	x, name, err := l.host.find(v1, v2)
	if x != nil || err != nil {
		l.on, l.controller, l.err = x, name, err
		return err == nil
	}
	name = v1
	if l.host.Mode == Unified && v2 != "" {
		name = v2
	}
	l.err = fmt.Errorf("%s: this %s host has no controller %s: %w", l.name(field), l.host.Mode, name, ErrController)
	return false
}

// v2 tells which version the selected controller has.
func (l *limits) v2() bool { return l.on.V2 }

// add adds a setting with one possible file.
func (l *limits) add(file, value, field, why string) {
	l.put(setting{files: []string{file}, value: value, field: field, why: why})
}

// put adds a setting for the selected controller.
func (l *limits) put(s setting) {
	s.on, s.controller = l.on, l.controller
	l.list = append(l.list, s)
}

// refuse sets the error for a value that cannot be applied.
func (l *limits) refuse(field, format string, args ...any) {
	if l.err == nil {
		l.err = fmt.Errorf("%s: %s: %w", l.name(field), fmt.Sprintf(format, args...), ErrLimit)
	}
}

// onlyV1 refuses a limit that cgroup v2 has no more.
func (l *limits) onlyV1(field string) bool {
	if l.v2() {
		l.refuse(field, "cgroup v2 has no such limit")
	}
	return !l.v2()
}

// limitText is the number, or how its cgroup version says "no limit".
func (l *limits) limitText(n int64) string {
	if n >= 0 {
		return strconv.FormatInt(n, 10)
	}
	if l.v2() {
		return "max"
	}
	return "-1"
}

// given is a limit's value, 0 when absent. As with docker and runc, 0 asks for
// nothing.
func given[T int64 | uint64 | uint16](p *T) T {
	if p == nil {
		return 0
	}
	return *p
}

func (l *limits) pids(res *specs.LinuxResources) {
	if res.Pids == nil || res.Pids.Limit == nil || !l.use("pids.limit", "pids", "pids") {
		return
	}
	value := "max"
	switch n := *res.Pids.Limit; {
	case n > 0:
		value = strconv.FormatInt(n, 10)
	case n == 0:
		// The payload itself counts: with 0 it could not be born.
		value = "1"
	}
	l.add("pids.max", value, "pids.limit", "limit the number of tasks")
}

func (l *limits) hugetlb(res *specs.LinuxResources) {
	for _, x := range res.HugepageLimits {
		const field = "hugepageLimits"
		if !l.use(field, "hugetlb", "hugetlb") {
			return
		}
		if !isPageSize(x.Pagesize) {
			l.refuse(field, "page size %q is not a number with KB, MB or GB", x.Pagesize)
			return
		}
		tail := "limit_in_bytes"
		if l.v2() {
			tail = "max"
		}
		value := strconv.FormatUint(x.Limit, 10)
		l.add("hugetlb."+x.Pagesize+"."+tail, value, field, "limit huge pages of this size in use")
		// Since 5.7 reservations are counted on their own; a process that
		// exceeds only this one gets ENOMEM in mmap, not a later SIGBUS.
		l.put(setting{
			files: []string{"hugetlb." + x.Pagesize + ".rsvd." + tail}, value: value,
			optional: true, field: field, why: "limit huge pages reserved",
		})
	}
}

// isPageSize accepts what names the hugetlb files: "64KB", "2MB", "1GB".
func isPageSize(s string) bool {
	n := len(s) - 2
	if n < 1 || n > 8 || s[n+1] != 'B' || s[n] != 'K' && s[n] != 'M' && s[n] != 'G' {
		return false
	}
	for i := range n {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func (l *limits) rdma(res *specs.LinuxResources) {
	for _, device := range sortedKeys(res.Rdma) {
		const field = "rdma"
		if !l.use(field, "rdma", "rdma") {
			return
		}
		if badName(device) != "" {
			l.refuse(field, "device name %q", device)
			return
		}
		value := device
		if n := res.Rdma[device].HcaHandles; n != nil {
			value += " hca_handle=" + strconv.FormatUint(uint64(*n), 10)
		}
		if n := res.Rdma[device].HcaObjects; n != nil {
			value += " hca_object=" + strconv.FormatUint(uint64(*n), 10)
		}
		if value != device {
			l.add("rdma.max", value, field, "limit RDMA handles and objects")
		}
	}
}

func (l *limits) network(res *specs.LinuxResources) {
	n := res.Network
	if n == nil {
		return
	}
	if n.ClassID != nil && *n.ClassID != 0 && l.use("network.classID", "net_cls", "") {
		l.add("net_cls.classid", strconv.FormatUint(uint64(*n.ClassID), 10), "network.classID", "tag packets for traffic control")
	}
	for _, x := range n.Priorities {
		if !l.use("network.priorities", "net_prio", "") {
			return
		}
		if badName(x.Name) != "" {
			l.refuse("network.priorities", "interface name %q", x.Name)
			return
		}
		l.add("net_prio.ifpriomap", x.Name+" "+strconv.FormatUint(uint64(x.Priority), 10), "network.priorities", "set the priority of packets")
	}
}

// sortedKeys makes plans equal for equal input.
func sortedKeys[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

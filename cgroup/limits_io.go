package cgroup

import (
	"fmt"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func (l *limits) blockIO(res *specs.LinuxResources) {
	b := res.BlockIO
	if b == nil {
		return
	}
	if given(b.LeafWeight) != 0 {
		l.refuse("blockIO.leafWeight", "kernels since 5.0 have no CFQ scheduler")
		return
	}
	if given(b.Weight) != 0 && l.use("blockIO.weight", "blkio", "io") {
		l.ioWeight("", *b.Weight, "blockIO.weight", "share block devices by weight")
	}
	for _, x := range b.WeightDevice {
		if x.LeafWeight != nil && *x.LeafWeight != 0 {
			l.refuse("blockIO.weightDevice", "kernels since 5.0 have no CFQ scheduler for a leaf weight")
			return
		}
		if given(x.Weight) != 0 && l.use("blockIO.weightDevice", "blkio", "io") {
			l.ioWeight(deviceNumber(x.LinuxBlockIODevice)+" ", *x.Weight, "blockIO.weightDevice", "share this device by weight")
		}
	}
	for _, t := range []struct {
		list             []specs.LinuxThrottleDevice
		v1, v2, field, w string
	}{
		{b.ThrottleReadBpsDevice, "read_bps", "rbps", "throttleReadBpsDevice", "limit reads in bytes per second"},
		{b.ThrottleWriteBpsDevice, "write_bps", "wbps", "throttleWriteBpsDevice", "limit writes in bytes per second"},
		{b.ThrottleReadIOPSDevice, "read_iops", "riops", "throttleReadIOPSDevice", "limit reads per second"},
		{b.ThrottleWriteIOPSDevice, "write_iops", "wiops", "throttleWriteIOPSDevice", "limit writes per second"},
	} {
		for _, d := range t.list {
			field := "blockIO." + t.field
			if !l.use(field, "blkio", "io") {
				return
			}
			rate := strconv.FormatUint(d.Rate, 10)
			if !l.v2() {
				l.add("blkio.throttle."+t.v1+"_device", deviceNumber(d.LinuxBlockIODevice)+" "+rate, field, t.w)
				continue
			}
			if d.Rate == 0 {
				// v1 lifts a limit with 0; v2 refuses 0.
				rate = "max"
			}
			// One device per write, and keys that are not named keep their
			// values (cgroup-v2.rst, io.max).
			l.add("io.max", deviceNumber(d.LinuxBlockIODevice)+" "+t.v2+"="+rate, field, t.w)
		}
	}
}

// ioWeight applies a weight of 10 to 1000, the range of v1. BFQ's files take
// it as it is; io.weight of v2 (1 to 10000, default 100) needs it converted.
func (l *limits) ioWeight(prefix string, weight uint16, field, why string) {
	if weight < 10 || weight > 1000 {
		l.refuse(field, "%d is not between 10 and 1000", weight)
		return
	}
	value := prefix + strconv.Itoa(int(weight))
	if !l.v2() {
		files := []string{"blkio.bfq.weight", "blkio.weight"}
		if prefix != "" {
			files = []string{"blkio.bfq.weight_device", "blkio.weight_device"}
		}
		l.put(setting{files: files, value: value, field: field, why: why})
		return
	}
	l.put(setting{files: []string{"io.bfq.weight", "io.weight"}, value: value, field: field, why: why})
}

// fileValue is the value in the form that one of a setting's files takes.
func (s *setting) fileValue(file string) string {
	if file != "io.weight" || s.controller != "io" || len(s.files) < 2 {
		return s.value
	}
	at := strings.LastIndexByte(s.value, ' ') + 1
	n, err := strconv.ParseUint(s.value[at:], 10, 16)
	if err != nil {
		return s.value
	}
	return s.value[:at] + strconv.FormatUint(1+(n-10)*9999/990, 10)
}

func deviceNumber(d specs.LinuxBlockIODevice) string {
	return strconv.FormatInt(d.Major, 10) + ":" + strconv.FormatInt(d.Minor, 10)
}

// unified applies linux.resources.unified: v2 files by name.
func (l *limits) unified(res *specs.LinuxResources) {
	for _, file := range sortedKeys(res.Unified) {
		field := "unified." + file
		controller, _, ok := strings.Cut(file, ".")
		if !ok || controller == "" || strings.ContainsAny(file, "/\x00\n") {
			l.refuse("unified", "%q is not the name of a control file", file)
			return
		}
		if !l.useUnified(field, file, controller) {
			return
		}
		// Files such as io.max take one line for each write.
		for line := range strings.Lines(res.Unified[file]) {
			if line = strings.TrimSuffix(line, "\n"); line != "" {
				l.add(file, line, field, "set this v2 file as given")
			}
		}
	}
}

// useUnified selects the v2 hierarchy for a file. Of the kernel's own files
// only those are let through that neither move, stop nor end processes.
func (l *limits) useUnified(field, file, controller string) bool {
	v2 := l.host.V2()
	if v2 == nil {
		l.err = fmt.Errorf("%s: no cgroup v2 hierarchy is mounted: %w", l.name(field), ErrController)
		return false
	}
	switch file {
	case "cgroup.max.depth", "cgroup.max.descendants", "cgroup.pressure":
		l.on, l.controller = v2, ""
		return true
	}
	if controller == "cgroup" {
		l.refuse(field, "this file is not a limit")
		return false
	}
	x, err := l.host.Find(controller)
	if err != nil {
		l.err = err
		return false
	}
	if x == nil || !x.V2 {
		l.err = fmt.Errorf("%s: controller %s is not on cgroup v2: %w", l.name(field), controller, ErrController)
		return false
	}
	l.on, l.controller = v2, controller
	return true
}

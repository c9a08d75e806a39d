package cli

import (
	"fmt"
	"strconv"
	"strings"

	units "github.com/docker/go-units"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/cli/option"
)

// deviceRate is a limit on one block device: bytes or operations per second.
type deviceRate struct {
	path string
	rate uint64
}

// blkioFlags limit block devices.
type blkioFlags struct {
	weight              uint16
	readBps, writeBps   []deviceRate
	readIOps, writeIOps []deviceRate
	weightSet           bool
	weights             []deviceRate
}

func (f *blkioFlags) options() []*option.Option {
	return []*option.Option{
		option.New("blkio-weight", "uint16", "Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)", func(s string) error {
			n, err := strconv.ParseUint(s, 10, 16)
			f.weight, f.weightSet = uint16(n), n != 0
			return err
		}),
		option.ParsedList(&f.weights, parseDeviceWeight, "blkio-weight-device", "list", "Block IO weight (relative device weight)"),
		option.ParsedList(&f.readBps, parseDeviceBps, "device-read-bps", "list", "Limit read rate (bytes per second) from a device"),
		option.ParsedList(&f.writeBps, parseDeviceBps, "device-write-bps", "list", "Limit write rate (bytes per second) to a device"),
		option.ParsedList(&f.readIOps, parseDeviceIOps, "device-read-iops", "list", "Limit read rate (IO per second) from a device"),
		option.ParsedList(&f.writeIOps, parseDeviceIOps, "device-write-iops", "list", "Limit write rate (IO per second) to a device"),
	}
}

// parseDeviceBps reads PATH:SIZE, where the size may have a unit.
func parseDeviceBps(s string) (deviceRate, error) {
	path, text, err := splitDevice(s)
	if err != nil {
		return deviceRate{}, err
	}
	rate, err := units.RAMInBytes(text)
	if err != nil || rate < 0 {
		return deviceRate{}, fmt.Errorf("invalid rate for device: %s. The correct format is <device-path>:<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb", s)
	}
	return deviceRate{path, uint64(rate)}, nil
}

// parseDeviceWeight reads PATH:WEIGHT.
func parseDeviceWeight(s string) (deviceRate, error) {
	path, text, err := splitDevice(s)
	if err != nil {
		return deviceRate{}, err
	}
	weight, err := strconv.ParseUint(text, 10, 16)
	if err != nil || weight > 0 && (weight < 10 || weight > 1000) {
		return deviceRate{}, verbatim("invalid weight for device: %s", s)
	}
	return deviceRate{path, weight}, nil
}

// parseDeviceIOps reads PATH:NUMBER.
func parseDeviceIOps(s string) (deviceRate, error) {
	path, text, err := splitDevice(s)
	if err != nil {
		return deviceRate{}, err
	}
	rate, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return deviceRate{}, fmt.Errorf("invalid rate for device: %s. The correct format is <device-path>:<number>. Number must be a positive integer", s)
	}
	return deviceRate{path, rate}, nil
}

func splitDevice(s string) (path, rest string, err error) {
	path, rest, found := strings.Cut(s, ":")
	if !found || path == "" {
		return "", "", fmt.Errorf("bad format: %s", s)
	}
	if !strings.HasPrefix(path, "/dev/") {
		return "", "", fmt.Errorf("bad format for device path: %s", s)
	}
	return path, rest, nil
}

func (f *blkioFlags) check() error {
	if f.weightSet && (f.weight < 10 || f.weight > 1000) {
		return verbatim("Range of blkio weight is from 10 to 1000")
	}
	return nil
}

func (f *blkioFlags) apply(d *draft) error {
	block := &specs.LinuxBlockIO{}
	const path = "linux.resources.blockIO."
	if f.weightSet {
		block.Weight = &f.weight
		d.resources().BlockIO = block
		d.asked(path+"weight", "--blkio-weight")
	}
	for _, w := range f.weights {
		x := specs.LinuxWeightDevice{Weight: to(uint16(w.rate))}
		var err error
		if x.Major, x.Minor, err = w.number("--blkio-weight-device"); err != nil {
			return err
		}
		block.WeightDevice = append(block.WeightDevice, x)
		d.resources().BlockIO = block
		d.asked(path+"weightDevice", "--blkio-weight-device")
	}
	for _, list := range []struct {
		rates []deviceRate
		into  *[]specs.LinuxThrottleDevice
		field string
		flag  string
	}{
		{f.readBps, &block.ThrottleReadBpsDevice, "throttleReadBpsDevice", "--device-read-bps"},
		{f.writeBps, &block.ThrottleWriteBpsDevice, "throttleWriteBpsDevice", "--device-write-bps"},
		{f.readIOps, &block.ThrottleReadIOPSDevice, "throttleReadIOPSDevice", "--device-read-iops"},
		{f.writeIOps, &block.ThrottleWriteIOPSDevice, "throttleWriteIOPSDevice", "--device-write-iops"},
	} {
		for _, r := range list.rates {
			t := specs.LinuxThrottleDevice{Rate: r.rate}
			var err error
			if t.Major, t.Minor, err = r.number(list.flag); err != nil {
				return err
			}
			*list.into = append(*list.into, t)
			d.resources().BlockIO = block
			d.asked(path+list.field, list.flag)
		}
	}
	return nil
}

// number is the device's number, for the flag that names it.
func (r deviceRate) number(flag string) (major, minor int64, err error) {
	var st unix.Stat_t
	if err := unix.Stat(r.path, &st); err != nil {
		return 0, 0, fmt.Errorf("%s %s: stat: %w", flag, r.path, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return 0, 0, fmt.Errorf("%s %s: not a block device", flag, r.path)
	}
	return int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev)), nil
}

package cli

import (
	"fmt"
	"strconv"

	units "github.com/docker/go-units"

	"berth/cli/option"
)

// refusedFlags are docker's flags for other systems, for parts that berth does
// not have, and for what is gone from Linux. Each is taken when it asks for what
// is so anyway, and else refused with the reason: a script must not believe that
// it has what it asked for.
type refusedFlags struct {
	given []refusal
	warn  []string
}

// refusal is one such flag with what was asked.
type refusal struct{ flag, why string }

// refuses returns an option that takes a value for which harmless is true.
func (f *refusedFlags) refuses(forms, arg, usage, why string, harmless func(string) (bool, error)) *option.Option {
	var o *option.Option
	o = option.New(forms, arg, usage, func(s string) error {
		ok, err := harmless(s)
		if err == nil && !ok {
			f.given = append(f.given, refusal{"--" + o.Name, why})
		}
		return err
	})
	return o
}

func isZero(s string) (bool, error) {
	n, err := strconv.ParseInt(s, 0, 64)
	return n == 0, err
}

func isNoBytes(s string) (bool, error) {
	n, err := units.RAMInBytes(s)
	return n == 0, err
}

func isFalse(s string) (bool, error) {
	on, err := strconv.ParseBool(s)
	return !on, err
}

// oneOf takes some words.
func oneOf(words ...string) func(string) (bool, error) {
	return func(s string) (bool, error) {
		for _, w := range words {
			if s == w {
				return true, nil
			}
		}
		return s == "", nil
	}
}

func (f *refusedFlags) options() []*option.Option {
	const windows = "it is for containers of Windows"
	isolation := option.New("isolation", "string", "Container isolation technology (default only)", func(s string) error {
		if s != "" && s != "default" {
			f.given = append(f.given, refusal{"--isolation " + s, windows})
		}
		return nil
	})
	return []*option.Option{
		isolation,
		f.refuses("cpu-count", "int", "CPU count (Windows only)", windows, isZero),
		f.refuses("cpu-percent", "int", "CPU percent (Windows only)", windows, isZero),
		f.refuses("io-maxbandwidth", "bytes", "Maximum IO bandwidth limit for the system drive (Windows only)", windows, isNoBytes),
		f.refuses("io-maxiops", "uint", "Maximum IOps limit for the system drive (Windows only)", windows, isZero),
		f.refuses("volume-driver", "string", "Optional volume driver for the container (local only)", "berth has no volume plugins", oneOf("local")),
		f.refuses("storage-opt", "list", "Storage driver options for the container", "berth sets no quotas on the files of a container", oneOf()),
		f.refuses("runtime", "string", "Runtime to use for this container (berth only)", "berth is the runtime; it starts no other", oneOf("berth", "runc", "io.containerd.runc.v2")),
		f.refuses("gpus", "gpu-request", "GPU devices to add to the container", "this version has no device drivers; --device adds a device by its path", oneOf()),
		f.refuses("use-api-socket", "", "Bind mount Docker API socket and required auth", "this version has no API socket", isFalse),
		f.refuses("cgroups", "string", "Whether to make a cgroup (enabled, no-conmon)", "every container has a cgroup of its own below its parent: limits, stats and kill go by it", oneOf("enabled", "no-conmon")),
		f.refuses("sdnotify", "string", "Whose messages to the service manager count (ignore)", "this version passes on no messages to the service manager", oneOf("ignore")),
		option.New("kernel-memory", "bytes", "Kernel memory limit (ignored)", func(s string) error {
			n, err := units.RAMInBytes(s)
			if n != 0 {
				f.warn = append(f.warn, "Specifying a kernel memory limit is deprecated and has no effect: Linux has none since 5.16")
			}
			return err
		}),
		contentTrust(&f.warn),
	}
}

func (f *refusedFlags) check() error {
	for _, r := range f.given {
		return fmt.Errorf("%s is not supported: %s", r.flag, r.why)
	}
	return nil
}

func (f *refusedFlags) apply(d *draft) error {
	for _, text := range f.warn {
		d.warn(text)
	}
	return nil
}

package logs

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	units "github.com/docker/go-units"
)

// Rotation of json-file when the user asks for none. Docker's own default is
// one file that grows until the disk is full.
const (
	DefaultMaxSize  = 10 << 20
	DefaultMaxFiles = 3
)

// maxIndex bounds max-file, and so the names that a reader looks at.
const maxIndex = 1000

// fileOptions say how the files of a log are rotated.
type fileOptions struct {
	// maxSize is the size in bytes at which a file is rotated; below 0 never.
	// A file exceeds it by less than one record.
	maxSize int64
	// maxFiles counts the current file, too.
	maxFiles int
	// compress has rotated files compressed.
	compress bool
}

// jsonDefaults are those of the driver json-file.
func jsonDefaults() fileOptions {
	return fileOptions{maxSize: DefaultMaxSize, maxFiles: DefaultMaxFiles}
}

// localDefaults are those of the driver local, docker's.
func localDefaults() fileOptions { return fileOptions{maxSize: 20 << 20, maxFiles: 5, compress: true} }

// common are the options of every driver that keeps a log.
func common() []string { return []string{"mode", "max-buffer-size"} }

func sortedKeys(opts map[string]string) []string { return slices.Sorted(maps.Keys(opts)) }

// parse reads a driver's options on top of its defaults. As in docker, sizes
// are decimal: 10m is 10,000,000 bytes. max-size=-1 turns rotation off.
func (o fileOptions) parse(opts map[string]string) (fileOptions, error) {
	asked := false
	for _, key := range sortedKeys(opts) {
		value := opts[key]
		var err error
		switch key {
		case "max-size":
			o.maxSize, err = parseSize(value)
		case "max-file":
			o.maxFiles, err = parseFiles(value)
		case "compress":
			o.compress, err = strconv.ParseBool(value)
			asked = o.compress
		}
		if err != nil {
			return o, fmt.Errorf("log opt '%s=%s': %w", key, value, err)
		}
	}
	if o.maxFiles == 1 || o.maxSize < 0 {
		if asked {
			return o, errors.New("compress cannot be true when max-file is less than 2 or max-size is not set")
		}
		o.compress = false
	}
	return o, nil
}

// checkFiles checks the options of a driver that keeps files.
func checkFiles(defaults fileOptions) func(opts map[string]string) error {
	return func(opts map[string]string) error {
		if _, err := defaults.parse(opts); err != nil {
			return err
		}
		return checkAttributes(opts)
	}
}

// parseSize reads a max-size.
func parseSize(value string) (int64, error) {
	if value == "-1" {
		return -1, nil
	}
	n, err := units.FromHumanSize(value)
	if err != nil {
		return 0, err
	}
	if n <= 0 {
		return 0, errors.New("max-size must be a positive number")
	}
	return n, nil
}

// parseFiles reads a max-file.
func parseFiles(value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil {
		return 0, err
	}
	if n < 1 {
		return 0, errors.New("max-file cannot be less than 1")
	}
	if n > maxIndex {
		return 0, fmt.Errorf("max-file cannot be more than %d", maxIndex)
	}
	return n, nil
}

// defaultBuffer is docker's max-buffer-size, in bytes.
const defaultBuffer = 1e6

// parseMode reads how a payload and its log are coupled: 0 lets the payload
// wait for the log, anything else is how many bytes may be on the way there.
func parseMode(opts map[string]string) (buffer int, err error) {
	size, sized := opts["max-buffer-size"]
	switch mode := opts["mode"]; mode {
	case "", "blocking":
		if sized {
			return 0, errors.New("logger: max-buffer-size option is only supported with 'mode=non-blocking'")
		}
		return 0, nil
	case "non-blocking":
	default:
		return 0, fmt.Errorf("logger: logging mode not supported: %s", mode)
	}
	if !sized {
		return defaultBuffer, nil
	}
	n, err := units.RAMInBytes(size)
	if err != nil {
		// docker's words
		return 0, fmt.Errorf("error parsing option max-buffer-size: %w", err)
	}
	// A buffer that holds nothing would drop all, one of 2 GiB is no bound.
	return int(min(max(n, 1), 1<<30)), nil
}

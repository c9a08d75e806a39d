package logs

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	units "github.com/docker/go-units"
)

// Rotation when the user asks for none. Docker's own default is one file that
// grows until the disk is full.
const (
	DefaultMaxSize  = 10 << 20
	DefaultMaxFiles = 3
)

// Options says how a log is written.
type Options struct {
	// MaxSize is the size in bytes at which a file is rotated; 0 takes
	// DefaultMaxSize, below 0 never rotates. A file exceeds it by less than one
	// record.
	MaxSize int64
	// MaxFiles counts the current file, too; 0 takes DefaultMaxFiles.
	MaxFiles int
	// Attrs goes into each record.
	Attrs map[string]string
	// Report is called once when writing begins to fail, from within Write. It
	// must neither block nor write to the container's streams.
	Report func(error)
}

// ParseOptions reads docker's --log-opt settings for the json-file driver,
// with docker's words for what is wrong. As in docker, sizes are decimal: 10m
// is 10,000,000 bytes. max-size=-1 turns rotation off.
//
// labels and env only pick what goes into Options.Attrs, which Attributes
// makes. Options that docker knows and berth does not honour are refused
// rather than ignored.
func ParseOptions(opts map[string]string) (Options, error) {
	o := Options{MaxSize: DefaultMaxSize, MaxFiles: DefaultMaxFiles}
	for key, value := range opts {
		if err := o.set(key, value); err != nil {
			return Options{}, err
		}
	}
	return o, nil
}

// set applies one --log-opt.
func (o *Options) set(key, value string) (err error) {
	switch key {
	case "max-size":
		o.MaxSize, err = parseSize(value)
	case "max-file":
		o.MaxFiles, err = parseFiles(value)
	case "labels", "env":
	case "mode":
		if value != "blocking" {
			return fmt.Errorf("logger: logging mode not supported: %s", value)
		}
	case "compress":
		var on bool
		on, err = strconv.ParseBool(value)
		if err == nil && on {
			return errors.New("log opt 'compress' is not supported: rotated files stay readable as they are")
		}
	case "labels-regex", "env-regex", "tag", "max-buffer-size":
		return fmt.Errorf("log opt '%s' is not supported for json-file log driver", key)
	default:
		return fmt.Errorf("unknown log opt '%s' for json-file log driver", key)
	}
	if err != nil {
		return fmt.Errorf("log opt '%s=%s': %w", key, value, err)
	}
	return nil
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

// Attributes picks the labels and environment variables ("K=V") that the log
// options "labels" and "env" (comma-separated names) ask for. On equal names
// the variable wins, as in docker. The result is nil when there are none.
func Attributes(opts, labels map[string]string, env []string) map[string]string {
	var attrs map[string]string
	add := func(key, value string) {
		if attrs == nil {
			attrs = make(map[string]string)
		}
		attrs[key] = value
	}
	for key := range strings.SplitSeq(opts["labels"], ",") {
		if value, ok := labels[key]; ok {
			add(key, value)
		}
	}
	for name := range strings.SplitSeq(opts["env"], ",") {
		for _, kv := range env {
			if k, v, ok := strings.Cut(kv, "="); ok && k == name {
				add(k, v)
			}
		}
	}
	return attrs
}

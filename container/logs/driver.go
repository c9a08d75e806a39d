package logs

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// driver is one way to keep a log.
type driver struct {
	name string
	// unknown is docker's wording for an option that the driver does not have.
	unknown string
	// options are the driver's own; those of every driver are in common.
	options []string
	// check looks at the options' values; nil for none to look at.
	check func(opts map[string]string) error
	// open makes where records go; nil for nowhere.
	open func(c Container, opts map[string]string, loss *losses) (sink, error)
	// read passes on the records; nil when they cannot be read.
	read func(ctx context.Context, c Container, o ReadOptions, out func(Record) error) error
}

// drivers is the table of all drivers.
func drivers() []driver {
	described := []string{"labels", "labels-regex", "env", "env-regex", "tag"}
	files := append([]string{"max-size", "max-file", "compress"}, described...)
	return []driver{
		{
			name: "json-file", unknown: "unknown log opt '%s' for json-file log driver", options: files,
			check: checkFiles(jsonDefaults()), open: openLogFiles(jsonDefaults(), newJSON), read: readLogFiles(newJSON),
		},
		{
			name: "local", unknown: "unknown log opt '%s' for log driver local", options: files,
			check: checkFiles(localDefaults()), open: openLogFiles(localDefaults(), newLocal), read: readLogFiles(newLocal),
		},
		{
			name: "journald", unknown: "unknown log opt '%s' for journald log driver", options: described,
			check: checkAttributes, open: openJournal, read: readJournal,
		},
		{name: "none"},
	}
}

// Names are the drivers, the default first.
func Names() []string {
	var names []string
	for _, d := range drivers() {
		names = append(names, d.name)
	}
	return names
}

// HasFile reports whether a driver keeps its records in a file at
// Container.LogPath that docker's inspect would name.
func HasFile(driver string) bool { return driver == "json-file" }

// find looks a driver up.
func find(name string) (driver, error) {
	for _, d := range drivers() {
		if d.name == name {
			return d, nil
		}
	}
	return driver{}, fmt.Errorf("logger: no log driver named '%s' is registered", name)
}

// Check refuses a driver that does not exist and options that it does not
// take, in docker's words.
func Check(name string, opts map[string]string) error {
	d, err := find(name)
	if err != nil {
		return err
	}
	if d.open == nil {
		if len(opts) > 0 {
			return fmt.Errorf("invalid logging opts for driver %s", name)
		}
		return nil
	}
	if _, err := parseMode(opts); err != nil {
		return err
	}
	for _, key := range sortedKeys(opts) {
		if !slices.Contains(d.options, key) && !slices.Contains(common(), key) {
			return fmt.Errorf(d.unknown, key)
		}
	}
	return d.check(opts)
}

// Container is what a driver is told of the container whose log it keeps.
// Reading needs the first two fields only.
type Container struct {
	ID      string
	LogPath string // absolute; the folder exists
	Name    string
	Image   string // as the user named it
	ImageID string
	Args    []string // the command line
	Env     []string // "K=V"
	Labels  map[string]string
	Created time.Time
}

// Open begins to write a container's log, which continues when it exists; nil
// for a driver that keeps none. Nothing is created before the first record.
// report is called once when writing begins to fail, from within Write: it
// must neither block nor write to the container's streams, and may be nil.
// Close the Writer when the streams have ended.
func Open(name string, opts map[string]string, c Container, report func(error)) (*Writer, error) {
	d, err := find(name)
	if err != nil || d.open == nil {
		return nil, err
	}
	mode, err := parseMode(opts)
	if err != nil {
		return nil, err
	}
	loss := &losses{path: c.LogPath, report: report}
	s, err := d.open(c, opts, loss)
	if err != nil {
		return nil, err
	}
	return newWriter(s, loss, mode), nil
}

// Read passes the records of a container's log to out, oldest first. It
// returns out's error, ctx's error, or what made reading impossible; a log
// that does not exist has no records. Without Follow it stops at what was
// there when it began.
func Read(ctx context.Context, name string, c Container, o ReadOptions, out func(Record) error) error {
	d, err := find(name)
	if err != nil {
		return err
	}
	if d.read == nil {
		return ErrUnreadable
	}
	told := o.noteLoss(c, 0)
	err = d.read(ctx, c, o, out)
	o.noteLoss(c, told)
	o.idle()
	return err
}

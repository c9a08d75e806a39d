package cli

import (
	"slices"
	"strings"

	"berth/cli/option"
	"berth/container"
	"berth/container/logs"
)

// logFlags say where the payload's output goes.
type logFlags struct {
	driver string
	opts   []string
}

func (f *logFlags) options() []*option.Option {
	f.driver = "json-file"
	return []*option.Option{
		option.Text(&f.driver, "log-driver", "string", "Logging driver for the container: json-file (the default), local, journald or none"),
		option.ParsedList(&f.opts, keyValue("log option"), "log-opt", "list", "Log driver options: max-size, max-file, compress, labels, labels-regex, env, env-regex, tag, mode, max-buffer-size"),
	}
}

func (f *logFlags) check() error {
	if f.driver == "" {
		f.driver = "json-file"
	}
	err := logs.Check(f.driver, f.settings())
	if err != nil && !slices.Contains(logs.Names(), f.driver) {
		return &hintError{err, "the drivers are " + strings.Join(logs.Names(), ", ")}
	}
	return err
}

func (f *logFlags) settings() map[string]string {
	settings := map[string]string{}
	addPairs(settings, f.opts)
	return settings
}

func (f *logFlags) apply(d *draft) error {
	d.Log = container.LogConfig{Driver: f.driver}
	if len(f.opts) > 0 {
		d.Log.Opts = f.settings()
	}
	return nil
}

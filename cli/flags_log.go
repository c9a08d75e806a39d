package cli

import (
	"errors"
	"fmt"

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
		option.Text(&f.driver, "log-driver", "string", "Logging driver for the container: json-file (the default) or none"),
		option.ParsedList(&f.opts, keyValue("log option"), "log-opt", "list", "Log driver options: max-size, max-file"),
	}
}

func (f *logFlags) check() error {
	switch f.driver {
	case "json-file":
	case "none":
		if len(f.opts) > 0 {
			return errors.New("unknown log opt for driver none")
		}
	default:
		return &hintError{
			fmt.Errorf("logger: no log driver named '%s' is registered", f.driver),
			"this version has --log-driver json-file and --log-driver none",
		}
	}
	_, err := logs.ParseOptions(f.settings())
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

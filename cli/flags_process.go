package cli

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	units "github.com/docker/go-units"
	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/cli/option"
	"berth/container"
)

// defaultPath is the PATH of a container whose image has none (docker's).
const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// processFlags describe the payload.
type processFlags struct {
	interactive, tty, init bool
	env, envFiles          []string
	workdir, user          string
	groupAdd               []string
	entrypoint             string
	entrypointSet          bool
	stopSignal             string
	stopTimeout            *int
	oomScoreAdj            *int
	umask                  *uint32
	ulimits                []specs.POSIXRlimit
}

func (f *processFlags) options() []*option.Option {
	return []*option.Option{
		option.Switch(&f.interactive, "i,interactive", "Keep STDIN open even if not attached"),
		option.Switch(&f.tty, "t,tty", "Allocate a pseudo-TTY"),
		option.Switch(&f.init, "init", "Run an init inside the container that forwards signals and reaps processes"),
		option.ParsedList(&f.env, parseEnv, "e,env", "list", "Set environment variables"),
		option.List(&f.envFiles, "env-file", "list", "Read in a file of environment variables"),
		option.Text(&f.workdir, "w,workdir", "string", "Working directory inside the container"),
		option.Text(&f.user, "u,user", "string", "Username or UID (format: <name|uid>[:<group|gid>])"),
		option.List(&f.groupAdd, "group-add", "list", "Add additional groups to join"),
		option.New("entrypoint", "string", "Overwrite the default ENTRYPOINT of the image", func(s string) error {
			f.entrypoint, f.entrypointSet = s, true
			return nil
		}),
		option.Parsed(&f.stopSignal, checkSignal, "stop-signal", "string", "Signal to stop the container"),
		option.Parsed(&f.stopTimeout, parseInt, "stop-timeout", "int", "Timeout (in seconds) to stop a container"),
		option.Parsed(&f.oomScoreAdj, parseInt, "oom-score-adj", "int", "Tune host's OOM preferences (-1000 to 1000)"),
		option.Parsed(&f.umask, parseUmask, "umask", "string", "File mode creation mask of the payload, in octal"),
		option.ParsedList(&f.ulimits, parseUlimit, "ulimit", "ulimit", "Ulimit options"),
	}
}

func parseInt(s string) (*int, error) {
	wide, err := strconv.ParseInt(s, 10, strconv.IntSize)
	n := int(wide)
	return &n, err
}

func parseUmask(s string) (*uint32, error) {
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil || n > 0o777 {
		return nil, fmt.Errorf("invalid umask %s: must be octal, 0 to 0777", s)
	}
	return to(uint32(n)), nil
}

// parseUlimit reads name=soft[:hard]; -1 is no limit.
func parseUlimit(s string) (specs.POSIXRlimit, error) {
	u, err := units.ParseUlimit(s)
	if err != nil {
		return specs.POSIXRlimit{}, err
	}
	// The sign is how docker writes RLIM_INFINITY.
	return specs.POSIXRlimit{Type: "RLIMIT_" + strings.ToUpper(u.Name), Soft: uint64(u.Soft), Hard: uint64(u.Hard)}, nil
}

// checkSignal accepts what container.ParseSignal can read.
func checkSignal(s string) (string, error) {
	_, err := container.ParseSignal(s)
	return s, err
}

func (f *processFlags) check() error {
	if f.workdir != "" && !path.IsAbs(f.workdir) {
		return &daemonError{fmt.Errorf("the working directory '%s' is invalid, it needs to be an absolute path", f.workdir)}
	}
	if v := f.oomScoreAdj; v != nil && (*v < -1000 || *v > 1000) {
		return &daemonError{verbatim("Invalid value %d, range for oom score adj is [-1000, 1000]", *v)}
	}
	return nil
}

func (f *processFlags) apply(d *draft) error {
	p := d.Spec.Process
	if p.Terminal = f.tty; f.tty {
		d.asked("process.terminal", "--tty")
	}
	d.OpenStdin, d.Init = f.interactive, f.init
	p.Cwd = "/"
	if d.image.WorkingDir != "" {
		p.Cwd = path.Join("/", d.image.WorkingDir)
		d.asked("process.cwd", "WORKDIR of the image")
	}
	if f.workdir != "" {
		p.Cwd = path.Clean(f.workdir)
		d.asked("process.cwd", "--workdir")
	}
	d.StopSignal, d.StopTimeout = d.image.StopSignal, f.stopTimeout
	if f.stopSignal != "" {
		d.StopSignal = f.stopSignal
	}
	if f.oomScoreAdj != nil {
		p.OOMScoreAdj = f.oomScoreAdj
		d.asked("process.oomScoreAdj", "--oom-score-adj")
	}
	if f.umask != nil {
		p.User.Umask = f.umask
		d.asked("process.user.umask", "--umask")
	}
	f.applyUlimits(d)
	if err := f.applyUser(d); err != nil {
		return err
	}
	return f.applyEnv(d)
}

// applyUlimits replaces defaults of the same name.
func (f *processFlags) applyUlimits(d *draft) {
	p := d.Spec.Process
	for _, limit := range f.ulimits {
		p.Rlimits = slices.DeleteFunc(slices.Clone(p.Rlimits), func(r specs.POSIXRlimit) bool { return r.Type == limit.Type })
		p.Rlimits = append(p.Rlimits, limit)
		d.asked("process.rlimits["+limit.Type+"]", "--ulimit")
	}
}

// applyEnv makes the environment: docker's own variables, what the flags say,
// then what the image adds. HOME is left to the start, which knows the user's.
func (f *processFlags) applyEnv(d *draft) error {
	asked, err := readPairFiles("env", f.envFiles)
	if err != nil {
		return err
	}
	asked = append(asked, f.env...)
	for _, v := range d.proxies {
		key, _, _ := strings.Cut(v, "=")
		if !slices.ContainsFunc(asked, func(other string) bool { return other == key || strings.HasPrefix(other, key+"=") }) {
			asked = append(asked, v)
		}
	}
	env := environment{}
	env.set(defaultPath)
	env.set("HOSTNAME=" + d.hostname())
	if f.tty {
		env.set("TERM=xterm")
	}
	for _, v := range d.image.Env {
		env.set(v)
	}
	for _, v := range asked {
		key, _, given := strings.Cut(v, "=")
		if !given {
			// The variable is taken from the caller; when he has none, the
			// container gets none either.
			value, ok := d.lookupEnv(key)
			if !ok {
				env.unset(key)
				continue
			}
			v = key + "=" + value
		}
		env.set(v)
	}
	d.Spec.Process.Env = env.list
	return nil
}

// command decides what runs, by docker's rules: a new entrypoint throws away
// the image's command, and an empty one throws away both.
func (f *processFlags) command(d *draft, args []string) error {
	d.Entrypoint, d.Cmd = d.image.Entrypoint, args
	switch {
	case f.entrypointSet && f.entrypoint == "":
		d.Entrypoint = nil
	case f.entrypointSet:
		d.Entrypoint = []string{f.entrypoint}
		d.asked("process.args", "--entrypoint")
	case len(args) == 0:
		d.Cmd = d.image.Cmd
	}
	d.Spec.Process.Args = slices.Concat(d.Entrypoint, d.Cmd)
	if len(d.Spec.Process.Args) == 0 {
		return fmt.Errorf("no command specified")
	}
	for _, arg := range d.Spec.Process.Args {
		if strings.ContainsRune(arg, 0) {
			return fmt.Errorf("argument %q contains a NUL byte", arg)
		}
	}
	return nil
}

// readPairFiles reads all --env-file or --label-file files in order.
func readPairFiles(what string, paths []string) ([]string, error) {
	var all []string
	for _, name := range paths {
		file, err := os.Open(filepath.Clean(name))
		if err != nil {
			return nil, err
		}
		vars, err := parseEnvFile(file)
		file.Close()
		if err != nil {
			return nil, fmt.Errorf("invalid %s file (%s): %w", what, name, err)
		}
		all = append(all, vars...)
	}
	return all, nil
}

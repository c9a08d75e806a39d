package credentials

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"berth/registry/jsonfile"
)

// Options says where logins are kept. The zero value knows of none.
type Options struct {
	// AuthFile is the only file, in place of all others; "" for the usual ones.
	AuthFile string
	// LookupEnv is the environment: HOME, XDG_CONFIG_HOME, XDG_RUNTIME_DIR,
	// REGISTRY_AUTH_FILE, DOCKER_AUTH_CONFIG and DOCKER_CONFIG are looked at. Nil
	// is an empty one.
	LookupEnv func(string) (string, bool)
	// RuntimeDir is where podman keeps logins without XDG_RUNTIME_DIR:
	// "/run/containers".
	RuntimeDir string
	// UID is the user whose folder in RuntimeDir is read.
	UID int
	// Stderr is for what helper programs have to say; nil discards it.
	Stderr io.Writer
}

// Files are the files that logins are in. It may be used from several goroutines
// at once.
type Files struct {
	options Options

	mu    sync.Mutex
	known map[string]Auth
}

// New returns the files that o speaks of. None is read before it is asked.
func New(o Options) *Files {
	if o.LookupEnv == nil {
		o.LookupEnv = func(string) (string, bool) { return "", false }
	}
	return &Files{options: o, known: map[string]Auth{}}
}

func (f *Files) env(key string) string {
	value, _ := f.options.LookupEnv(key)
	return value
}

// place is one place where logins may be: a file, or a variable that has what
// would be in one.
type place struct {
	path    string
	content string
	// required: that it is not there is an error.
	required bool
	// legacy is a ~/.dockercfg, which is the auths of a file alone.
	legacy bool
}

// places lists where logins are looked for, in this order.
func (f *Files) places() []place {
	if f.options.AuthFile != "" {
		return []place{{path: f.options.AuthFile, required: true}}
	}
	var list []place
	add := func(p place, parts ...string) {
		// Without a home there is no file in it.
		if parts[0] != "" {
			p.path = filepath.Join(parts...)
			list = append(list, p)
		}
	}
	home := f.env("HOME")
	add(place{}, f.env("REGISTRY_AUTH_FILE"))
	if content := f.env("DOCKER_AUTH_CONFIG"); content != "" {
		list = append(list, place{path: "DOCKER_AUTH_CONFIG", content: content})
	}
	add(place{}, f.dockerFolder(), "config.json")
	if runtime := f.env("XDG_RUNTIME_DIR"); runtime != "" {
		add(place{}, runtime, "containers", "auth.json")
	} else {
		add(place{}, f.options.RuntimeDir, strconv.Itoa(f.options.UID), "auth.json")
	}
	if config := f.env("XDG_CONFIG_HOME"); config != "" {
		add(place{}, config, "containers", "auth.json")
	} else if home != "" {
		add(place{}, home, ".config", "containers", "auth.json")
	}
	add(place{legacy: true}, home, ".dockercfg")
	return list
}

// dockerFolder is where docker keeps its config.json; "" without a home.
func (f *Files) dockerFolder() string {
	if folder := f.env("DOCKER_CONFIG"); folder != "" {
		return folder
	}
	if home := f.env("HOME"); home != "" {
		return filepath.Join(home, ".docker")
	}
	return ""
}

// Get returns what the user is to a repository of a registry; the zero Auth when
// no file and no helper program knows. The first file that knows decides. A file
// that cannot be read, or a helper that fails, is an error which names it.
func (f *Files) Get(ctx context.Context, registry, repository string) (Auth, error) {
	key := registry + "/" + repository
	f.mu.Lock()
	defer f.mu.Unlock()
	if a, ok := f.known[key]; ok {
		return a, nil
	}
	a, _, err := f.find(ctx, namesOf(registry, repository))
	if err == nil {
		f.known[key] = a
	}
	return a, err
}

// Where returns the file, or the variable, that knows who the user is to a
// registry; "" for none.
func (f *Files) Where(ctx context.Context, registry string) (string, error) {
	_, p, err := f.find(ctx, namesOf(registry, ""))
	return p.path, err
}

// Registries lists the registries that the files speak of by a name of their own,
// in order. What cannot be read has none.
func (f *Files) Registries() []string {
	var list []string
	for _, p := range f.places() {
		file, err := p.read()
		if err != nil {
			continue
		}
		for key := range file.Auths {
			list = append(list, Registry(key))
		}
		for key := range file.CredHelpers {
			list = append(list, Registry(key))
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// find looks through all places and says in which one it found something.
func (f *Files) find(ctx context.Context, names names) (Auth, place, error) {
	for _, p := range f.places() {
		file, err := p.read()
		if err != nil {
			return Auth{}, p, fmt.Errorf("read credentials: %w", err)
		}
		a, err := file.find(ctx, names, f.options.Stderr)
		if err != nil || a != (Auth{}) {
			return a, p, err
		}
	}
	return Auth{}, place{}, nil
}

// read reads a place; one that is not there is as an empty one.
func (p place) read() (*authFile, error) {
	file := &authFile{name: p.path}
	var into any = file
	if p.legacy {
		into = &file.Auths
	}
	if p.content != "" {
		return file, jsonfile.Decode(p.path, []byte(p.content), into)
	}
	err := jsonfile.Read(p.path, into)
	if !p.required && absent(err) {
		err = nil
	}
	return file, err
}

// absent tells that there is no such file. Services have a HOME as /dev/null, and
// nothing is below that.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

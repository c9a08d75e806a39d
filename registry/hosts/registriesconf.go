package hosts

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/pelletier/go-toml/v2"

	"berth/registry/jsonfile"
)

// registry is one [[registry]] of registries.conf.
type registry struct {
	// file is where it stands.
	file string
	// prefix is what names have to start with: a host, a namespace or more of
	// a name, or "*." and a domain.
	prefix string
	// location takes the prefix's place; empty leaves the name as it is.
	location          string
	insecure, blocked bool
	mirrors           []mirror
}

// mirror is one [[registry.mirror]].
type mirror struct {
	location string
	insecure bool
	only     restriction
}

// restriction is which references a mirror is for.
type restriction int

const (
	unrestricted restriction = iota
	digestOnly
	tagOnly
)

// registriesFile is a registries.conf as it is written, in either format.
type registriesFile struct {
	Registries []registryTable `toml:"registry"`
	// Search is read to tell a file of version 2 from one of version 1, which
	// do not mix.
	Search []string `toml:"unqualified-search-registries"`
	V1     struct {
		Search, Insecure, Block struct {
			Registries []string `toml:"registries"`
		}
	} `toml:"registries"`
}

type registryTable struct {
	Prefix             string        `toml:"prefix"`
	Location           string        `toml:"location"`
	Insecure           bool          `toml:"insecure"`
	Blocked            bool          `toml:"blocked"`
	MirrorByDigestOnly bool          `toml:"mirror-by-digest-only"`
	Mirrors            []mirrorTable `toml:"mirror"`
}

type mirrorTable struct {
	Location       string `toml:"location"`
	Insecure       bool   `toml:"insecure"`
	PullFromMirror string `toml:"pull-from-mirror"`
}

// readRegistries reads registries.conf and the files of registries.conf.d, of
// which a later one replaces the tables of an earlier one with the same prefix.
func (f *Finder) readRegistries() ([]registry, error) {
	main, folders, err := f.registriesPaths()
	if err != nil {
		return nil, err
	}
	all, err := readRegistriesFile(main, false)
	if err != nil {
		return nil, err
	}
	for _, folder := range folders {
		names, err := listConf(folder)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			more, err := readRegistriesFile(filepath.Join(folder, name), true)
			if err != nil {
				return nil, err
			}
			all = slices.DeleteFunc(all, func(r registry) bool {
				return slices.ContainsFunc(more, func(m registry) bool { return m.prefix == r.prefix })
			})
			all = append(all, more...)
		}
	}
	return all, nil
}

// registriesPaths returns the file and the folders that are read, as podman
// chooses them: a user's own file has the user's own folder and no other.
func (f *Finder) registriesPaths() (file string, folders []string, err error) {
	const name, folder = "registries.conf", "registries.conf.d"
	system, user := f.system(filepath.Join("containers", folder)), f.user(folder)
	if file, _ := f.options.LookupEnv("CONTAINERS_REGISTRIES_CONF"); file != "" {
		if _, err := os.Stat(file); err != nil {
			return "", nil, fmt.Errorf("CONTAINERS_REGISTRIES_CONF: %w", err)
		}
		return file, []string{system, user}, nil
	}
	if own := f.user(name); own != "" {
		_, err := os.Stat(own)
		switch {
		case err == nil:
			return own, []string{user}, nil
		case !absent(err):
			return "", nil, err
		}
	}
	return f.system(filepath.Join("containers", name)), []string{system, user}, nil
}

// absent tells that there is no such file. Services have a HOME as /dev/null, and
// nothing is below that.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// listConf lists the *.conf files of a folder, in the order in which they count.
func listConf(folder string) ([]string, error) {
	if folder == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(folder)
	if err != nil && !absent(err) {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".conf" && !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// readRegistriesFile reads one file; none is as an empty one. A drop-in is of
// version 2.
func readRegistriesFile(path string, dropIn bool) ([]registry, error) {
	data, err := jsonfile.Content(path)
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var file registriesFile
	if err := toml.Unmarshal(data, &file); err != nil {
		return nil, explainTOML(path, err)
	}
	v1 := &file.V1
	old := len(v1.Search.Registries)+len(v1.Insecure.Registries)+len(v1.Block.Registries) > 0
	switch {
	case old && (file.Registries != nil || file.Search != nil):
		return nil, fmt.Errorf("%s: tables of version 1 ([registries.insecure]) and of version 2 ([[registry]]) do not go together", path)
	case old && dropIn:
		return nil, fmt.Errorf("%s: tables of version 1 ([registries.insecure]) cannot be in registries.conf.d", path)
	case old:
		file.Registries = fromV1(v1.Insecure.Registries, v1.Block.Registries)
	}
	return checkRegistries(path, file.Registries)
}

// explainTOML names the file and the line.
func explainTOML(path string, err error) error {
	text := strings.TrimPrefix(err.Error(), "toml: ")
	var at *toml.DecodeError
	if !errors.As(err, &at) {
		return fmt.Errorf("%s: %s", path, text)
	}
	// Where it would have gone is nothing of the file's.
	if what, field, ok := strings.Cut(text, " into struct field "); ok {
		_, kind, _ := strings.Cut(field, " of type ")
		text = what + " as " + kind
	}
	line, _ := at.Position()
	if key := strings.Join(at.Key(), "."); key != "" {
		text = key + ": " + text
	}
	return fmt.Errorf("%s:%d: %s", path, line, text)
}

// fromV1 makes tables of version 1's lists.
func fromV1(insecure, blocked []string) []registryTable {
	var tables []registryTable
	for _, location := range insecure {
		tables = append(tables, registryTable{Location: location, Insecure: true, Blocked: slices.Contains(blocked, location)})
	}
	for _, location := range blocked {
		if !slices.Contains(insecure, location) {
			tables = append(tables, registryTable{Location: location, Blocked: true})
		}
	}
	return tables
}

// checkRegistries makes rows of a file's tables, or says which one is wrong.
func checkRegistries(path string, tables []registryTable) ([]registry, error) {
	var rows []registry
	for _, t := range tables {
		row, err := t.row()
		if err != nil {
			return nil, fmt.Errorf("%s: [[registry]] %s: %w", path, strings.Join(slices.DeleteFunc([]string{t.Prefix, t.Location}, isEmpty), " "), err)
		}
		row.file = path
		same := slices.IndexFunc(rows, func(r registry) bool { return r.prefix == row.prefix })
		if same >= 0 && (rows[same].insecure != row.insecure || rows[same].blocked != row.blocked) {
			return nil, fmt.Errorf("%s: [[registry]] %s: there twice, with different insecure or blocked", path, row.prefix)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func isEmpty(s string) bool { return s == "" }

// row checks a table.
func (t registryTable) row() (registry, error) {
	r := registry{insecure: t.Insecure, blocked: t.Blocked}
	var err error
	if r.location, err = parseLocation(t.Location); err != nil {
		return r, err
	}
	if r.prefix, err = parseLocation(t.Prefix); err != nil {
		return r, err
	}
	switch {
	case r.prefix == "" && r.location == "":
		return r, errors.New("neither prefix nor location is set")
	case r.prefix == "":
		r.prefix, r.location = r.location, ""
	case isWildcard(r.prefix) && strings.ContainsAny(r.prefix[1:], "*/@:"):
		return r, errors.New(`behind the "*." of a prefix only a host may follow`)
	case !isWildcard(r.prefix) && strings.Contains(r.prefix, "*"):
		return r, errors.New(`a "*" is for the start of a prefix, as in *.example.com`)
	case !isWildcard(r.prefix) && r.location == "":
		return r, errors.New("no location is set; only a prefix as *.example.com needs none")
	}
	for _, m := range t.Mirrors {
		row, err := m.row(t.MirrorByDigestOnly)
		if err != nil {
			return r, err
		}
		r.mirrors = append(r.mirrors, row)
	}
	return r, nil
}

// row checks a mirror; byDigest is its registry's mirror-by-digest-only.
func (t mirrorTable) row(byDigest bool) (mirror, error) {
	location, err := parseLocation(t.Location)
	if err != nil {
		return mirror{}, err
	}
	m := mirror{location: location, insecure: t.Insecure}
	switch {
	case location == "":
		return m, errors.New("a mirror has no location")
	case byDigest && t.PullFromMirror != "":
		return m, fmt.Errorf("mirror %s: pull-from-mirror cannot be set along with mirror-by-digest-only", location)
	}
	switch t.PullFromMirror {
	case "", "all":
		if byDigest {
			m.only = digestOnly
		}
	case "digest-only":
		m.only = digestOnly
	case "tag-only":
		m.only = tagOnly
	default:
		return m, fmt.Errorf("mirror %s: pull-from-mirror is all, digest-only or tag-only, not %q", location, t.PullFromMirror)
	}
	return m, nil
}

// parseLocation checks a prefix or location, which is a name without a scheme.
func parseLocation(s string) (string, error) {
	if strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://") {
		return "", fmt.Errorf("%s: a registry is written without http:// or https://", s)
	}
	return strings.TrimRight(s, "/"), nil
}

func isWildcard(prefix string) bool { return strings.HasPrefix(prefix, "*.") }

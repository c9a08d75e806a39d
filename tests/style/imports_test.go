package style

import (
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layers says what each package may import of this module: the table of DESIGN
// section 3, with what its rows leave to reason. Imports only point down, so
// a package that is not listed does not build here until it is.
func layers() map[string][]string {
	base := []string{"nsenter", "state"}
	low := append(base, "rootfs", "cgroup", "seccomp")
	runtime := append(slices.Clone(low), "archive", "container", "image", "bundle")
	// What commands and the engine wire together.
	product := append(slices.Clone(runtime), "registry", "network", "volume", "systemd", "resctrl", "build", "teach")
	// What both command lines are made of.
	words := []string{"cli/option", "cli/status"}
	return map[string][]string{
		".":         append(slices.Clone(product), "cli", "cli/oci", "engine"),
		"cli":       slices.Concat(product, words, []string{"cli/oci", "engine"}),
		"cli/oci":   slices.Concat(product, words),
		"engine":    product,
		"build":     {"image", "registry", "container", "network", "volume", "rootfs", "state"},
		"bundle":    append(slices.Clone(low), "container", "network", "systemd", "resctrl"),
		"container": append(slices.Clone(low), "archive"),
		"image":     {"archive", "rootfs", "state"},
		"registry":  {"image", "state"},
		"network":   base,
		"volume":    {"nsenter", "rootfs", "state"},
		"systemd":   base,
		"resctrl":   {},
		"teach":     {"nsenter", "container"},
		"archive":   {},
		"rootfs":    {"nsenter"},
		"cgroup":    {"nsenter"},
		"seccomp":   {},
		"nsenter":   {},
		"state":     {},

		"cli/option": {},
		"cli/status": {},
	}
}

// outside are the folders that are no part of the product: they may import all
// of it and nothing of it may import them, tests apart.
func outside() []string { return []string{"tests", "bench", "docs", "examples", "box"} }

func TestImportsPointDown(t *testing.T) {
	allowed := layers()
	for _, s := range sources(t) {
		if in(s.dir, outside()) || s.test {
			continue
		}
		row := rowOf(allowed, s.dir)
		if row == "" {
			t.Errorf("%s: package %s is not in the table of %s: add a row that points down", s.path, s.dir, "tests/style/imports_test.go")
			continue
		}
		for _, imported := range s.file.Imports {
			path, err := strconv.Unquote(imported.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			rest, ours := strings.CutPrefix(path, "berth/")
			if to := rowOf(allowed, rest); ours && to != row && !slices.Contains(allowed[row], to) {
				t.Errorf("%s:%d: %s must not import %s", s.path, s.line(imported), s.dir, rest)
			}
		}
	}
}

// TestTableHasNoCycle keeps the table itself honest.
func TestTableHasNoCycle(t *testing.T) {
	table := layers()
	done := map[string]bool{}
	for len(done) < len(table) {
		progress := false
		for name, imports := range table {
			if !done[name] && !slices.ContainsFunc(imports, func(i string) bool { return !done[i] }) {
				done[name], progress = true, true
			}
		}
		if !progress {
			t.Fatalf("a cycle, or an import of no row; these are fine: %v", slices.Sorted(maps.Keys(done)))
		}
	}
}

func TestPackageNames(t *testing.T) {
	banned := []string{"util", "utils", "common", "helper", "helpers", "misc", "types", "lib", "shared", "base"}
	for _, s := range sources(t) {
		file := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(s.path), ".go"), "_test")
		for _, name := range []string{s.file.Name.Name, file} {
			if slices.Contains(banned, name) {
				t.Errorf("%s: %q says nothing about what it owns", s.path, name)
			}
		}
	}
}

// rowOf is the row that holds for a package: its own, or that of the closest
// folder above, because a package below another is a part of it.
func rowOf(table map[string][]string, dir string) string {
	for {
		if _, listed := table[dir]; listed {
			return dir
		}
		up := filepath.Dir(dir)
		if up == "." {
			return ""
		}
		dir = up
	}
}

// in tells whether dir is one of the folders or below one.
func in(dir string, folders []string) bool {
	first, _, _ := strings.Cut(dir, "/")
	return slices.Contains(folders, first)
}

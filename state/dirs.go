package state

import (
	"fmt"
	"path/filepath"
)

// Defaults of the two roots when the environment does not name them.
const (
	defaultRoot = "/var/lib/berth"
	defaultRun  = "/run/berth"
)

// Dirs locates everything that berth keeps. Root survives a reboot, Run is
// normally on tmpfs. Both are absolute and clean. Methods that take an ID or a
// name join it as it is: check it with ValidID or ValidName first.
type Dirs struct {
	Root, Run string
}

// DirsFromEnv reads BERTH_ROOT and BERTH_RUNROOT through getenv and fills in
// the defaults. It touches no file.
func DirsFromEnv(getenv func(string) string) (Dirs, error) {
	d := Dirs{Root: getenv("BERTH_ROOT"), Run: getenv("BERTH_RUNROOT")}
	if d.Root == "" {
		d.Root = defaultRoot
	}
	if d.Run == "" {
		d.Run = defaultRun
	}
	for _, v := range []struct{ name, path string }{{"BERTH_ROOT", d.Root}, {"BERTH_RUNROOT", d.Run}} {
		if !filepath.IsAbs(v.path) || filepath.Clean(v.path) != v.path || v.path == "/" {
			return Dirs{}, fmt.Errorf("use %s=%q: must be an absolute path below / with no trailing slash, empty or dot element", v.name, v.path)
		}
	}
	// Both keep a folder called container.
	if d.Root == d.Run {
		return Dirs{}, fmt.Errorf("use BERTH_ROOT=%q: must differ from BERTH_RUNROOT", d.Root)
	}
	return d, nil
}

// Image is the OCI image layout.
func (d Dirs) Image() string { return d.Root + "/image" }

// Layer holds unpacked layers, a folder per chain ID.
func (d Dirs) Layer() string { return d.Root + "/layer" }

// ManifestLists holds a record per manifest list that is being put together. It
// is made with the first one.
func (d Dirs) ManifestLists() string { return d.Root + "/manifest" }

// Cache holds what can be made again at any time, such as compiled filters.
func (d Dirs) Cache() string { return d.Root + "/cache" }

// Containers holds a folder per container, kept across reboots.
func (d Dirs) Containers() string { return d.Root + "/container" }

// Container is the lasting folder of one container.
func (d Dirs) Container(id string) string { return d.Root + "/container/" + id }

// Volumes holds a folder per named volume.
func (d Dirs) Volumes() string { return d.Root + "/volume" }

// Networks holds a record per network.
func (d Dirs) Networks() string { return d.Root + "/network" }

// Build holds the cache records of image builds.
func (d Dirs) Build() string { return d.Root + "/build" }

// RunContainers holds a folder per container that has run since boot.
func (d Dirs) RunContainers() string { return d.Run + "/container" }

// RunContainer is the folder of one container that ends with the boot.
func (d Dirs) RunContainer(id string) string { return d.Run + "/container/" + id }

// OCI is the default --root of the OCI command line.
func (d Dirs) OCI() string { return d.Run + "/oci" }

// OCIContainer is the folder of one container of the OCI command line.
func (d Dirs) OCIContainer(id string) string { return d.Run + "/oci/" + id }

// Names holds the name claims.
func (d Dirs) Names() string { return d.Run + "/name" }

// Name is the claim on one name.
func (d Dirs) Name(name string) string { return d.Run + "/name/" + name }

// Addresses holds a folder of leases per network.
func (d Dirs) Addresses() string { return d.Run + "/address" }

// Events holds the record of what happened.
func (d Dirs) Events() string { return d.Run + "/event" }

// boot is the marker that says for which boot the claims were restored.
func (d Dirs) boot() string { return d.Run + "/boot" }

// layout names the folder check that went well last.
func (d Dirs) layout() string { return d.Root + "/cache/layout" }

// folders lists every folder of the layout below the two roots. A change needs
// a new layoutVersion.
func (d Dirs) folders() []string {
	return []string{
		d.Image(), d.Layer(), d.Cache(), d.Containers(), d.Volumes(), d.Networks(), d.Build(),
		d.RunContainers(), d.OCI(), d.Names(), d.Addresses(),
	}
}

package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"berth/cli/option"
	"berth/image"
	"berth/state"
)

// identityFlags say what a container is called and how it is kept.
type identityFlags struct {
	name, hostname, domainname string
	labels, annotations        []string
	labelFiles                 []string
	cidFile, pidFile           string
	remove                     bool
	pull                       string
	quiet                      bool
	platform                   string
	cgroupParent               string
}

func (f *identityFlags) options() []*option.Option {
	f.pull = "missing"
	return []*option.Option{
		option.Text(&f.name, "name", "string", "Assign a name to the container"),
		option.Text(&f.hostname, "h,hostname", "string", "Container host name"),
		option.Text(&f.domainname, "domainname", "string", "Container NIS domain name"),
		option.ParsedList(&f.labels, keyValue("label"), "l,label", "list", "Set meta data on a container"),
		option.List(&f.labelFiles, "label-file", "list", "Read in a line delimited file of labels"),
		option.ParsedList(&f.annotations, keyValue("annotation"), "annotation", "list", "Add an annotation to the container (passed in the OCI spec)"),
		option.Text(&f.cidFile, "cidfile", "string", "Write the container ID to the file"),
		option.Text(&f.pidFile, "pidfile", "string", "Write the process ID of the container's first process to the file"),
		option.Switch(&f.remove, "rm", "Automatically remove the container when it exits"),
		option.Parsed(&f.pull, parsePull, "pull", "string", "Pull image before running (\"always\", \"missing\", \"never\", \"newer\")"),
		option.Switch(&f.quiet, "q,quiet", "Suppress the pull output"),
		option.Text(&f.platform, "platform", "string", "Set platform if the image has several"),
		option.Text(&f.cgroupParent, "cgroup-parent", "string", "Optional parent cgroup for the container"),
	}
}

func parsePull(s string) (string, error) {
	switch s {
	case "always", "missing", "never", "newer":
		return s, nil
	}
	return "", fmt.Errorf("invalid pull option: '%s': must be one of \"always\", \"missing\" or \"never\"", s)
}

// keyValue checks "KEY=VALUE" or "KEY", whose value is then empty.
func keyValue(what string) func(string) (string, error) {
	return func(s string) (string, error) {
		if key, _, _ := strings.Cut(s, "="); strings.TrimSpace(key) == "" {
			return "", fmt.Errorf("invalid %s '%s': empty name", what, s)
		}
		return s, nil
	}
}

// addPairs adds KEY=VALUE texts to a map.
func addPairs(to map[string]string, pairs []string) {
	for _, p := range pairs {
		key, value, _ := strings.Cut(p, "=")
		to[key] = value
	}
}

// check refuses what is wrong before any file or image is touched.
func (f *identityFlags) check() error {
	if f.name != "" && !state.ValidName(strings.TrimPrefix(f.name, "/")) {
		return &state.InvalidNameError{Name: f.name}
	}
	if f.platform != "" {
		if _, err := image.ParsePlatform(f.platform); err != nil {
			return err
		}
	}
	return f.checkHostname()
}

// checkHostname applies the kernel's limit (uname(2)) and what a hosts file can
// hold.
func (f *identityFlags) checkHostname() error {
	for _, name := range []string{f.hostname, f.domainname} {
		if len(name) > 64 || strings.ContainsAny(name, " \t\n/\x00") {
			return fmt.Errorf("invalid hostname format: %s", name)
		}
	}
	return nil
}

func (f *identityFlags) apply(d *draft) error {
	d.Name = strings.TrimPrefix(f.name, "/")
	d.AutoRemove = f.remove
	labels, err := readPairFiles("label", f.labelFiles)
	if err != nil {
		return err
	}
	addPairs(d.Labels, labels)
	addPairs(d.Labels, f.labels)
	if len(f.annotations) > 0 {
		if d.Spec.Annotations == nil {
			d.Spec.Annotations = map[string]string{}
		}
		addPairs(d.Spec.Annotations, f.annotations)
	}
	if f.hostname != "" {
		d.Spec.Hostname = f.hostname
		d.asked("hostname", "--hostname")
	}
	if f.domainname != "" {
		d.Spec.Domainname = f.domainname
		d.asked("domainname", "--domainname")
	}
	if f.cgroupParent != "" {
		d.Spec.Linux.CgroupsPath = filepath.Join("/", f.cgroupParent)
		d.asked("linux.cgroupsPath", "--cgroup-parent")
	}
	if f.pidFile != "" {
		abs, err := filepath.Abs(f.pidFile)
		if err != nil {
			return err
		}
		d.PidFile = abs
	}
	return nil
}

// writeCidFile records the ID; an existing file is refused, because a script
// would take an old ID for this container's. It returns what undoes it.
func writeCidFile(path, id string) (undo func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, os.ErrExist) {
		return nil, clientFault(verbatim("container ID file found, make sure the other container isn't running or delete %s", path))
	}
	if err != nil {
		return nil, fmt.Errorf("create the container ID file: %w", err)
	}
	_, err = file.WriteString(id)
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		_ = os.Remove(path)
		return nil, fmt.Errorf("write the container ID file: %w", err)
	}
	return func() { _ = os.Remove(path) }, nil
}

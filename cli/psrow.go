package cli

import (
	"encoding/json"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	units "github.com/docker/go-units"

	"berth/container"
)

// psColumns is the template of the default table.
const psColumns = "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"

func psHeadings() headings {
	return headings{
		"Command": "COMMAND", "CreatedAt": "CREATED AT", "HealthStatus": "HEALTH STATUS", "ID": "CONTAINER ID", "Image": "IMAGE",
		"Labels": "LABELS", "LocalVolumes": "LOCAL VOLUMES", "Mounts": "MOUNTS", "Names": "NAMES", "Networks": "NETWORKS",
		"Platform": "PLATFORM", "Ports": "PORTS", "RunningFor": "CREATED", "Size": "SIZE", "State": "STATE", "Status": "STATUS",
	}
}

// containerRow is a container as ps shows it. Its methods are the fields of
// docker's templates: what no template asks for is neither read nor made.
type containerRow struct {
	view    *container.View
	backend *backend
	now     time.Time
	// full is --no-trunc; sized tells that Size may walk the container's files.
	full, sized bool
	// written is the size of what the container wrote, in bytes, when it is known
	// and the image's is not of interest.
	written *int64
}

// MarshalJSON has docker's fields in docker's order.
func (r containerRow) MarshalJSON() ([]byte, error) {
	mounts, err := r.Mounts()
	if err != nil {
		return nil, err
	}
	return encodeJSON(struct {
		Command, CreatedAt, ID, Image, Labels, LocalVolumes, Mounts, Names, Networks string
		// Docker's is an object, and null unless its images lie in containerd.
		Platform                               *struct{}
		Ports, RunningFor, Size, State, Status string
	}{
		r.Command(), r.CreatedAt(), r.ID(), r.Image(), r.Labels(), r.LocalVolumes(), mounts, r.Names(), r.Networks(),
		nil, r.Ports(), r.RunningFor(), r.Size(), r.State(), r.Status(),
	})
}

var _ json.Marshaler = containerRow{}

func (r containerRow) broken() bool { return r.view.Status == container.Broken }

// ID is the container's number, cut to 12 digits unless --no-trunc is given.
func (r containerRow) ID() string {
	if r.full {
		return r.view.ID
	}
	return shortID(r.view.ID)
}

// Names is the container's name.
func (r containerRow) Names() string { return r.view.Name }

// Image is the image as the user called it, or the folder of --rootfs.
func (r containerRow) Image() string {
	switch ref := r.view.Image.Ref; {
	case ref == "":
		return r.view.Rootfs
	case strings.HasPrefix(ref, "sha256:") && !r.full:
		return shortID(ref)
	default:
		return ref
	}
}

// Command is the container's program with its arguments, quoted. Arguments with
// a space have quotes of their own.
func (r containerRow) Command() string {
	if r.broken() {
		return ""
	}
	words := slices.Concat(r.view.Entrypoint, r.view.Cmd)
	for n, word := range words {
		if n > 0 && strings.Contains(word, " ") {
			words[n] = "'" + word + "'" // docker's daemon does no more than this
		}
	}
	command := strings.Join(words, " ")
	if !r.full {
		command = ellipsis(command, 20)
	}
	return strconv.Quote(command)
}

// CreatedAt is when the container was created, in local time.
func (r containerRow) CreatedAt() string {
	if r.broken() {
		return ""
	}
	return r.view.Created.Local().Format("2006-01-02 15:04:05 -0700 MST")
}

// RunningFor is how long ago the container was created.
func (r containerRow) RunningFor() string {
	if r.broken() {
		return ""
	}
	return units.HumanDuration(r.now.Sub(r.view.Created)) + " ago"
}

// State is the container's state in one word.
func (r containerRow) State() string { return string(r.view.Status) }

// Status is the container's state in a few words.
func (r containerRow) Status() string {
	if r.broken() && r.full && r.view.Err != nil {
		return "Broken: " + r.view.Err.Error()
	}
	return statusText(r.view, r.now)
}

// HealthStatus is what a container's health check says; empty without one.
func (r containerRow) HealthStatus() string {
	_, word, _ := strings.Cut(r.Status(), " (")
	word = strings.TrimPrefix(strings.TrimSuffix(word, ")"), "health: ")
	switch word {
	case "starting", "healthy", "unhealthy":
		return word
	}
	return ""
}

// Ports are the running container's ports.
func (r containerRow) Ports() string {
	if !r.view.Up() {
		return ""
	}
	return portsText(r.view.Reachable())
}

// Networks are the networks that the container is on.
func (r containerRow) Networks() string { return r.view.Network }

// Platform is docker's, which is empty without its containerd store.
func (r containerRow) Platform() string { return "" }

// LocalVolumes is the number of volumes.
func (r containerRow) LocalVolumes() string { return "0" }

// Labels are all labels in one line.
func (r containerRow) Labels() string { return pairs(r.view.Labels) }

// Label is the value of one label.
func (r containerRow) Label(key string) string { return r.view.Labels[key] }

// Mounts are the sources of what is mounted. Only the spec knows, which is read
// when it is asked for; a container may go meanwhile.
func (r containerRow) Mounts() (string, error) {
	if r.broken() {
		return "", nil
	}
	if err := ignoreMissing(r.backend.LoadSpec(r.view.Config)); err != nil {
		return "", err
	}
	if r.view.Spec == nil {
		return "", nil
	}
	var sources []string
	for _, m := range r.view.Spec.Mounts {
		switch {
		case m.Type != "bind":
		case r.full:
			sources = append(sources, m.Source)
		default:
			sources = append(sources, ellipsis(m.Source, 15))
		}
	}
	return strings.Join(sources, ","), nil
}

// Size is what the container wrote, and that with its image. In JSON it is not
// made unless -s asks for it.
func (r containerRow) Size() string {
	switch {
	case r.written != nil:
		return units.HumanSizeWithPrecision(float64(*r.written), 3)
	case r.broken():
		return ""
	case !r.sized:
		return "0B"
	}
	written := treeSize(r.backend.upper(r.view.ID))
	text := units.HumanSizeWithPrecision(float64(written), 3)
	if img, err := r.backend.images.Resolve(r.view.Image.ID); err == nil {
		text += " (virtual " + units.HumanSizeWithPrecision(float64(written+img.Size), 3) + ")"
	}
	return text
}

// pairs is a map in docker's one-line form.
func pairs(m map[string]string) string {
	list := make([]string, 0, len(m))
	for k, v := range m {
		list = append(list, k+"="+v)
	}
	slices.Sort(list)
	return strings.Join(list, ",")
}

// treeSize adds up regular files in bytes. What vanishes meanwhile counts
// nothing.
func treeSize(root string) int64 {
	var total int64
	_ = filepath.WalkDir(root, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil //nolint:nilerr // the size is an estimate of a tree that may be in use
		}
		if info, err := e.Info(); err == nil {
			total += info.Size()
		}
		return nil
	})
	return total
}

package container

import (
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"berth/state"
)

// Config is how a container was created: its OCI spec, and what docker's
// command line knows of a container that the spec has no field for. It is the
// container's record on disk (container/<id>/config.json) and never changes
// after create but for a rename or an update.
type Config struct {
	state.Header
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	Image   ImageRef  `json:"image"`
	// Layers are the overlay's lower directories, top layer first; empty for
	// a container that runs on Spec.Root.Path itself (--rootfs).
	Layers []string `json:"layers,omitempty"`
	// Rootfs is the host's folder that a container without layers runs on.
	Rootfs string `json:"rootfs,omitempty"`
	// Spec is the container. Process.User.Username, when set, is a name (or
	// "name:group") still to be looked up in the image. It has a file of its
	// own (spec.json) beside the record, ten times as large as that: what
	// lists containers does without, and finds nil here ([Engine.LoadSpec]).
	Spec *specs.Spec `json:"-"`
	// Confirm, when set, is asked once the container is on record, and before
	// anything of it starts: an error undoes the creation. Who removes images
	// looks at the records of containers after the image has lost its name, and
	// Confirm at the names after there is a record: one of the two sees the other.
	Confirm func() error `json:"-"`
	// Entrypoint and Cmd are the two halves of Spec.Process.Args.
	Entrypoint []string          `json:"entrypoint,omitempty"`
	Cmd        []string          `json:"cmd,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
	// Network is "none", "host" or "container:ID".
	Network string `json:"network"`
	// Modes say whose the other namespaces are.
	Modes Modes `json:"modes,omitzero"`
	// Ports are those that -p and -P publish; Exposed are those that --expose
	// and the image only name.
	Ports   []Port `json:"ports,omitempty"`
	Exposed []Port `json:"exposed,omitempty"`
	// VolumesFrom are the containers whose mounts this one was given, as
	// "ID:MODE" (--volumes-from).
	VolumesFrom []string `json:"volumes_from,omitempty"`
	// Devices are what --device asked for, DeviceRules what
	// --device-cgroup-rule did.
	Devices     []Device `json:"devices,omitempty"`
	DeviceRules []string `json:"device_rules,omitempty"`
	// DNS and ExtraHosts ("NAME:ADDRESS") go into resolv.conf and hosts.
	DNS        DNS      `json:"dns,omitzero"`
	ExtraHosts []string `json:"extra_hosts,omitempty"`
	// OpenStdin keeps a pipe to the payload's stdin (-i).
	OpenStdin  bool `json:"open_stdin,omitempty"`
	AutoRemove bool `json:"auto_remove,omitempty"`
	Privileged bool `json:"privileged,omitempty"`
	// Init puts a small PID 1 in front of the payload.
	Init bool `json:"init,omitempty"`
	// StopSignal is a signal's name or number; empty is SIGTERM.
	StopSignal string `json:"stop_signal,omitempty"`
	// StopTimeout is how many seconds stop waits before SIGKILL; nil is 10,
	// negative is for ever.
	StopTimeout *int `json:"stop_timeout,omitempty"`
	// Timeout is after how many seconds of a run its supervisor kills it; 0 is
	// never.
	Timeout int `json:"timeout,omitempty"`
	// Restart says when the monitor starts the container again.
	Restart RestartPolicy `json:"restart,omitzero"`
	Log     LogConfig     `json:"log"`
	// Seccomp says which filter the payload gets: empty is docker's default
	// profile, "unconfined" none, anything else is a profile in docker's JSON
	// format. It is not expanded into Spec.Linux.Seccomp, which would make
	// every record ten times as large.
	Seccomp string `json:"seccomp,omitempty"`
	// GroupAdd are supplementary groups by name, to be looked up in the image
	// (--group-add); those by number are in the spec.
	GroupAdd []string `json:"group_add,omitempty"`
	// HealthCheck says how the container's health is found out; nil for not at all.
	HealthCheck *HealthCheck `json:"health_check,omitempty"`
	// PidFile is where the payload's pid is written, as seen by the host.
	PidFile string `json:"pid_file,omitempty"`
	// Groups are directories of groups that an update made for the present run.
	Groups []string `json:"groups,omitempty"`
	// From tells which flag asked for a field of the spec, by the field's
	// path ("linux.resources.memory.limit": "--memory"), so that the plan's
	// steps can name it.
	From map[string]string `json:"from,omitempty"`
}

// DNS is what a container's resolv.conf says, as far as it is not the host's.
type DNS struct {
	Servers []string `json:"servers,omitempty"`
	// Search are domains; "." alone is none.
	Search  []string `json:"search,omitempty"`
	Options []string `json:"options,omitempty"`
}

// IsZero reports whether nothing was asked for.
func (d DNS) IsZero() bool { return len(d.Servers)+len(d.Search)+len(d.Options) == 0 }

// Device is a device, or a folder of devices, of the host.
type Device struct {
	Host   string `json:"host"`
	Inside string `json:"inside"`
	// Access is made of r, w and m (mknod).
	Access string `json:"access"`
}

// ImageRef is the image that a container was made from.
type ImageRef struct {
	// Ref is the reference as the user gave it.
	Ref string `json:"ref,omitempty"`
	// ID is the digest of the image's config.
	ID string `json:"id,omitempty"`
}

// LogConfig says where the payload's output goes.
type LogConfig struct {
	// Driver is one of [logs.Names].
	Driver string            `json:"driver"`
	Opts   map[string]string `json:"opts,omitempty"`
}

// Status is a container's state in docker's words.
type Status string

// The states that this version knows.
const (
	Created Status = "created"
	Running Status = "running"
	// Restarting is a container whose monitor waits before its next run.
	Restarting Status = "restarting"
	Paused     Status = "paused"
	Exited     Status = "exited"
	Dead       Status = "dead"
	Removing   Status = "removing"
	// Broken is a container whose record cannot be read; its View says why.
	Broken Status = "broken"
)

// Live is the record of a running container (RunContainer(id)/state.json). It
// lies on a tmpfs, so a reboot forgets it.
type Live struct {
	state.Header
	// Name is the container's, so that one whose Config was never written can
	// be settled too.
	Name string `json:"name,omitempty"`
	// Payload is the container's PID 1 as the host sees it.
	Payload state.Process `json:"payload"`
	// Supervisor is the berth process that waits for it.
	Supervisor state.Process `json:"supervisor"`
	Started    time.Time     `json:"started"`
	// Users are the ids of the host that the container's own are; nil when
	// they are the same.
	Users *IDRange `json:"users,omitempty"`
	// Cgroups are the directories of the container's groups.
	Cgroups []string `json:"cgroups,omitempty"`
	// Exit is set at the very end, in place, for those who wait and hold the
	// file open: with --rm it is the only word on how the payload ended.
	Exit *Exit `json:"exit,omitempty"`
	// Attach tells whether an attach socket is served: the supervisor is a
	// monitor.
	Attach bool `json:"attach,omitempty"`
	// Restarts counts the runs before this one, since somebody started the
	// container. While Restarting, this one is still to come.
	Restarts   int  `json:"restarts,omitempty"`
	Restarting bool `json:"restarting,omitempty"`
	// Asked is the Restarts of the last run that the user asked for, where the
	// monitor does what restart asks: it does not count.
	Asked int `json:"asked,omitempty"`
	// Last is how the run before this one ended: exit.json says the same, unless
	// the disk was full.
	Last *Exit `json:"last,omitempty"`
	// Again stands beside Exit when there will be another run.
	Again bool `json:"again,omitempty"`
}

// Exit is the record of how the last run ended (container/<id>/exit.json).
type Exit struct {
	state.Header
	// Code is the exit status as a shell sees it (128+n for a signal), or nil
	// when the supervisor died before it could know.
	Code *int `json:"code"`
	// Error is why the container never ran, in words.
	Error     string    `json:"error,omitempty"`
	OOMKilled bool      `json:"oom_killed,omitempty"`
	Started   time.Time `json:"started,omitzero"`
	Finished  time.Time `json:"finished"`
	// Restarts counts the monitor's restarts before this run.
	Restarts int `json:"restarts,omitempty"`
}

// View is a container as a command shows it: its records and its state, as of
// the moment of the look.
type View struct {
	*Config
	Status Status
	Live   *Live // while it runs
	Exit   *Exit // after it ran
	// Health is what the probes say; nil without a health check.
	Health *Health
	// Err is why the container is Broken.
	Err error
}

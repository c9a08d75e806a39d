package events

import "time"

// Type is the kind of object that an event is about, in docker's words.
type Type string

// The objects that have events.
const (
	Container Type = "container"
	Image     Type = "image"
	Network   Type = "network"
	Volume    Type = "volume"
)

// Event is one thing that happened.
type Event struct {
	// Time is when; [Log.Append] fills it in. It is first in the line: see
	// lineStart.
	Time time.Time `json:"time"`
	Type Type      `json:"type"`
	// Action is what, in docker's words: "start", "exec_create: sh -c ls".
	Action string `json:"action"`
	// ID is the object's: a container's and a network's 64 hexadecimal digits,
	// an image's reference or digest, a volume's name.
	ID string `json:"id"`
	// Attributes are the object's labels and name, and what docker adds for
	// some actions (exitCode, signal, oldName).
	Attributes map[string]string `json:"attributes,omitempty"`
}

// lineStart is how every line begins. A quote inside a JSON string is escaped,
// so it is nowhere else.
const lineStart = `{"time":"`

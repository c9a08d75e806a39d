package container

import (
	"maps"
	"strconv"

	"golang.org/x/sys/unix"

	"berth/container/events"
)

// Events returns the record of what happened, for others to add to and to read.
func (e *Engine) Events() *events.Log { return e.events }

// emit tells of something that happened to a container, for whoever follows the
// events. attributes are keys and values, beside those that every event of a
// container has: its image, its name and its labels. It costs some ten
// microseconds, and a failure of it is nobody's.
func (e *Engine) emit(c *Config, action string, attributes ...string) {
	all := make(map[string]string, len(c.Labels)+len(attributes)/2+2)
	maps.Copy(all, c.Labels)
	for i := 0; i+1 < len(attributes); i += 2 {
		all[attributes[i]] = attributes[i+1]
	}
	if c.Image.Ref != "" {
		all["image"] = c.Image.Ref
	}
	if c.Name != "" {
		all["name"] = c.Name
	}
	e.events.Append(events.Event{Type: events.Container, Action: action, ID: c.ID, Attributes: all})
}

// emitKill tells of a signal that was sent.
func (e *Engine) emitKill(c *Config, sig unix.Signal) {
	e.emit(c, "kill", "signal", strconv.Itoa(int(sig)))
}

// emitDie tells how a run ended. A code that nobody knows is left out.
func (e *Engine) emitDie(c *Config, x *Exit) {
	ran := strconv.Itoa(int(x.Finished.Sub(x.Started).Seconds()))
	if x.Code == nil {
		e.emit(c, "die", "execDuration", ran)
		return
	}
	e.emit(c, "die", "execDuration", ran, "exitCode", strconv.Itoa(*x.Code))
}

// discard erases a container whose making was told of.
func (e *Engine) discard(c *Config) error {
	err := e.erase(c)
	if err == nil {
		e.emit(c, "destroy")
	}
	return err
}

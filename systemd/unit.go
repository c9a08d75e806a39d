package systemd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	units "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
)

// bootedMark is there when systemd is PID 1 (sd_booted(3)).
const bootedMark = "/run/systemd/system"

// timeout bounds one call: systemd answers in milliseconds, unless it hangs.
const timeout = 30 * time.Second

// Booted tells whether systemd is this machine's PID 1.
func Booted() bool {
	info, err := os.Lstat(bootedMark)
	return err == nil && info.IsDir()
}

// Start makes the scope with a process in it, and waits until systemd has
// moved the process and applied the properties.
func Start(ctx context.Context, s Scope, pid int) error {
	unit := s.Unit()
	return with(ctx, "start "+unit, func(ctx context.Context, c *units.Conn) error {
		properties := s.properties(pid)
		done := make(chan string, 1)
		_, err := c.StartTransientUnitContext(ctx, unit, "replace", properties, done)
		if isError(err, "UnitExists") {
			// A unit that failed keeps its name until somebody has seen it.
			_ = c.ResetFailedUnitContext(ctx, unit)
			_, err = c.StartTransientUnitContext(ctx, unit, "replace", properties, done)
		}
		if isError(err, "UnitExists") {
			return fmt.Errorf("%w: %w", err, ErrExists)
		}
		if err == nil {
			err = wait(ctx, done)
		}
		if err != nil {
			_ = c.ResetFailedUnitContext(context.WithoutCancel(ctx), unit)
		}
		return err
	})
}

// Stop stops a unit, and waits until it is gone. systemd sends SIGTERM to
// processes that are left and waits for them, so they are better killed before.
// A unit that does not exist is fine.
func Stop(ctx context.Context, unit string) error {
	return with(ctx, "stop "+unit, func(ctx context.Context, c *units.Conn) error {
		done := make(chan string, 1)
		_, err := c.StopUnitContext(ctx, unit, "replace", done)
		if err == nil {
			err = wait(ctx, done)
		}
		if isError(err, "NoSuchUnit") {
			err = nil
		}
		// CollectMode makes this superfluous, unless an annotation changed it.
		_ = c.ResetFailedUnitContext(ctx, unit)
		return err
	})
}

// Set changes properties of a running unit until the next boot.
func Set(ctx context.Context, unit string, list []Property) error {
	if len(list) == 0 {
		return nil
	}
	return with(ctx, "set properties of "+unit, func(ctx context.Context, c *units.Conn) error {
		return c.SetUnitPropertiesContext(ctx, unit, true, variants(list)...)
	})
}

// with connects for one call.
func with(ctx context.Context, what string, f func(context.Context, *units.Conn) error) error {
	if !Booted() {
		return fmt.Errorf("systemd: %s: no %s: %w", what, bootedMark, ErrNotBooted)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	c, err := units.NewWithContext(ctx)
	if err != nil {
		return fmt.Errorf("systemd: %s: connect to the system bus and to /run/systemd/private: %w", what, err)
	}
	defer c.Close()
	if err := f(ctx, c); err != nil {
		return fmt.Errorf("systemd: %s: %w", what, err)
	}
	return nil
}

// wait waits for a job's result (org.freedesktop.systemd1(5), JobRemoved).
func wait(ctx context.Context, done <-chan string) error {
	select {
	case result := <-done:
		if result != "done" {
			return fmt.Errorf("the job's result is %q", result)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the job: %w", ctx.Err())
	}
}

// isError tells whether systemd answered with an error of its own.
func isError(err error, name string) bool {
	var e dbus.Error
	return errors.As(err, &e) && e.Name == "org.freedesktop.systemd1."+name
}

// properties are those of the scope. Delegate keeps systemd out of the groups
// below and hands all controllers down to the scope; without default
// dependencies a shutdown does not stop the container before the service that
// looks after it.
func (s Scope) properties(pid int) []units.Property {
	description := s.Description
	if description == "" {
		description = "berth container " + s.Name
	}
	list := []Property{
		{"Description", description},
		{"Slice", s.Slice},
		{"PIDs", []uint32{uint32(pid)}},
		{"Delegate", true},
		{"DefaultDependencies", false},
		{"CollectMode", "inactive-or-failed"},
		{"CPUAccounting", true},
		{"IOAccounting", true},
		{"MemoryAccounting", true},
		{"TasksAccounting", true},
	}
	for _, p := range s.Properties {
		list = slices.DeleteFunc(list, func(o Property) bool { return o.Name == p.Name })
		list = append(list, p)
	}
	return variants(list)
}

// variants puts values into the form that goes over the bus.
func variants(list []Property) []units.Property {
	out := make([]units.Property, len(list))
	for i, p := range list {
		value, ok := p.Value.(dbus.Variant)
		if !ok {
			value = dbus.MakeVariant(p.Value)
		}
		out[i] = units.Property{Name: p.Name, Value: value}
	}
	return out
}

package nsenter

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Signal sends a signal to the payload. After Wait has returned it is an
// error, never a signal to a stranger with a recycled pid.
func (h *Run) Signal(sig unix.Signal) error {
	if h.child == nil {
		return fmt.Errorf("signal a plan without child: %w", unix.ESRCH)
	}
	c := h.child
	<-c.started
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reaped || c.pid <= 0 {
		return fmt.Errorf("send %s to the payload: %w", unix.SignalName(sig), unix.ESRCH)
	}
	if err := unix.Kill(c.pid, sig); err != nil {
		return fmt.Errorf("send %s to process %d: %w", unix.SignalName(sig), c.pid, err)
	}
	return nil
}

package oci

import (
	"errors"
	"fmt"
	"strings"

	"berth/cli/status"
)

// Exit statuses. Everything that is not listed ends with exitFailed.
const (
	exitFailed = 1
	// exitExec is exec failing before its program ran: -1, as runc says.
	exitExec = 255
)

// usageError is a command line that cannot be read. The report shows how it is
// meant above the error itself.
type usageError struct {
	text string
	// help writes the usage; nil for none.
	help func()
}

func (e *usageError) Error() string { return e.text }

// statusOf maps an error to the exit status.
func statusOf(err error) int {
	var said *status.Error
	switch {
	case err == nil:
		return 0
	case errors.As(err, &said):
		return said.Code
	}
	return exitFailed
}

// report prints what ended a command: a line in the log, and the bare text on
// stderr when the log is elsewhere. Callers keep either and search it.
func (s *session) report(err error) {
	var (
		said  *status.Error
		usage *usageError
	)
	if err == nil || errors.As(err, &said) && said.Err == nil {
		return
	}
	if errors.As(err, &usage) && usage.help != nil {
		fmt.Fprint(s.err, "Incorrect Usage.\n\n")
		usage.help()
	}
	text := strings.TrimRight(err.Error(), "\n")
	s.log.line(levelError, text)
	if s.log.apart {
		fmt.Fprintln(s.err, text)
	}
}

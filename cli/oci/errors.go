package oci

import (
	"errors"
	"fmt"
	"strings"
)

// Exit statuses. Everything that is not listed ends with exitFailed.
const (
	exitFailed = 1
	// exitExec is exec failing before its program ran: -1, as runc says.
	exitExec = 255
)

// statusError gives the exit status of an error, or, without an error, of a
// payload that had its say.
type statusError struct {
	code int
	err  error
}

func (e *statusError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.code)
	}
	return e.err.Error()
}

func (e *statusError) Unwrap() error { return e.err }

// exitWith passes a payload's status on; 0 is no error.
func exitWith(code int) error {
	if code == 0 {
		return nil
	}
	return &statusError{code: code}
}

// usageError is a command line that cannot be read. The report shows how it is
// meant above the error itself.
type usageError struct {
	text string
	// help writes the usage; nil for none.
	help func()
}

func (e *usageError) Error() string { return e.text }

// status maps an error to the exit status.
func status(err error) int {
	var said *statusError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &said):
		return said.code
	}
	return exitFailed
}

// report prints what ended a command: a line in the log, and the bare text on
// stderr when the log is elsewhere. Callers keep either and search it.
func (s *session) report(err error) {
	var (
		said  *statusError
		usage *usageError
	)
	if err == nil || errors.As(err, &said) && said.err == nil {
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

// Package status is how a command passes on the exit status that berth ends
// with: in an error, because only main ends the process.
//
// Which failure has which status is the affair of the command lines, package
// cli's and package oci's; they look for an [Error] before they look at anything
// else.
package status

import "fmt"

// Error gives the exit status of an error, or, without an error, of a payload
// that had its say.
type Error struct {
	Code int
	Err  error
}

func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit status %d", e.Code)
	}
	return e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Exit passes a payload's status on; 0 is no error.
func Exit(code int) error {
	if code == 0 {
		return nil
	}
	return &Error{Code: code}
}

package status

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

func TestExit(t *testing.T) {
	if err := Exit(0); err != nil {
		t.Errorf("Exit(0) is the error %v", err)
	}
	var said *Error
	if err := fmt.Errorf("run x: %w", Exit(3)); !errors.As(err, &said) || said.Code != 3 || said.Err != nil {
		t.Errorf("Exit(3) is %#v", said)
	}
	if got := said.Error(); got != "exit status 3" {
		t.Errorf("Exit(3) reads %q", got)
	}
}

func TestErrorKeepsItsCause(t *testing.T) {
	err := &Error{Code: 125, Err: fmt.Errorf("open x: %w", fs.ErrPermission)}
	if err.Error() != "open x: permission denied" || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("the error reads %q, and is of permissions: %v", err, errors.Is(err, fs.ErrPermission))
	}
}

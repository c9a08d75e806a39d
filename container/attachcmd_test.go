package container

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"berth/container/attach"
)

func TestAttachResult(t *testing.T) {
	lost := errors.New("lost")
	for _, tt := range []struct {
		name string
		r    attach.Result
		err  error
		code int
		left bool
		want error
	}{
		{"payload's end", attach.Result{Status: attach.Status{ExitCode: 7}}, nil, 7, false, nil},
		{"detach keys", attach.Result{Detached: true}, nil, 0, true, nil},
		{"terminated", attach.Result{}, &attach.SignalError{Signal: unix.SIGTERM}, 143, true, nil},
		{"hung up", attach.Result{}, &attach.SignalError{Signal: unix.SIGHUP}, 129, true, nil},
		{"supervisor lost", attach.Result{}, lost, 0, false, lost},
	} {
		code, left, err := attachResult(tt.r, tt.err)
		if code != tt.code || left != tt.left || !errors.Is(err, tt.want) {
			t.Errorf("%s: %d, %v, %v", tt.name, code, left, err)
		}
	}
}

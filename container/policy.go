package container

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// RestartPolicy says when a container's monitor starts it again (--restart).
// The zero value never does.
type RestartPolicy struct {
	// Name is "no" or empty, "always", "unless-stopped" or "on-failure".
	Name string `json:"name,omitempty"`
	// MaximumRetryCount bounds the restarts of on-failure; 0 is no bound.
	MaximumRetryCount int `json:"maximum_retry_count,omitempty"`
}

// None reports whether the policy never restarts.
func (p RestartPolicy) None() bool { return p.Name == "" || p.Name == "no" }

// ParseRestartPolicy reads a policy as docker's --restart has it: NAME, or
// on-failure:COUNT.
func ParseRestartPolicy(text string) (RestartPolicy, error) {
	name, count, counted := strings.Cut(text, ":")
	if counted && name == "" {
		return RestartPolicy{}, errors.New("invalid restart policy format: no policy provided before colon")
	}
	p := RestartPolicy{Name: name}
	if count != "" {
		n, err := strconv.Atoi(count)
		if err != nil {
			return RestartPolicy{}, errors.New("invalid restart policy format: maximum retry count must be an integer")
		}
		p.MaximumRetryCount = n
	}
	return p, p.check()
}

// check refuses what docker refuses.
func (p RestartPolicy) check() error {
	switch p.Name {
	case "on-failure":
		if p.MaximumRetryCount < 0 {
			return errors.New("invalid restart policy: maximum retry count cannot be negative")
		}
	case "", "no", "always", "unless-stopped":
		switch {
		case p.MaximumRetryCount < 0:
			return errors.New("invalid restart policy: maximum retry count can only be used with 'on-failure' and cannot be negative")
		case p.MaximumRetryCount > 0:
			return errors.New("invalid restart policy: maximum retry count can only be used with 'on-failure'")
		}
	default:
		return fmt.Errorf("invalid restart policy: unknown policy '%s'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'", p.Name)
	}
	return nil
}

// wants tells whether a container that ended by itself, after so many
// restarts, is to be started again. What ended with an unknown code is not:
// something is wrong with its supervisor.
func (p RestartPolicy) wants(code *int, restarts int) bool {
	if code == nil {
		return false
	}
	switch p.Name {
	case "always", "unless-stopped":
		return true
	case "on-failure":
		return *code != 0 && (p.MaximumRetryCount == 0 || restarts < p.MaximumRetryCount)
	}
	return false
}

// Docker's pauses between a container's end and its next start: they double
// from the first on, and a run that lasts long enough begins anew.
const (
	firstPause = 100 * time.Millisecond
	longPause  = time.Minute
	steadyRun  = 10 * time.Second
)

// nextPause is the pause after a run of some length, given the pause before it;
// 0 when there was none.
func nextPause(last, ran time.Duration) time.Duration {
	if last == 0 || ran >= steadyRun {
		return firstPause
	}
	return min(2*last, longPause)
}

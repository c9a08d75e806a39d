package container

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// startError says in docker's words why a payload did not come to life, with
// the exit status that tells scripts so. Clients match the phrases.
func startError(c *Config, p *nsenter.Plan, results []nsenter.Result, err error) error {
	return execError(c.Spec.Process.Args[0], p, results, err)
}

// PlanError says in the words that callers match why a plan's program did not
// come to life, as a *StartError.
func PlanError(program string, p *nsenter.Plan, results []nsenter.Result, err error) error {
	return execError(program, p, results, err)
}

// execError is startError for any program.
func execError(program string, p *nsenter.Plan, results []nsenter.Result, err error) error {
	if start := (*StartError)(nil); errors.As(err, &start) {
		return start // a step has judged already
	}
	var judged *StartError
	if errors.As(err, &judged) {
		return judged // a step has said it already: see programs.go
	}
	if errors.Is(err, nsenter.ErrNoExec) {
		return noProgram(program, p, results)
	}
	var step *nsenter.StepError
	if errors.As(err, &step) && step.Step.Call == unix.SYS_EXECVE && step.Step.Who == nsenter.Child && step.Step.Func == nil {
		var errno unix.Errno
		if errors.As(step.Err, &errno) {
			return &StartError{Code: 126, Err: fmt.Errorf("exec: %q: %w", program, err)}
		}
	}
	return &StartError{Code: 125, Err: err}
}

// noProgram goes by the errors of the execve steps: one that was not allowed
// outweighs any number that found nothing.
func noProgram(program string, p *nsenter.Plan, results []nsenter.Result) error {
	var cause unix.Errno
	for i, r := range results {
		if p.Steps[i].Call != unix.SYS_EXECVE || p.Steps[i].Func != nil || r.State != nsenter.Tolerated {
			continue
		}
		if cause == 0 || r.Errno() == unix.EACCES {
			cause = r.Errno()
		}
	}
	switch {
	case cause == unix.EACCES:
		return &StartError{Code: 126, Err: fmt.Errorf("exec: %q: permission denied", program)}
	case strings.Contains(program, "/"):
		return &StartError{Code: 127, Err: fmt.Errorf("exec: %q: stat %s: no such file or directory", program, program)}
	}
	return &StartError{Code: 127, Err: fmt.Errorf("exec: %q: executable file not found in $PATH", program)}
}

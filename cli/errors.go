package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"berth/cli/status"
	"berth/container"
	"berth/image"
	"berth/state"
)

// Exit statuses (CLI contract, section 4).
const (
	exitFailed   = 1
	exitTemplate = 64
	// exitBerth is a flag that could not be read, and run or create failing
	// before the payload ran.
	exitBerth = 125
)

// usageError is a command line that cannot be read. The report shows the usage
// line below it.
type usageError struct {
	text string
	// path and usage are "berth run" and "berth run [OPTIONS] IMAGE …"; usage
	// is empty when no command was recognised.
	path, usage string
	code        int
	// hint is advice for the next line; empty for none.
	hint string
	// see is for docker's sentence on the help where it says "See" in place of
	// "Run".
	see bool
	// topic is the word that docker's help was asked about.
	topic string
}

func (e *usageError) Error() string { return e.text }

// unknownFlagError is a flag that a command does not have.
type unknownFlagError struct{ text, name string }

func (e *unknownFlagError) Error() string { return e.text }

// hintError is an error with advice for the next line.
type hintError struct {
	err  error
	hint string
}

func (e *hintError) Error() string { return e.err.Error() }
func (e *hintError) Unwrap() error { return e.err }

// clientError is one that docker's client finds itself, before or after it asks
// its daemon: called as docker, it has no "from daemon" in front.
type clientError struct {
	err error
	// docker is the whole text in docker's words; empty when it is err's.
	docker string
	// bare tells that even docker's run says it without the program's name.
	bare bool
}

func (e *clientError) Error() string { return e.err.Error() }
func (e *clientError) Unwrap() error { return e.err }

// clientFault makes an error a clientError, unless it is one that docker's daemon
// finds; nil stays nil.
func clientFault(err error) error {
	var (
		daemon *daemonError
		name   *state.InvalidNameError
		none   *state.NoSuchError
		absent *image.NoSuchImageError
	)
	if err == nil || errors.As(err, &daemon) || errors.As(err, &name) || errors.As(err, &none) || errors.As(err, &absent) {
		return err
	}
	return &clientError{err: err}
}

// daemonError is one among those of flags that docker's client leaves for its
// daemon to find.
type daemonError struct{ err error }

func (e *daemonError) Error() string { return e.err.Error() }
func (e *daemonError) Unwrap() error { return e.err }

// foundBy marks an error of a group of flags with who finds it in docker. Of
// groups that are not named here it is the client, for most errors.
func foundBy(g flagGroup, err error) error {
	switch g.(type) {
	case *memoryFlags, *cpuFlags, *blkioFlags, *reclaimFlags, *refusedFlags, *mountFlags, *logFlags:
		return &daemonError{err}
	}
	return clientFault(err)
}

// reported is several errors that have been printed already.
type reported struct{ code int }

func (e *reported) Error() string { return fmt.Sprintf("exit status %d", e.code) }

// statusOf maps an error to the exit status.
func statusOf(err error) int {
	var (
		start *container.StartError
		said  *status.Error
		usage *usageError
		done  *reported
	)
	switch {
	case err == nil:
		return 0
	case errors.As(err, &said):
		return said.Code
	case errors.As(err, &usage):
		return usage.code
	case errors.As(err, &done):
		return done.code
	case errors.As(err, &start):
		return start.Code
	}
	return exitFailed
}

// began marks an error of run or create, whose status is 125 unless the payload
// was found to be missing or not executable.
func began(err error) error {
	var start *container.StartError
	var said *status.Error
	if err == nil || errors.As(err, &start) || errors.As(err, &said) {
		return err
	}
	return &status.Error{Code: exitBerth, Err: err}
}

// notCreated is began for create, whose daemon's refusals are failures as any
// others for docker: the client's own have the status.
func notCreated(err error) error {
	if client := new(clientError); errors.As(err, &client) {
		return began(err)
	}
	return err
}

// report prints what ended a command, in the words of the personality.
func (s *session) report(cmd *command, err error) {
	var said *status.Error
	var usage *usageError
	var done *reported
	switch {
	case err == nil || errors.As(err, &done) || errors.As(err, &said) && said.Err == nil:
	case errors.As(err, &usage):
		s.reportUsage(usage)
	default:
		s.reportFailure(cmd, err)
	}
}

// reportFailure prints an error with its hint.
func (s *session) reportFailure(cmd *command, err error) {
	var hint *hintError
	prefix, text := s.words.failure, err.Error()
	starts := cmd != nil && cmd.starts && cmd.name != "create"
	if client := new(clientError); errors.As(err, &client) {
		starts = cmd != nil && cmd.starts && !client.bare
		if prefix = s.words.flag; prefix == "" && client.docker != "" {
			text = client.docker
		}
	}
	if starts {
		prefix = s.words.starting + prefix
	}
	s.complain(prefix, text)
	switch {
	case errors.As(err, &hint):
		s.complain("hint: ", hint.hint)
	case errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0:
		fmt.Fprintln(s.err, "hint: berth needs root")
	}
	if starts && s.words.starting != "" {
		fmt.Fprintf(s.err, "\nRun '%s --help' for more information\n", s.path(cmd))
	}
}

// reportUsage prints a refusal with the usage line below.
func (s *session) reportUsage(e *usageError) {
	if e.topic != "" {
		s.complain("unknown help topic: ", e.topic)
		return
	}
	prefix := s.words.misuse
	if e.code == exitBerth {
		prefix = s.words.flag
	}
	s.complain(prefix, e.text)
	if e.hint != "" {
		s.complain("hint: ", e.hint)
	}
	if e.usage != "" {
		fmt.Fprintf(s.err, "\nUsage:  %s\n", e.usage)
	}
	verb := "Run"
	if e.see && s.program == "docker" {
		verb = "See"
	}
	fmt.Fprintf(s.err, "\n%s '%s --help' for more information\n", verb, e.path)
}

// complain prints one line, whatever an error's text contains.
func (s *session) complain(prefix, text string) {
	text = strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "; ")
	fmt.Fprintf(s.err, "%s%s\n", prefix, plain(text))
}

// warn prints one line about what does not keep a command.
func (s *session) warn(text string) { s.complain("WARNING: ", text) }

// each runs one verb on several objects: what fails is reported and does not
// keep the others.
func (s *session) each(refs []string, do func(ref string) error) error {
	failed := false
	for _, ref := range refs {
		if err := do(ref); err != nil {
			s.report(nil, err)
			failed = true
		}
	}
	if failed {
		return &reported{code: exitFailed}
	}
	return nil
}

// verbatim is fmt.Errorf for docker's own words, which clients match: they are
// not berth's to improve.
func verbatim(format string, args ...any) error { return fmt.Errorf(format, args...) }

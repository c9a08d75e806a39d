package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"berth/registry/credentials"
)

// ask asks the user for what is missing of a login; usual is the name that Enter
// alone stands for.
func (l *loginAttempt) ask(ctx context.Context, given credentials.Auth, usual string) (credentials.Auth, error) {
	if !isTerminal(l.stdio.In) {
		const text = "Cannot perform an interactive login from a non TTY device"
		return given, &clientError{err: verbatim(text), docker: "Error: " + text}
	}
	var err error
	if given.Username == "" {
		question := "Username: "
		if usual != "" {
			question = fmt.Sprintf("Username (%s): ", plain(usual))
		}
		if given.Username, err = l.answer(ctx, question, readLine); err != nil {
			return given, err
		}
		if given.Username = strings.TrimSpace(given.Username); given.Username == "" {
			given.Username = usual
		}
		if given.Username == "" {
			return given, clientFault(verbatim("username is required"))
		}
	}
	if given.Password == "" {
		given.Password, err = l.answer(ctx, "Password: ", readSecret)
		fmt.Fprintln(l.out)
		if err == nil && given.Password == "" {
			err = clientFault(verbatim("password is required"))
		}
	}
	return given, err
}

// answer asks and reads the answer, unless ctx ends before. The terminal is then
// as it was.
func (s *session) answer(ctx context.Context, question string, read func(*os.File) (string, error)) (string, error) {
	was, err := term.GetState(int(s.stdio.In.Fd()))
	if err != nil {
		return "", fmt.Errorf("read terminal's mode: %w", err)
	}
	if _, err := fmt.Fprint(s.out, question); err != nil {
		return "", err
	}
	type reply struct {
		text string
		err  error
	}
	replies := make(chan reply, 1)
	go func() {
		text, err := read(s.stdio.In)
		replies <- reply{text, err}
	}()
	select {
	case r := <-replies:
		return r.text, r.err
	case <-ctx.Done():
		// Who was killed in the middle of a password finds a terminal that echoes.
		_ = term.Restore(int(s.stdio.In.Fd()), was)
		return "", context.Cause(ctx)
	}
}

// readSecret reads a line without showing it. It is not term.ReadPassword, which
// reads on and on from a terminal whose input has ended.
func readSecret(in *os.File) (string, error) {
	fd := int(in.Fd())
	was, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return "", fmt.Errorf("read terminal's mode: %w", err)
	}
	silent := *was
	silent.Lflag &^= unix.ECHO
	silent.Lflag |= unix.ICANON | unix.ISIG
	silent.Iflag |= unix.ICRNL
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &silent); err != nil {
		return "", fmt.Errorf("stop terminal's echo: %w", err)
	}
	line, err := readLine(in)
	if restoreErr := unix.IoctlSetTermios(fd, unix.TCSETS, was); err == nil && restoreErr != nil {
		err = fmt.Errorf("restore terminal's echo: %w", restoreErr)
	}
	return line, err
}

// readLine reads a line and nothing of what follows it; the end of the input ends
// it too.
func readLine(in *os.File) (string, error) {
	var line strings.Builder
	one := make([]byte, 1)
	for line.Len() < maxPassword {
		n, err := in.Read(one)
		switch {
		case err == io.EOF, n > 0 && one[0] == '\n':
			return line.String(), nil
		case err != nil:
			return "", err
		}
		line.Write(one[:n])
	}
	return "", fmt.Errorf("read answer: more than %d bytes", maxPassword)
}

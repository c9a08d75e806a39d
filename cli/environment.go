package cli

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// maxEnvLine bounds one line of an env file, in bytes: execve(2) takes no
// longer string (MAX_ARG_STRLEN).
const maxEnvLine = 128 << 10

// environment is a list of KEY=VALUE in which each key stands once, where it was
// set first.
type environment struct{ list []string }

func (e *environment) set(v string) {
	key, _, _ := strings.Cut(v, "=")
	if i := e.find(key); i >= 0 {
		e.list[i] = v
		return
	}
	e.list = append(e.list, v)
}

func (e *environment) unset(key string) {
	if i := e.find(key); i >= 0 {
		e.list = append(e.list[:i], e.list[i+1:]...)
	}
}

func (e *environment) find(key string) int {
	for i, v := range e.list {
		if strings.HasPrefix(v, key) && strings.HasPrefix(v[len(key):], "=") {
			return i
		}
	}
	return -1
}

// parseEnv checks one -e value: KEY=VALUE, or KEY to take the caller's value.
func parseEnv(s string) (string, error) {
	if s == "" || s[0] == '=' || strings.ContainsRune(s, 0) {
		return "", fmt.Errorf("invalid environment variable: %s", s)
	}
	return s, nil
}

// parseEnvFile reads docker's format: one KEY=VALUE or KEY a line, # for
// comments, no quoting at all. Leading blanks go, the value stays as it is.
func parseEnvFile(r io.Reader) ([]string, error) {
	var vars []string
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxEnvLine)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if n == 1 {
			line = strings.TrimPrefix(line, "\ufeff") // a byte order mark
		}
		if !utf8.ValidString(line) || strings.ContainsRune(line, 0) {
			return nil, fmt.Errorf("invalid utf8 bytes at line %d: %q", n, line)
		}
		line = strings.TrimLeft(line, " \t\v\f\r")
		if line == "" || line[0] == '#' {
			continue
		}
		key, _, _ := strings.Cut(line, "=")
		switch {
		case key == "":
			return nil, fmt.Errorf("no variable name on line '%s'", line)
		case strings.ContainsAny(key, " \t\v\f\r"):
			return nil, fmt.Errorf("variable '%s' contains whitespaces", key)
		}
		vars = append(vars, line)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read line %d bytes or longer: %w", maxEnvLine, err)
	}
	return vars, nil
}

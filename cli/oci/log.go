package oci

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Levels of lines, as callers know them from logrus.
const (
	levelDebug   = "debug"
	levelWarning = "warning"
	levelError   = "error"
)

// logger writes the lines that callers parse: conmon, podman and containerd's
// shim read the last error from the file of --log.
type logger struct {
	to   io.Writer
	json bool
	// debug lets lines of that level through, quiet only errors.
	debug, quiet bool
	// apart tells that to is a file of its own, so that a person at stderr
	// would not see an error.
	apart bool
	// terminal shortens lines for a reader at a terminal.
	terminal bool
	now      func() time.Time
}

func newLogger(stderr *os.File, now func() time.Time) *logger {
	l := &logger{to: stderr, now: now}
	if stderr != nil {
		_, err := unix.IoctlGetTermios(int(stderr.Fd()), unix.TCGETS)
		l.terminal = err == nil
	}
	return l
}

// open has lines appended to a file. Every line is one write, so that callers
// that share a file between runs do not find two in one.
func (l *logger) open(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	l.to, l.apart, l.terminal = file, true, false
	return nil
}

func (l *logger) debugf(format string, args ...any) {
	if l.debug {
		l.line(levelDebug, fmt.Sprintf(format, args...))
	}
}

func (l *logger) warnf(format string, args ...any) {
	if !l.quiet {
		l.line(levelWarning, fmt.Sprintf(format, args...))
	}
}

func (l *logger) line(level, text string) {
	var line string
	switch now := l.now().UTC().Format(time.RFC3339); {
	case l.json:
		data, err := json.Marshal(struct {
			Level string `json:"level"`
			Msg   string `json:"msg"`
			Time  string `json:"time"`
		}{level, text, now})
		if err != nil { // strings always marshal
			return
		}
		line = string(data)
	case l.terminal:
		line = strings.ToUpper(level[:4]) + "[0000] " + text
	default:
		line = fmt.Sprintf("time=%q level=%s msg=%s", now, level, quote(text))
	}
	// A log that cannot be written must not change what a command does.
	_, _ = io.WriteString(l.to, line+"\n")
}

// quote puts a value into quotes where logfmt needs them.
func quote(s string) string {
	for _, r := range s {
		plain := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._/@^+", r)
		if !plain {
			return strconv.Quote(s)
		}
	}
	return s
}

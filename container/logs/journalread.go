package logs

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// readJournal reads back what journalSink sent, by way of journalctl(1): the
// journal's files change form with systemd's versions, and its library cannot
// be linked into a static binary (ADR 14).
func readJournal(ctx context.Context, c Container, o ReadOptions, out func(Record) error) error {
	j := &journal{program: "journalctl", id: c.ID, o: o, out: out}
	err := j.read(ctx)
	if err == errStop {
		return nil
	}
	return err
}

// journal is the state of one reading.
type journal struct {
	program string
	id      string
	o       ReadOptions
	out     func(Record) error
	cursor  string // of the last entry that was read
}

// journalSync bounds how long journald may take to write what it has been sent.
const journalSync = 5 * time.Second

func (j *journal) read(ctx context.Context) error {
	if !j.o.Follow || isDone(j.o.Done) {
		j.sync(ctx)
		return j.pass(ctx, false)
	}
	following, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		var until <-chan time.Time
		if !j.o.Until.IsZero() {
			timer := time.NewTimer(time.Until(j.o.Until))
			defer timer.Stop()
			until = timer.C
		}
		select {
		case <-following.Done():
		case <-until:
		case <-j.o.Done:
		}
		cancel()
	}()
	if err := j.pass(following, true); err != nil && following.Err() == nil || err == errStop {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// The rest, up to what was sent last.
	j.sync(ctx)
	return j.pass(ctx, false)
}

func isDone(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// sync has journald write what it was sent. Without the right to ask for that
// the end of a log may be missing for a moment.
func (j *journal) sync(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, journalSync)
	defer cancel()
	_ = exec.CommandContext(ctx, j.program, "--sync").Run()
}

// arguments are those of one pass.
func (j *journal) arguments(follow bool) []string {
	args := []string{"--quiet", "--no-pager", "--output=export", "--all"}
	switch {
	case j.cursor != "":
		args = append(args, "--after-cursor="+j.cursor)
	case j.o.Tail >= 0:
		args = append(args, "--lines="+strconv.Itoa(j.o.Tail))
	case follow:
		args = append(args, "--lines=all") // it shows ten otherwise
	}
	if follow {
		args = append(args, "--follow")
	}
	if !j.o.Since.IsZero() && j.o.Tail < 0 && j.cursor == "" {
		// A record reaches the journal after it was made: what is too early is
		// left out by its own time.
		args = append(args, "--since=@"+strconv.FormatInt(j.o.Since.Unix(), 10))
	}
	return append(args, "CONTAINER_ID_FULL="+j.id)
}

// pass reads the entries once, or until ctx ends.
func (j *journal) pass(ctx context.Context, follow bool) error {
	run := exec.CommandContext(ctx, j.program, j.arguments(follow)...)
	var said bytes.Buffer
	run.Stderr = &said
	from, err := run.StdoutPipe()
	if err == nil {
		err = run.Start()
	}
	if err != nil {
		return fmt.Errorf("read journal: %w", err)
	}
	readErr := j.entries(from)
	if readErr != nil && ctx.Err() == nil {
		// It need not write what nobody will read.
		_ = run.Process.Kill()
	}
	err = run.Wait()
	switch {
	case readErr != nil:
		return readErr
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && said.Len() > 0:
		return fmt.Errorf("read journal: %w: %s", err, strings.TrimSpace(said.String()))
	case err != nil && j.cursor == "" && isExit(err, 1):
		return nil // as versions before 256 say that nothing matches
	case err != nil:
		return fmt.Errorf("read journal: %w", err)
	}
	return nil
}

func isExit(err error, code int) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == code
}

// entries reads journalctl's export format: a field a line, as NAME=VALUE or
// as NAME, length and bytes; an empty line ends an entry.
func (j *journal) entries(from io.Reader) error {
	in := bufio.NewReaderSize(from, readSize)
	fields := make(map[string]string)
	for {
		if in.Buffered() == 0 {
			j.o.idle()
		}
		name, value, err := exportField(in)
		if err == io.EOF || err == io.ErrUnexpectedEOF || errors.Is(err, os.ErrClosed) {
			return nil // what it was stopped within the next pass has again
		}
		if err != nil {
			return fmt.Errorf("read journal: %w", err)
		}
		if name != "" {
			fields[name] = value
			continue
		}
		if err := j.entry(fields); err != nil {
			return err
		}
		clear(fields)
	}
}

// exportField reads one field; the end of an entry has no name.
func exportField(in *bufio.Reader) (name, value string, err error) {
	line, err := in.ReadString('\n')
	if err != nil {
		if err == io.EOF && line != "" {
			err = io.ErrUnexpectedEOF
		}
		return "", "", err
	}
	line = line[:len(line)-1]
	name, value, text := strings.Cut(line, "=")
	if text || name == "" {
		return name, value, nil
	}
	var size [8]byte
	if _, err := io.ReadFull(in, size[:]); err != nil {
		return "", "", unexpected(err)
	}
	n := binary.LittleEndian.Uint64(size[:])
	if n > maxLine {
		return "", "", fmt.Errorf("%w: field %s of %d bytes", ErrDamaged, name, n)
	}
	data := make([]byte, n+1) // a newline follows
	if _, err := io.ReadFull(in, data); err != nil {
		return "", "", unexpected(err)
	}
	return name, string(data[:n]), nil
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// entry passes on one entry.
func (j *journal) entry(fields map[string]string) error {
	if _, ok := fields["MESSAGE"]; !ok {
		return nil
	}
	rec := Record{Stream: "stdout", Line: []byte(fields["MESSAGE"])}
	if fields["PRIORITY"] == priorityError {
		rec.Stream = "stderr"
	}
	if fields["CONTAINER_PARTIAL_MESSAGE"] != "true" {
		rec.Line = append(rec.Line, '\n')
	}
	var ok bool
	if rec.Time, ok = entryTime(fields); !ok {
		return nil // no entry of ours
	}
	for name, value := range fields {
		if !ownField(name) {
			if rec.Attrs == nil {
				rec.Attrs = make(map[string]string)
			}
			rec.Attrs[name] = value
		}
	}
	j.cursor = fields["__CURSOR"]
	return j.o.pass(rec, j.out)
}

// entryTime is when a record was made, to the nanosecond if it says so itself.
func entryTime(fields map[string]string) (time.Time, bool) {
	if t, err := time.Parse(time.RFC3339Nano, fields["SYSLOG_TIMESTAMP"]); err == nil {
		return t, true
	}
	micros, err := strconv.ParseInt(fields["__REALTIME_TIMESTAMP"], 10, 64)
	return time.UnixMicro(micros).UTC(), err == nil
}

// ownField tells the fields of every record, and journald's own, from labels
// and variables.
func ownField(name string) bool {
	switch name {
	case "MESSAGE", "PRIORITY", "SYSLOG_TIMESTAMP", "SYSLOG_IDENTIFIER", "SYSLOG_FACILITY", "IMAGE_NAME",
		"CONTAINER_ID", "CONTAINER_ID_FULL", "CONTAINER_NAME", "CONTAINER_TAG", "CONTAINER_PARTIAL_MESSAGE":
		return true
	}
	return strings.HasPrefix(name, "_")
}

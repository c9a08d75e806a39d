package logs

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fakeJournal is the other end of the native protocol.
type fakeJournal struct {
	t    *testing.T
	path string
	conn *net.UnixConn
}

func newFakeJournal(t *testing.T, path string) *fakeJournal {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &fakeJournal{t, path, conn}
}

// receive reads one record; sealed tells that it came as a file.
func (j *fakeJournal) receive() (fields map[string]string, sealed bool) {
	j.t.Helper()
	data, oob := make([]byte, 1<<20), make([]byte, 128)
	_ = j.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	n, oobn, _, _, err := j.conn.ReadMsgUnix(data, oob)
	if err != nil {
		j.t.Fatal(err)
	}
	data = data[:n]
	if oobn > 0 {
		sealed = true
		data = j.file(oob[:oobn])
	}
	fields = map[string]string{}
	for rest := string(data); rest != ""; {
		line, after, _ := strings.Cut(rest, "\n")
		name, value, text := strings.Cut(line, "=")
		if !text {
			size := binary.LittleEndian.Uint64([]byte(after[:8]))
			value, after = after[8:8+size], after[9+size:]
		}
		fields[name], rest = value, after
	}
	return fields, sealed
}

// file reads the file that came with a message, which nobody may change.
func (j *fakeJournal) file(oob []byte) []byte {
	j.t.Helper()
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		j.t.Fatal(err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		j.t.Fatal(err)
	}
	f := os.NewFile(uintptr(fds[0]), "record")
	defer f.Close()
	seals, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0)
	if err != nil || seals&unix.F_SEAL_WRITE == 0 {
		j.t.Errorf("seals %x, %v", seals, err)
	}
	data := make([]byte, 1<<20)
	n, err := f.ReadAt(data, 0)
	if n == 0 {
		j.t.Fatal(err)
	}
	return data[:n]
}

// journalled is a container and a Writer to a fake journal.
func journalled(t *testing.T, opts map[string]string) (*fakeJournal, *Writer) {
	t.Helper()
	dir := t.TempDir()
	j := newFakeJournal(t, filepath.Join(dir, "socket"))
	c := Container{
		ID: strings.Repeat("ab", 32), LogPath: filepath.Join(dir, "log"), Name: "web", Image: "nginx:1",
		Env: []string{"_My.Var=1"}, Labels: map[string]string{"tier": "two\nlines"},
	}
	loss := &losses{path: c.LogPath}
	s, err := newJournalSink(j.path, c, opts, loss)
	if err != nil {
		t.Fatal(err)
	}
	return j, newWriter(s, loss, 0)
}

func TestJournalFields(t *testing.T) {
	j, w := journalled(t, map[string]string{"env": "_My.Var", "labels": "tier", "tag": "{{.Name}}!"})
	before := time.Now().Add(-time.Second)
	fmt.Fprint(w.Stream("stdout"), "out\r\n")
	fmt.Fprint(w.Stream("stderr"), "err\n")
	fmt.Fprint(w.Stream("stdout"), strings.Repeat("x", 16<<10)+"y")
	got, _ := j.receive()
	at, err := time.Parse(time.RFC3339Nano, got["SYSLOG_TIMESTAMP"])
	if err != nil || at.Before(before) {
		t.Errorf("time %s, %v", got["SYSLOG_TIMESTAMP"], err)
	}
	delete(got, "SYSLOG_TIMESTAMP")
	want := map[string]string{
		"MESSAGE": "out\r", "PRIORITY": "6", "CONTAINER_ID": "abababababab", "CONTAINER_ID_FULL": strings.Repeat("ab", 32),
		"CONTAINER_NAME": "web", "CONTAINER_TAG": "web!", "SYSLOG_IDENTIFIER": "web!", "IMAGE_NAME": "nginx:1",
		"MY_VAR": "1", "TIER": "two\nlines",
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %q, want %q", name, got[name], value)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("more fields: %q", got)
	}
	if got, _ = j.receive(); got["MESSAGE"] != "err" || got["PRIORITY"] != "3" {
		t.Errorf("stderr: %q", got)
	}
	if got, _ = j.receive(); len(got["MESSAGE"]) != 16<<10 || got["CONTAINER_PARTIAL_MESSAGE"] != "true" {
		t.Errorf("part: %d bytes, %q", len(got["MESSAGE"]), got["CONTAINER_PARTIAL_MESSAGE"])
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if got, _ = j.receive(); got["MESSAGE"] != "y" {
		t.Errorf("last: %q", got)
	}
}

func TestJournalNames(t *testing.T) {
	for in, want := range map[string]string{"a.b-c": "A_B_C", "_x": "X", "é": "", "__": "", "A1": "A1"} {
		if got := journalName(in); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

// TestJournalLarge sends what no datagram holds.
func TestJournalLarge(t *testing.T) {
	j, w := journalled(t, nil)
	s := w.sink.(*journalSink)
	if err := s.connect(); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 4096); err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("x", 15000)
	fmt.Fprintln(w.Stream("stdout"), text)
	if got, sealed := j.receive(); got["MESSAGE"] != text || !sealed {
		t.Errorf("%d bytes, as a file: %v", len(got["MESSAGE"]), sealed)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

// TestJournalRestarts is a journal that goes away and comes back.
func TestJournalRestarts(t *testing.T) {
	j, w := journalled(t, nil)
	out := w.Stream("stdout")
	fmt.Fprintln(out, "one")
	if got, _ := j.receive(); got["MESSAGE"] != "one" {
		t.Errorf("got %q", got)
	}
	j.conn.Close()
	if err := os.Remove(j.path); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(out, "lost")
	if w.Dropped() != 1 {
		t.Errorf("%d dropped", w.Dropped())
	}
	again := newFakeJournal(t, j.path)
	fmt.Fprintln(out, "two")
	if got, _ := again.receive(); got["MESSAGE"] != "two" {
		t.Errorf("got %q", got)
	}
	if err := w.Close(); err == nil || !strings.Contains(err.Error(), "1 records dropped") {
		t.Errorf("close: %v", err)
	}
}

// TestJournalStuck is a journal that does not read: the payload waits once.
func TestJournalStuck(t *testing.T) {
	_, w := journalled(t, nil)
	begun := time.Now()
	text := strings.Repeat("x", 10000)
	for range 5000 {
		fmt.Fprintln(w.Stream("stdout"), text)
	}
	if took := time.Since(begun); took > 10*journalWait {
		t.Errorf("took %s", took)
	}
	if w.Dropped() == 0 {
		t.Error("nothing was dropped")
	}
	w.Close()
}

func TestNoJournal(t *testing.T) {
	if _, err := os.Stat(journalSocket); err == nil {
		t.Skip("by design: this machine has a journal")
	}
	_, err := Open("journald", nil, Container{ID: "x", LogPath: "/nowhere/log"}, nil)
	if err == nil || !strings.Contains(err.Error(), "journald is not enabled on this host") {
		t.Errorf("got %v", err)
	}
}

// journalctl is a program that notes its arguments and prints an export.
func journalctl(t *testing.T, script string) (program string, arguments func() string) {
	t.Helper()
	dir := t.TempDir()
	program = filepath.Join(dir, "journalctl")
	text := "#!/bin/sh\ncd " + dir + "\necho \"$*\" >>arguments\n" + script
	if err := os.WriteFile(program, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return program, func() string {
		b, _ := os.ReadFile(filepath.Join(dir, "arguments"))
		return string(b)
	}
}

// export is an entry as journalctl prints it.
func export(cursor, message, more string) string {
	return "__CURSOR=" + cursor + `\n__REALTIME_TIMESTAMP=1700000000000000\n_PID=1\nCONTAINER_NAME=web\n` + more + "MESSAGE=" + message + `\n\n`
}

func TestReadJournal(t *testing.T) {
	at := func(s string) string { return `SYSLOG_TIMESTAMP=2026-11-21T10:00:0` + s + `Z\n` }
	all := export("c1", "one", at("1")+`PRIORITY=6\nTIER=web\n`) + export("c2", "two", at("2.5")+`PRIORITY=3\n`) +
		export("c3", "par", at("3")+`CONTAINER_PARTIAL_MESSAGE=true\n`) + `__CURSOR=c4\nMESSAGE\n\003\000\000\000\000\000\000\000a\nb\n` + at("4") + `\n`
	when := func(s int) time.Time { return time.Date(2026, 11, 21, 10, 0, s, 0, time.UTC) }
	for _, c := range []struct {
		name       string
		o          ReadOptions
		args, want string
	}{
		{"all", ReadOptions{Tail: -1}, "--quiet --no-pager --output=export --all CONTAINER_ID_FULL=abc\n",
			"stdout:one\n map[TIER:web] stderr:two\n map[] stdout:par map[] stdout:a\nb\n map[]"},
		{"tail", ReadOptions{Tail: 7, Since: when(2)}, "--lines=7 CONTAINER_ID_FULL=abc\n",
			"stderr:two\n map[] stdout:par map[] stdout:a\nb\n map[]"},
		{"times", ReadOptions{Tail: -1, Since: when(2), Until: when(3)}, "--since=@1795255202 CONTAINER_ID_FULL=abc\n",
			"stderr:two\n map[] stdout:par map[]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			program, arguments := journalctl(t, "[ $1 = --sync ] || printf '"+all+"'\n")
			var got []string
			j := &journal{program: program, id: "abc", o: c.o, out: func(r Record) error {
				got = append(got, fmt.Sprintf("%s:%s %v", r.Stream, r.Line, r.Attrs))
				return nil
			}}
			if err := j.read(context.Background()); err != nil && err != errStop {
				t.Fatal(err)
			}
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("got  %q\nwant %q", s, c.want)
			}
			if a := arguments(); !strings.HasPrefix(a, "--sync\n") || !strings.HasSuffix(a, c.args) {
				t.Errorf("arguments %q, want %q at the end", a, c.args)
			}
		})
	}
}

// TestFollowJournal follows, is stopped within an entry, and reads the rest
// behind the last whole one.
func TestFollowJournal(t *testing.T) {
	program, arguments := journalctl(t, `
case "$*" in
--sync) ;;
*--after-cursor=c1*) printf '`+export("c2", "two", "")+`' ;;
*--follow*) printf '`+export("c1", "one", "")+`__CURSOR=c2\nMESSAGE=tw'; : >following; exec sleep 60 ;;
esac
`)
	done := make(chan struct{})
	go func() {
		for range 500 {
			if _, err := os.Stat(filepath.Join(filepath.Dir(program), "following")); err == nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		close(done)
	}()
	var got []string
	j := &journal{program: program, id: "abc", o: ReadOptions{Tail: -1, Follow: true, Done: done}, out: func(r Record) error {
		got = append(got, string(r.Line))
		return nil
	}}
	if err := j.read(context.Background()); err != nil {
		t.Fatal(err)
	}
	if strings.Join(got, "") != "one\ntwo\n" {
		t.Errorf("got %q", got)
	}
	if a := arguments(); !strings.Contains(a, "--lines=all --follow CONTAINER_ID_FULL=abc\n--sync\n") {
		t.Errorf("arguments %q", a)
	}
}

func TestReadJournalFails(t *testing.T) {
	read := func(program string, out func(Record) error) error {
		j := &journal{program: program, id: "abc", o: ReadOptions{Tail: -1}, out: out}
		return j.read(context.Background())
	}
	program, _ := journalctl(t, "echo no such file >&2; exit 1\n")
	if err := read(program, nil); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("got %v", err)
	}
	if err := read("/nowhere/journalctl", nil); err == nil || !strings.Contains(err.Error(), "read journal") {
		t.Errorf("got %v", err)
	}
	boom := errors.New("boom")
	program, _ = journalctl(t, "[ $1 = --sync ] && exit; printf '"+export("c1", "one", "")+"'; exec sleep 60\n")
	if err := read(program, func(Record) error { return boom }); err != nil && err != boom {
		t.Errorf("got %v", err)
	}
}

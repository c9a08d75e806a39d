package cli

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// plain shows what a terminal would obey, or be misled by, the way Go writes it:
// names of files, messages of images and words of a command line are whatever
// somebody made them. All else, such as letters of any script, stays as it is.
func plain(text string) string {
	if !strings.ContainsFunc(text, obeyed) && utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case obeyed(r):
			quoted := fmt.Sprintf("%+q", r)
			b.WriteString(quoted[1 : len(quoted)-1])
		default:
			b.WriteString(text[:n])
		}
		text = text[n:]
	}
	return b.String()
}

// obeyed tells of controls, and of marks that turn the direction of writing.
func obeyed(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }

// shown is a text from a container as one line of output: plain on a terminal,
// and as it is for programs, as docker prints it.
func (s *session) shown(text string) string {
	if isTerminal(s.stdio.Out) {
		return plain(text)
	}
	return text
}

// screen has write print what comes from images and registries: plain on a
// terminal but for its lines and tabs, and as it is for programs. A --format that
// has controls of its own is left alone: those are the user's.
func (s *session) screen(format string, write func(io.Writer) error) error {
	if !isTerminal(s.stdio.Out) || hasControls(format) {
		return write(s.out)
	}
	var text bytes.Buffer
	err := write(&text)
	if _, e := io.WriteString(s.out, plainLines(text.String())); err == nil {
		err = e
	}
	return err
}

// hasControls tells whether a template writes controls other than lines and tabs.
func hasControls(format string) bool {
	format = strings.NewReplacer(`\t`, "", `\n`, "").Replace(format)
	return plainLines(format) != format || strings.Contains(format, `\`)
}

// plainLines is plain for text that has lines and tabs.
func plainLines(text string) string {
	var b strings.Builder
	for len(text) > 0 {
		end := strings.IndexAny(text, "\n\t")
		if end < 0 {
			end = len(text)
		}
		b.WriteString(plain(text[:end]))
		if text = text[end:]; text != "" {
			b.WriteByte(text[0])
			text = text[1:]
		}
	}
	return b.String()
}

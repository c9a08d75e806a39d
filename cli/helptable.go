package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"berth/cli/option"
)

// The tables of the help, in the layout of docker's.
const (
	// plainWidth is how wide a help is that goes to no terminal.
	plainWidth = 80
	// leastText is how narrow a column of text may become; below that the
	// terminal breaks the lines.
	leastText = 24
	// raggedness is how far before the edge a line of more than one ends.
	raggedness = 5
	// leastName is how wide a column of commands is at least.
	leastName = 10
)

// helpWidth is the width of the terminal that help goes to.
func (s *session) helpWidth() int {
	if ws, err := unix.IoctlGetWinsize(int(s.stdio.Out.Fd()), unix.TIOCGWINSZ); err == nil && ws.Col > 1 {
		return int(ws.Col)
	}
	return plainWidth
}

// printOptions writes a line or more for each option that is not hidden.
func printOptions(w io.Writer, list []*option.Option, width int) error {
	list = slices.DeleteFunc(slices.Clone(list), func(o *option.Option) bool { return o.Hidden })
	column := 0
	for _, o := range list {
		head, _, _ := strings.Cut(o.String(), "\t")
		column = max(column, utf8.RuneCountInString(head)+5)
	}
	for _, o := range list {
		head, text, _ := strings.Cut(o.String(), "\t")
		lines := wrapText(text, width-1-column)
		if _, err := fmt.Fprintf(w, "  %-*s%s\n", column-2, head, strings.Join(lines, "\n"+strings.Repeat(" ", column))); err != nil {
			return err
		}
	}
	return nil
}

// wrapText breaks a text between words; a column too narrow for words is none.
func wrapText(text string, width int) []string {
	var lines []string
	for width >= leastText && len(text) >= width {
		cut := strings.LastIndexByte(text[:width-raggedness], ' ')
		if cut <= 0 {
			break
		}
		lines = append(lines, text[:cut])
		text = text[cut+1:]
	}
	return append(lines, text)
}

// printNames writes names with what they are, side by side.
func printNames(w io.Writer, lines [][2]string) error {
	width := leastName
	for _, line := range lines {
		width = max(width, len(line[0]))
	}
	for _, line := range lines {
		if _, err := fmt.Fprintf(w, "  %-*s  %s\n", width, line[0], line[1]); err != nil {
			return err
		}
	}
	return nil
}

package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"text/template"
	"unicode/utf8"
)

// listing is what a list verb prints: rows, and what the table has for headings,
// a [headings] or a row. A row's fields, or methods, are what templates name.
type listing[Row any] struct {
	headings any
	// columns is the template of the default table.
	columns string
}

// print writes rows in a --format: "table", "table TEMPLATE", "json" or a
// template; empty is the table.
func (l listing[Row]) print(to io.Writer, format string, rows []Row) error {
	// A table comes in pieces, each of which would be a call of its own.
	out := bufio.NewWriter(to)
	if err := l.write(out, format, rows); err != nil {
		_ = out.Flush() // the rows before the one that failed
		return err
	}
	return out.Flush()
}

func (l listing[Row]) write(out io.Writer, format string, rows []Row) error {
	if format == "json" {
		return jsonLines(out, rows)
	}
	columns, table := strings.CutPrefix(format, "table")
	switch {
	case format == "" || table && strings.TrimSpace(columns) == "":
		columns, table = l.columns, true
	case table:
		columns = strings.TrimSpace(columns)
	default:
		columns = format
	}
	t, err := newTemplate(columns)
	if err != nil {
		return fmt.Errorf("template parsing error: %w", err)
	}
	if !table {
		return each(out, t, rows)
	}
	w := tabwriter.NewWriter(out, 10, 1, 3, ' ', 0)
	if err := l.head(w, t); err != nil {
		return err
	}
	if err := each(w, t, rows); err != nil {
		return err
	}
	return w.Flush()
}

// head writes the line of headings: the functions of the columns leave them as
// they are.
func (l listing[Row]) head(out io.Writer, t *template.Template) error {
	t, err := t.Clone()
	if err != nil {
		return err
	}
	return each(out, t.Funcs(headingFuncs()), []any{l.headings})
}

// headings are the names of columns by the fields of templates.
type headings map[string]string

// Label is the heading of {{.Label "com.example.some-key"}}: the last part of
// the key, its words apart.
func (headings) Label(key string) string {
	return strings.NewReplacer("-", " ", "_", " ").Replace(key[strings.LastIndexByte(key, '.')+1:])
}

// encodeJSON is json.Marshal without escapes for the sake of web pages.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return bytes.TrimRight(b.Bytes(), "\n"), err
}

func jsonLines[Row any](out io.Writer, rows []Row) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for _, row := range rows {
		if err := encoder.Encode(row); err != nil {
			return err
		}
	}
	return nil
}

// each executes a template once per row, a line each.
func each[Row any](out io.Writer, t *template.Template, rows []Row) error {
	for _, row := range rows {
		if err := t.Execute(out, row); err != nil {
			return fmt.Errorf("template parsing error: %w", err)
		}
		if _, err := io.WriteString(out, "\n"); err != nil {
			return err
		}
	}
	return nil
}

// newTemplate parses a template with docker's functions. Shells pass \t and \n
// on as two characters; docker reads them as one.
func newTemplate(text string) (*template.Template, error) {
	text = strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace(text)
	return template.New("").Funcs(template.FuncMap{
		"json": func(v any) (string, error) {
			text, err := encodeJSON(v)
			return string(text), err
		},
		"split":    strings.Split,
		"join":     strings.Join,
		"title":    title,
		"lower":    strings.ToLower,
		"upper":    strings.ToUpper,
		"pad":      pad,
		"truncate": truncate,
		"println":  fmt.Sprintln,
	}).Parse(text)
}

// headingFuncs take the place of a template's functions in the line of headings.
func headingFuncs() template.FuncMap {
	same := func(s string, _ ...any) string { return s }
	return template.FuncMap{
		"json": same, "split": same, "join": same, "title": same, "lower": same, "upper": same, "truncate": same,
	}
}

// pad puts blanks around s, unless it is empty.
func pad(s string, before, after int) string {
	if s == "" {
		return s
	}
	return strings.Repeat(" ", max(before, 0)) + s + strings.Repeat(" ", max(after, 0))
}

// truncate cuts s to n bytes.
func truncate(s string, n int) string {
	if n < 0 || len(s) <= n {
		return s
	}
	return s[:n]
}

// title makes the first letter of every word a capital.
func title(s string) string {
	return strings.Title(s) //nolint:staticcheck // docker's function, whose words end at hyphens too
}

// ellipsis cuts s to n characters, the last of which then stands for the rest.
func ellipsis(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	runes := []rune(s)
	return string(runes[:n-1]) + "…"
}

// shortID is the form of IDs in tables.
func shortID(id string) string {
	_, hex, prefixed := strings.Cut(id, ":")
	if !prefixed {
		hex = id
	}
	if len(hex) > 12 {
		return hex[:12]
	}
	return hex
}

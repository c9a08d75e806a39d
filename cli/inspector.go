package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"text/template"

	"berth/cli/status"
)

// inspector collects objects and prints them in a --format: JSON with four
// blanks, JSON in one line, or a template.
type inspector struct {
	template *template.Template // nil for JSON
	indent   string
	objects  []any
	text     bytes.Buffer
}

func newInspector(format string) (*inspector, error) {
	switch format {
	case "":
		return &inspector{indent: "    "}, nil
	case "json":
		return &inspector{}, nil
	}
	t, err := newTemplate(format)
	if err != nil {
		return nil, &status.Error{Code: exitTemplate, Err: &clientError{err: fmt.Errorf("template parsing error: %w", err)}}
	}
	return &inspector{template: t}, nil
}

// add takes an object in. A template is executed on the object, and, if that
// fails, on its JSON: docker's users write field names of either.
func (i *inspector) add(object any) error {
	if i.template == nil {
		i.objects = append(i.objects, object)
		return nil
	}
	var text bytes.Buffer
	if err := i.template.Execute(&text, object); err != nil {
		text.Reset()
		if err := i.executeJSON(&text, object); err != nil {
			return &clientError{err: fmt.Errorf("template parsing error: %w", err)}
		}
	}
	text.WriteByte('\n')
	_, err := text.WriteTo(&i.text)
	return err
}

func (i *inspector) executeJSON(out io.Writer, object any) error {
	data, err := json.Marshal(object)
	if err != nil {
		return err
	}
	var raw any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&raw); err != nil {
		return err
	}
	t, err := i.template.Clone()
	if err != nil {
		return err
	}
	return t.Option("missingkey=error").Execute(out, raw)
}

// flush prints what was taken in; without anything that is an empty array, or an
// empty line for a template, as docker does it.
func (i *inspector) flush(out io.Writer) error {
	switch {
	case i.template == nil && len(i.objects) == 0:
		i.text.WriteString("[]\n")
	case i.template == nil:
		encoder := json.NewEncoder(&i.text)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", i.indent)
		if err := encoder.Encode(i.objects); err != nil {
			return err
		}
	case i.text.Len() == 0:
		i.text.WriteByte('\n')
	}
	_, err := i.text.WriteTo(out)
	return err
}

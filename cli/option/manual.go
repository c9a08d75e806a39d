package option

import (
	"fmt"
	"strings"
)

// WriteManual writes options as a man page lists them, in Markdown as go-md2man
// reads it: forms in bold, the argument in italics, what it does.
func WriteManual(b *strings.Builder, options []*Option) {
	for _, o := range options {
		if !o.Hidden {
			fmt.Fprintf(b, "\n%s\n:   %s\n", o.synopsis(), Escape(o.Usage))
		}
	}
}

func (o *Option) synopsis() string {
	forms := o.Forms()
	for i, form := range forms {
		forms[i] = "**" + Dashed(form) + "**"
	}
	text := strings.Join(forms, ", ")
	switch {
	case o.Implied != "":
		text += "[=*" + Escape(o.Arg) + "*]"
	case o.Arg != "":
		text += " *" + Escape(o.Arg) + "*"
	}
	return text
}

// Dashed is a form as it is typed: -m, --memory.
func Dashed(form string) string {
	if len(form) > 1 {
		return "--" + form
	}
	return "-" + form
}

// Escape keeps Markdown from reading signs that are meant as they are.
func Escape(s string) string {
	return strings.NewReplacer("*", `\*`, "_", `\_`, "<", `\<`, ">", `\>`, "[", `\[`, "]", `\]`, "|", `\|`).Replace(s)
}

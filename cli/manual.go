package cli

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"berth/cli/option"
)

// Page is one manual page.
type Page struct {
	// Name is the file's name without its section: "berth-run".
	Name string
	// Markdown is the page as go-md2man reads it. It is empty for a page that is
	// another one by a second name, which is then SameAs.
	Markdown, SameAs string
}

// Manual renders the manual from the commands themselves: a page for each, one
// for each group and for berth, and a second name for each long form.
func Manual() []Page {
	s := newSession(Process{Args: []string{"berth"}, LookupEnv: func(string) (string, bool) { return "", false }})
	all := commands()
	pages := []Page{{Name: "berth", Markdown: overview()}}
	for _, g := range groups(all) {
		pages = append(pages, Page{Name: "berth-" + g.name, Markdown: groupPage(g, all)})
	}
	for _, c := range all {
		if c.manual != "" {
			continue
		}
		pages = append(pages, Page{Name: c.pageName(), Markdown: s.page(c)})
		for _, name := range c.groupNames {
			if long := "berth-" + c.group + "-" + name; long != c.pageName() {
				pages = append(pages, Page{Name: long, SameAs: c.pageName()})
			}
		}
	}
	return pages
}

// pageName is the file of the command's page, without a section.
func (c *command) pageName() string { return "berth-" + strings.ReplaceAll(c.name, " ", "-") }

// page is the manual page of one command.
func (s *session) page(c *command) string {
	var b strings.Builder
	heading(&b, c.pageName(), c.short)
	for _, form := range c.forms() {
		fmt.Fprintf(&b, "\n**berth %s** %s\n", form, option.Escape(c.args))
	}
	fmt.Fprintf(&b, "\n# DESCRIPTION\n\n%s\n", option.Escape(c.about))
	options, _ := c.build(s)
	b.WriteString("\n# OPTIONS\n")
	option.WriteManual(&b, sortOptions(append(options, helpOption(new(bool), options))))
	b.WriteString("\n# EXAMPLES\n")
	for _, e := range c.examples {
		fmt.Fprintf(&b, "\n%s\n\n    %s\n", option.Escape(e.what), e.line)
	}
	b.WriteString(exitStatus(c))
	b.WriteString("\n# SEE ALSO\n\n")
	for _, other := range c.related() {
		fmt.Fprintf(&b, "**%s**, ", other)
	}
	b.WriteString("**berth(1)**\n")
	return b.String()
}

func heading(b *strings.Builder, name, short string) {
	fmt.Fprintf(b, "%% \"%s\" 1 \"\" \"berth\" \"User commands\"\n\n# NAME\n\n%s - %s\n\n# SYNOPSIS\n", strings.ToUpper(name), name, option.Escape(lowerFirst(short)))
}

// forms are all that the command goes by: its short form first.
func (c *command) forms() []string {
	var forms []string
	if !c.longOnly() {
		forms = append(forms, c.name)
	}
	for _, name := range c.groupNames {
		forms = append(forms, c.group+" "+name)
	}
	return forms
}

// related are the other pages that the text speaks of, and the group's.
func (c *command) related() []string {
	var list []string
	for _, m := range regexp.MustCompile(`\b([a-z]+)\(1\)`).FindAllStringSubmatch(c.about, -1) {
		if page := "berth-" + m[1] + "(1)"; m[1] != c.name && !slices.Contains(list, page) {
			list = append(list, page)
		}
	}
	if c.group != "" {
		list = append(list, "berth-"+c.group+"(1)")
	}
	return list
}

// groupPage lists the commands of a group.
func groupPage(g group, all []*command) string {
	var b strings.Builder
	heading(&b, "berth-"+g.name, g.usage)
	fmt.Fprintf(&b, "\n**berth %s** COMMAND\n", g.name)
	fmt.Fprintf(&b, "\n# DESCRIPTION\n\n%s. Most of the commands have a short form as well, which does the same.\n\n# COMMANDS\n", g.usage)
	var example string
	for _, c := range g.members(all) {
		fmt.Fprintf(&b, "\n**berth %s %s**\n:   %s. See **%s(1)**.\n", g.name, c.groupNames[0], option.Escape(c.short), c.pageName())
		if example == "" && c.min == 0 {
			example = "berth " + g.name + " " + c.groupNames[0]
		}
	}
	b.WriteString("\n# OPTIONS\n")
	option.WriteManual(&b, []*option.Option{helpOption(new(bool), nil)})
	fmt.Fprintf(&b, "\n# EXAMPLES\n\nThe help of the group.\n\n    berth %s --help\n", g.name)
	if example != "" {
		fmt.Fprintf(&b, "\nOne of its commands.\n\n    %s\n", example)
	}
	b.WriteString("\n# EXIT STATUS\n\n**0** The help was asked for.\n\n**1** There is no such command.\n\n**125** A flag could not be read.\n\nOtherwise the command's own.\n\n# SEE ALSO\n\n**berth(1)**\n")
	return b.String()
}

// exitStatus is the section on the exit status. Which commands have one of
// their own is in the CLI contract.
func exitStatus(c *command) string {
	const (
		fine    = "**0** All went well.\n\n"
		failed  = "**1** Something failed; what else was asked for has been done.\n\n"
		flag    = "**125** A flag could not be read.\n"
		program = "**126** The program is not executable.\n\n**127** The program was not found.\n\n"
		own     = "\nOtherwise the program's own status; 128+n when signal n ended it.\n"
	)
	text := fine + failed + flag
	switch c.name {
	case "run":
		text = "**125** A flag could not be read, or berth could not start the container.\n\n" + program + own
	case "create":
		text = fine + "**125** A flag could not be read, or the container could not be made.\n"
	case "exec":
		text = "**1** There is no such container, or it does not run.\n\n**126** The program could not be started.\n\n**127** The program was not found.\n\n" + flag + own
	case "attach":
		text = "**0** The detach keys were typed.\n\n**1** There is no such container, or it does not run.\n\n" + flag + own
	case "start":
		text = fine + failed + flag + "\nWith -a or -i the program's own status; 128+n when signal n ended it.\n"
	case "wait":
		text = "**0** The programs' statuses have been printed.\n\n" + failed + flag
	case "healthcheck run":
		text = "**0** The container is healthy.\n\n**1** It is not.\n\n**125** There is nothing to run, or a flag could not be read.\n"
	case "inspect", "container inspect", "image inspect":
		text = fine + "**1** Something was not found; what was found has been printed.\n\n**64** The template cannot be read.\n\n" + flag
	}
	return "\n# EXIT STATUS\n\n" + text
}

// overview is berth(1).
func overview() string {
	var b strings.Builder
	heading(&b, "berth", "Run containers without a daemon")
	b.WriteString("\n**berth** [OPTIONS] COMMAND [ARG...]\n")
	b.WriteString("\n# DESCRIPTION\n\nberth runs containers from one binary. Its commands and flags are docker's; nothing needs to run beforehand, and nothing stays but a small monitor for each container in the background.\n")
	b.WriteString("\nThe image **box**, a small userland, is built in: **berth run --rm -it box** works without a network.\n")
	b.WriteString("\n# OPTIONS\n")
	var globals globals
	option.WriteManual(&b, globals.options())
	all := commands()
	for _, category := range []string{categoryContainers, categoryImages, categoryOther} {
		fmt.Fprintf(&b, "\n# %s\n", strings.ToUpper(category))
		list := slices.DeleteFunc(slices.Clone(all), func(c *command) bool { return c.category != category })
		slices.SortFunc(list, func(a, b *command) int { return strings.Compare(a.name, b.name) })
		for _, c := range list {
			page := c.pageName() + "(1)"
			if c.manual != "" {
				page = c.manual
			}
			fmt.Fprintf(&b, "\n**%s**\n:   %s\n", page, option.Escape(c.short))
		}
	}
	b.WriteString("\n# GROUPS\n\nMost commands have a long form, behind the name of a group: **berth container ls** is **berth ps**.\n")
	for _, g := range groups(all) {
		fmt.Fprintf(&b, "\n**berth-%s(1)**\n:   %s\n", g.name, g.usage)
	}
	b.WriteString("\n# EXAMPLES\n\nRun a shell in the image that is built in.\n\n    berth run --rm -it box\n\nSee what that does, call by call.\n\n    berth explain run --rm -it box\n")
	b.WriteString("\n# EXIT STATUS\n\n**0** All went well.\n\n**1** The command failed, or there is no such command.\n\n**125** A flag could not be read, or a container could not be started.\n\n**run**, **exec**, **attach** and **start -a** exit with the program's status, and 128+n when signal n ended it.\n")
	b.WriteString("\n# ENVIRONMENT\n\n**BERTH\\_ROOT**\n:   Where images and containers are kept (/var/lib/berth).\n\n**BERTH\\_RUNROOT**\n:   Where what ends with the boot is kept (/run/berth).\n")
	b.WriteString("\n**DOCKER\\_CONFIG**\n:   Folder of docker's config.json (~/.docker), whose psFormat, imagesFormat and detachKeys are heeded. **--config** comes first.\n")
	b.WriteString("\n**DOCKER\\_HOST**, **DOCKER\\_CONTEXT**\n:   Are not read: berth acts on the machine that it runs on.\n")
	b.WriteString("\n**BERTH\\_MODE**\n:   When set, the name that berth is called by has no say: a link named docker prints berth's texts, too. \"oci\" makes any name an OCI runtime's, \"engine\" none.\n")
	b.WriteString("\n# SEE ALSO\n\n**berth-run(1)**, **berth-explain(1)**, **berth-completion(1)**, **berth-oci(8)**\n")
	return b.String()
}

// lowerFirst makes a sentence a phrase: whatis(1) shows it behind a dash.
func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

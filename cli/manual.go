package cli

import (
	"fmt"
	"slices"
	"strings"

	"berth/cli/option"
)

// Page is one manual page, in Markdown as go-md2man reads it.
type Page struct {
	// Name is the file's name without its section: "berth-run".
	Name     string
	Markdown string
}

// Manual renders the manual from the commands themselves: a page for each and
// one for berth.
func Manual() []Page {
	s := newSession(Process{Args: []string{"berth"}, LookupEnv: func(string) (string, bool) { return "", false }})
	pages := []Page{{Name: "berth", Markdown: overview()}}
	for _, c := range commands() {
		if !c.hidden && c.manual == "" {
			pages = append(pages, Page{Name: c.pageName(), Markdown: s.page(c)})
		}
	}
	return pages
}

// pageName is the file of the command's page, without a section.
func (c *command) pageName() string { return "berth-" + strings.ReplaceAll(c.name, " ", "-") }

// page is the manual page of one command.
func (s *session) page(c *command) string {
	var b strings.Builder
	path := s.path(c)
	fmt.Fprintf(&b, "%% \"%s\" 1\n", strings.ToUpper(c.pageName()))
	fmt.Fprintf(&b, "\n# NAME\n\n%s - %s\n", c.pageName(), lowerFirst(c.short))
	fmt.Fprintf(&b, "\n# SYNOPSIS\n\n**%s** %s\n", path, option.Escape(c.args))
	if c.group != "" && !c.longOnly() {
		fmt.Fprintf(&b, "\n**berth %s %s** %s\n", c.group, c.groupNames[0], option.Escape(c.args))
	}
	fmt.Fprintf(&b, "\n# DESCRIPTION\n\n%s\n", option.Escape(c.about))
	options, _ := c.build(s)
	b.WriteString("\n# OPTIONS\n")
	option.WriteManual(&b, sortOptions(append(options, helpOption(new(bool), options))))
	b.WriteString(exitStatus(c))
	b.WriteString("\n# SEE ALSO\n\n**berth(1)**\n")
	return b.String()
}

func exitStatus(c *command) string {
	switch c.name {
	case "run":
		return "\n# EXIT STATUS\n\n" +
			"**125** berth could not start the container.\n\n**126** The program is not executable.\n\n" +
			"**127** The program was not found.\n\n**128+n** Signal n ended the program.\n\nOtherwise the program's own status.\n"
	case "healthcheck run":
		return "\n# EXIT STATUS\n\n**0** The container is healthy.\n\n**1** The probe failed.\n\n**125** There was nothing to run.\n"
	case "exec":
		return "\n# EXIT STATUS\n\n" +
			"**126** The program is not executable.\n\n**127** The program was not found.\n\n**1** There is no such container, or it does not run.\n\n" +
			"**125** A flag could not be read.\n\nOtherwise the program's own status.\n"
	}
	return "\n# EXIT STATUS\n\n**0** All went well.\n\n**1** Something failed; what else was asked for has been done.\n\n**125** A flag could not be read.\n"
}

// overview is berth(1).
func overview() string {
	var b strings.Builder
	b.WriteString("% \"BERTH\" 1\n\n# NAME\n\nberth - run containers without a daemon\n\n# SYNOPSIS\n\n**berth** [OPTIONS] COMMAND [ARG...]\n")
	b.WriteString("\n# DESCRIPTION\n\nberth runs containers from one binary. Its commands and flags are docker's; nothing needs to run beforehand, and nothing stays but a small monitor for each container in the background.\n")
	b.WriteString("\nThe image **box**, a small userland, is built in: **berth run --rm -it box** works without a network.\n")
	for _, category := range []string{categoryContainers, categoryImages, categoryOther} {
		fmt.Fprintf(&b, "\n# %s\n", strings.ToUpper(category))
		list := slices.DeleteFunc(commands(), func(c *command) bool { return c.hidden || c.category != category })
		slices.SortFunc(list, func(a, b *command) int { return strings.Compare(a.name, b.name) })
		for _, c := range list {
			page := c.pageName() + "(1)"
			if c.manual != "" {
				page = c.manual
			}
			fmt.Fprintf(&b, "\n**%s**\n:   %s\n", page, option.Escape(c.short))
		}
	}
	b.WriteString("\n# ENVIRONMENT\n\n**BERTH_ROOT**\n:   Where images and containers are kept (/var/lib/berth).\n\n**BERTH_RUNROOT**\n:   Where what ends with the boot is kept (/run/berth).\n")
	b.WriteString("\n**DOCKER_CONFIG**\n:   Folder of docker's config.json (~/.docker), whose psFormat, imagesFormat and detachKeys are heeded.\n")
	b.WriteString("\n**BERTH_MODE**\n:   When set, the name that berth is called by has no say: a link named docker prints berth's texts, too. \"oci\" makes any name an OCI runtime's, \"engine\" none.\n")
	return b.String()
}

// lowerFirst makes a sentence a phrase: whatis(1) shows it behind a dash.
func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

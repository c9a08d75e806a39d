package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"berth/cli/option"
	"berth/image"
	"berth/registry"
)

// searchRow is a repository as search shows it, with the fields of docker's
// templates.
type searchRow struct {
	Description, IsAutomated, IsOfficial, Name, StarCount string
}

// How many repositories are found, as with docker.
const (
	defaultFinds = 25
	mostFinds    = 100
)

// describedCells is how much of a description a table shows.
const describedCells = 45

type searchFlags struct {
	registry registryFlags
	filters  []string
	format   string
	limit    int
	noTrunc  bool
}

func searchCommand() *command {
	return &command{
		name: "search", category: categoryImages,
		args: "[OPTIONS] TERM", short: "Search a registry for images",
		about: `Search asks Docker Hub for repositories, or the registry in front of TERM: its search where it has one, else the list of its repositories, by name. A registry that offers neither is an error.

Filters are stars=NUMBER (at least so many), is-official=true|false and is-automated=true|false.`,
		min: 1, max: 1, mixed: true, operands: []operand{nothing},
		examples: []example{
			{"Find images that others found good.", "berth search -f stars=100 --limit 10 nginx"},
			{"Look through this machine's own registry.", "berth search localhost:5000/web"},
		},
		build: func(s *session) ([]*option.Option, action) {
			var f searchFlags
			return sortOptions(append(f.registry.options(),
				filterOption(&f.filters),
				option.Text(&f.format, "format", "string", "Format output: table, table TEMPLATE, json, or a Go template"),
				option.Parsed(&f.limit, strconv.Atoi, "limit", "int", "Max number of search results"),
				option.Switch(&f.noTrunc, "no-trunc", "Don't truncate output"),
			)), func(ctx context.Context, args []string) error { return s.search(ctx, &f, args[0]) }
		},
	}
}

func (s *session) search(ctx context.Context, f *searchFlags, term string) error {
	test, err := searchFilter(f.filters)
	if err != nil {
		return err
	}
	switch {
	case f.limit == 0:
		f.limit = defaultFinds
	case f.limit < 0 || f.limit > mostFinds:
		return verbatim("limit %d is outside the range of [1, %d]", f.limit, mostFinds)
	}
	where, words, err := searchPlace(term)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(ctx)
	defer stop()
	client := s.connect(f.registry, where)
	defer client.Close()
	found, err := client.Search(ctx, where.Domain, words, f.limit)
	if err != nil {
		return interrupted(ctx, err)
	}
	var rows []searchRow
	for _, one := range found {
		if test(one) {
			rows = append(rows, f.row(one))
		}
	}
	return listing[searchRow]{
		headings: searchRow{Name: "NAME", Description: "DESCRIPTION", StarCount: "STARS", IsOfficial: "OFFICIAL", IsAutomated: "AUTOMATED"},
		columns:  "{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}",
	}.print(s.out, f.format, rows)
}

// searchPlace is the registry that a term begins with, or Docker Hub, and the rest
// of the term.
func searchPlace(term string) (where image.Reference, words string, err error) {
	if strings.Contains(term, "://") {
		return where, "", verbatim("invalid repository name: repository name (%s) should not have a scheme", term)
	}
	host, rest, slash := strings.Cut(term, "/")
	if slash {
		// Any repository will do to ask what the host is.
		if ref, err := image.ParseNamed(host + "/x"); err == nil && (ref.Domain == host || strings.Contains(host, ".")) {
			return image.Reference{Domain: ref.Domain}, rest, nil
		}
	}
	hub, err := image.ParseNamed("x")
	return image.Reference{Domain: hub.Domain}, term, err
}

func (f *searchFlags) row(found registry.SearchResult) searchRow {
	r := searchRow{Name: found.Name, Description: found.Description, StarCount: strconv.Itoa(found.Stars)}
	if !f.noTrunc {
		r.Description = ellipsis(r.Description, describedCells)
	}
	said := func(yes bool) string {
		switch {
		case f.format == "json":
			return strconv.FormatBool(yes)
		case yes:
			return "[OK]"
		}
		return ""
	}
	r.IsOfficial, r.IsAutomated = said(found.Official), said(found.Automated)
	return r
}

// searchFilter reads --filter.
func searchFilter(texts []string) (func(registry.SearchResult) bool, error) {
	values, err := splitFilters(texts, []string{"is-automated", "is-official", "stars"})
	if err != nil {
		return nil, err
	}
	var tests []func(registry.SearchResult) bool
	for _, value := range values["stars"] {
		least, err := strconv.Atoi(value)
		if err != nil {
			return nil, verbatim("invalid filter 'stars=%s'", value)
		}
		tests = append(tests, func(r registry.SearchResult) bool { return r.Stars >= least })
	}
	for key, is := range map[string]func(registry.SearchResult) bool{
		"is-official":  func(r registry.SearchResult) bool { return r.Official },
		"is-automated": func(r registry.SearchResult) bool { return r.Automated },
	} {
		for _, value := range values[key] {
			want, err := strconv.ParseBool(value)
			if err != nil {
				return nil, fmt.Errorf("invalid filter '%s=%s'", key, value)
			}
			tests = append(tests, func(r registry.SearchResult) bool { return is(r) == want })
		}
	}
	return func(r registry.SearchResult) bool {
		return !slices.ContainsFunc(tests, func(passes func(registry.SearchResult) bool) bool { return !passes(r) })
	}, nil
}

package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"berth/image"
)

// Limits of lists that come in pages.
const (
	pageSize = 1000
	maxPage  = 8 << 20
	maxPages = 1000
)

// Tags lists the tags of ref's repository, in the registry's order.
func (c *Client) Tags(ctx context.Context, ref image.Reference) ([]string, error) {
	var tags []string
	err := c.each(ctx, ref, forRegistry, func(at *endpoint) error {
		tags = nil
		r := request{
			method: http.MethodGet,
			path:   at.path("tags", "list"),
			query:  url.Values{"n": {fmt.Sprint(pageSize)}},
			scopes: []string{at.scope("pull")},
		}
		return c.pages(ctx, at, r, func(content []byte) (bool, error) {
			var page struct {
				Tags []string `json:"tags"`
			}
			if err := json.Unmarshal(content, &page); err != nil {
				return false, fmt.Errorf("read tags of %s: %w", ref.FamiliarName(), err)
			}
			for _, tag := range page.Tags {
				// It becomes a part of paths, and of the terminal's screen.
				if named, err := image.ParseNamed(ref.Name() + ":" + tag); err != nil || named.Tag != tag || named.Path != ref.Path {
					return false, fmt.Errorf("read tags of %s: the registry lists %q, which cannot be one", ref.FamiliarName(), printable(tag))
				}
				tags = append(tags, tag)
			}
			return true, nil
		})
	})
	if err != nil {
		return nil, translate(ref, err)
	}
	return tags, nil
}

// pages reads a list page by page, until it ends or read wants no more.
func (c *Client) pages(ctx context.Context, at *endpoint, r request, read func(content []byte) (more bool, err error)) error {
	seen := map[string]bool{}
	for range maxPages {
		got, err := c.read(ctx, at, r, maxPage)
		if err != nil {
			return err
		}
		if more, err := read(got.content); err != nil || !more {
			return err
		}
		next, err := at.nextPage(got)
		if err != nil || next == nil {
			return err
		}
		if seen[next.String()] {
			return fmt.Errorf("read list at %s: the registry leads in a circle", shown(next))
		}
		seen[next.String()] = true
		r.location = next
	}
	return fmt.Errorf("read list at %s: it has more than %d pages", shown(at.base), maxPages)
}

// nextPage finds the next page of a list, nil after the last. It is on the same
// host; only the scheme may be another, which registries behind a proxy that ends
// TLS do not know, and is not taken over.
func (at *endpoint) nextPage(page document) (*url.URL, error) {
	link := nextLink(page.header.Values("Link"))
	if link == "" {
		return nil, nil
	}
	from := page.from
	next, err := from.Parse(link)
	if err != nil {
		return nil, fmt.Errorf("read list at %s: the registry names no usable next page: %q", shown(from), printable(link))
	}
	if !strings.EqualFold(next.Hostname(), at.base.Hostname()) || next.User != nil {
		return nil, fmt.Errorf("read list at %s: refused to go on at %s: another host", shown(from), shown(next))
	}
	return &url.URL{Scheme: at.base.Scheme, Host: at.base.Host, Path: next.Path, RawPath: next.RawPath, RawQuery: next.RawQuery}, nil
}

// nextLink finds the link with rel=next in Link headers (RFC 8288).
func nextLink(values []string) string {
	for _, value := range values {
		for {
			_, rest, ok := strings.Cut(value, "<")
			if !ok {
				break
			}
			target, rest, ok := strings.Cut(rest, ">")
			if !ok {
				break
			}
			params, after := linkParams(rest)
			if params {
				return strings.TrimSpace(target)
			}
			value = after
		}
	}
	return ""
}

// linkParams reads what follows a link's target up to the next link, and tells
// whether the relation "next" is in it.
func linkParams(s string) (isNext bool, rest string) {
	for {
		s = strings.TrimLeft(s, " \t")
		if !strings.HasPrefix(s, ";") {
			return isNext, s
		}
		s = strings.TrimLeft(s[1:], " \t;")
		name, after := token68(s)
		after = strings.TrimLeft(after, " \t")
		if !strings.HasPrefix(after, "=") {
			// A parameter without a value.
			if after == s {
				return isNext, s
			}
			s = after
			continue
		}
		value, after, ok := linkValue(strings.TrimLeft(after[1:], " \t"))
		if !ok {
			return false, ""
		}
		if strings.EqualFold(name, "rel") {
			for relation := range strings.FieldsSeq(value) {
				isNext = isNext || strings.EqualFold(relation, "next")
			}
		}
		s = after
	}
}

// linkValue is paramValue, except that a semicolon ends a value without quotes.
func linkValue(s string) (value, rest string, ok bool) {
	value, rest, ok = paramValue(s)
	if strings.HasPrefix(s, `"`) || !ok {
		return value, rest, ok
	}
	if end := strings.IndexByte(value, ';'); end >= 0 {
		return value[:end], s[end:], true
	}
	return value, rest, true
}

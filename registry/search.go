package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"berth/image"
)

// The hosts of docker hub: one serves images, another the index to search in.
const (
	hubRegistry = "registry-1.docker.io"
	hubIndex    = "index.docker.io"
)

// SearchResult is a repository that was found.
type SearchResult struct {
	// Name is without the registry.
	Name        string
	Description string
	Stars       int
	Official    bool
	Automated   bool
}

// Search looks for term in the repositories of registry host, for at most limit of
// them: in its index, as docker does, or by name in its catalog. A registry that
// offers neither is an error that matches ErrUnsupported.
func (c *Client) Search(ctx context.Context, host, term string, limit int) ([]SearchResult, error) {
	if limit < 1 {
		return nil, fmt.Errorf("search %s for %q: limit %d: want at least 1", host, term, limit)
	}
	var results []SearchResult
	err := c.each(ctx, image.Reference{Domain: host}, direct, func(at *endpoint) error {
		var err error
		results, err = c.searchIndex(ctx, at, term, limit)
		if isNotOffered(err) && at.base.Hostname() != hubRegistry {
			results, err = c.searchCatalog(ctx, at, term, limit)
		}
		return err
	})
	if isNotOffered(err) && !errors.Is(err, ErrUnauthorized) {
		return nil, fmt.Errorf("search %s: %w: this registry offers neither a search nor a list of its repositories: %w", host, ErrUnsupported, err)
	}
	if err != nil {
		return nil, fmt.Errorf("search %s: %w", host, err)
	}
	return results, nil
}

var errNoIndex = errors.New("the answer is not an index's")

// isNotOffered tells a registry that has no search from one that has trouble.
// Registries refuse their catalog to everyone in several ways.
func isNotOffered(err error) bool {
	return errors.Is(err, errNoIndex) || errors.Is(err, ErrNotFound) || errors.Is(err, ErrUnsupported) ||
		errors.Is(err, ErrDenied) || errors.Is(err, ErrUnauthorized)
}

// searchIndex asks by the API of docker's first registries, which docker hub
// still serves for this.
func (c *Client) searchIndex(ctx context.Context, at *endpoint, term string, limit int) ([]SearchResult, error) {
	query := url.Values{"q": {term}, "n": {strconv.Itoa(limit)}}
	r := request{
		method: http.MethodGet, path: "/v1/search", query: query,
		header: http.Header{"Accept": {"application/json"}},
	}
	if at.base.Hostname() == hubRegistry {
		// Another host, so it is asked as nobody.
		r.location = &url.URL{Scheme: at.base.Scheme, Host: hubIndex, Path: r.path, RawQuery: query.Encode()}
	}
	got, err := c.read(ctx, at, r, maxPage)
	if err != nil {
		return nil, err
	}
	var said struct {
		Results *[]struct {
			Name        string `json:"name"`
			Description string `json:"description"`
			Stars       int    `json:"star_count"`
			Official    bool   `json:"is_official"`
			Automated   bool   `json:"is_automated"`
		} `json:"results"`
	}
	// A web page in the place of an index is no index, whatever its status.
	if json.Unmarshal(got.content, &said) != nil || said.Results == nil {
		return nil, errNoIndex
	}
	var results []SearchResult
	for _, found := range (*said.Results)[:min(limit, len(*said.Results))] {
		results = append(results, SearchResult{
			Name: printable(found.Name), Description: printable(found.Description),
			Stars: found.Stars, Official: found.Official, Automated: found.Automated,
		})
	}
	return results, nil
}

// searchCatalog looks through the names of all repositories.
func (c *Client) searchCatalog(ctx context.Context, at *endpoint, term string, limit int) ([]SearchResult, error) {
	r := request{
		method: http.MethodGet, path: "/v2/_catalog", query: url.Values{"n": {strconv.Itoa(pageSize)}},
		scopes: []string{"registry:catalog:*"},
	}
	var results []SearchResult
	err := c.pages(ctx, at, r, func(content []byte) (bool, error) {
		var page struct {
			Repositories *[]string `json:"repositories"`
		}
		if json.Unmarshal(content, &page) != nil || page.Repositories == nil {
			return false, errNoIndex
		}
		for _, name := range *page.Repositories {
			if strings.Contains(name, strings.ToLower(term)) && len(results) < limit {
				results = append(results, SearchResult{Name: printable(name)})
			}
		}
		return len(results) < limit, nil
	})
	return results, err
}

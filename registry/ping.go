package registry

import (
	"context"
	"net/http"

	"berth/image"
)

// Ping asks whether host is a registry that the user may speak to.
func (c *Client) Ping(ctx context.Context, host string) error {
	return c.each(ctx, image.Reference{Domain: host}, forRegistry, func(at *endpoint) error {
		resp, err := c.send(ctx, at, request{method: http.MethodGet, path: "/v2/"})
		if err == nil {
			discard(resp)
		}
		return err
	})
}

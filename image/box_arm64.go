//go:build embedbox

package image

import (
	_ "embed"
	"strings"
)

// The archive is a string so that it stays in the binary's read-only pages, of
// which a start that does not import it touches none. Both files are made by
// box/build.sh.
var (
	//go:embed box-arm64.tar.gz
	boxArchive string
	//go:embed box-arm64.digest
	boxDigestLine string
)

// boxDigest identifies the archive without reading it.
func boxDigest() Digest { return Digest(strings.TrimSpace(boxDigestLine)) }

//go:build embedbox

package image

import _ "embed"

// boxArchive is made by box/build.sh: a gzip-compressed tar. It is a string so
// that it stays in the binary's read-only pages, of which a start that does not
// ask for box touches none.
//
//go:embed box.tar
var boxArchive string

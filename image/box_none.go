//go:build !embedbox

package image

// boxArchive is empty: this binary was built without the embedbox tag.
const boxArchive = ""

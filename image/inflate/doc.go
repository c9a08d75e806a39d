// Package inflate reads gzip files (RFC 1952) and the deflate streams in them (RFC
// 1951), fast: inflating is what takes longest of all that unpacking a layer needs.
//
// It guarantees what readers of hostile streams need: no more memory than its
// buffers, an error for whatever is no valid stream, and the same bytes as any
// other decoder for what is. Members that follow each other are one stream, and
// zeros behind the last are passed over.
//
// Not for streams with a preset dictionary, for zlib's format, or for finding out
// where in its input a stream ended: it reads ahead.
package inflate

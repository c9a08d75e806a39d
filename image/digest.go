package image

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strings"
)

// Digest names content by its hash: "sha256:" and 64 lower-case hex digits
// (image-spec, descriptor.md). A Digest that did not come from ParseDigest or
// from this package must pass Validate before it becomes part of a path.
type Digest string

// digestLength returns the hex length of every registered algorithm. The store
// keeps sha256 only; the others are legal in references. Unknown ones have 0.
func digestLength(algorithm string) int {
	switch algorithm {
	case "sha256":
		return 64
	case "sha384":
		return 96
	case "sha512":
		return 128
	}
	return 0
}

// ParseDigest checks s against the grammar of the image-spec. Upper-case hex is
// refused: two spellings of one digest would be two file names.
func ParseDigest(s string) (Digest, error) {
	algorithm, encoded, ok := strings.Cut(s, ":")
	want := digestLength(algorithm)
	if !ok || want == 0 {
		return "", fmt.Errorf("parse digest %q: unsupported digest algorithm", s)
	}
	if len(encoded) != want || !isLowerHex(encoded) {
		return "", fmt.Errorf("parse digest %q: want %d lower-case hexadecimal digits after %s", s, want, algorithm)
	}
	return Digest(s), nil
}

// Validate reports whether d is a well-formed sha256 digest, the only kind the
// store keeps.
func (d Digest) Validate() error {
	if _, err := ParseDigest(string(d)); err != nil {
		return err
	}
	if !strings.HasPrefix(string(d), "sha256:") {
		return fmt.Errorf("digest %q: only sha256 is stored", string(d))
	}
	return nil
}

// Hex returns the digits after the algorithm.
func (d Digest) Hex() string {
	_, encoded, _ := strings.Cut(string(d), ":")
	return encoded
}

// Short returns the first 12 hex digits, the form docker prints.
func (d Digest) Short() string {
	h := d.Hex()
	return h[:min(12, len(h))]
}

// digestBytes hashes b.
func digestBytes(b []byte) Digest {
	sum := sha256.Sum256(b)
	return Digest("sha256:" + hex.EncodeToString(sum[:]))
}

// sumDigest turns a finished sha256 state into a Digest.
func sumDigest(h hash.Hash) Digest {
	return Digest("sha256:" + hex.EncodeToString(h.Sum(nil)))
}

// chainID extends the chain of layers below (empty for the first) by one diff-id
// (image-spec, config.md, "Layer ChainID").
func chainID(below, diffID Digest) Digest {
	if below == "" {
		return diffID
	}
	return digestBytes([]byte(string(below) + " " + string(diffID)))
}

// chainIDs returns the chain id of every layer, bottom first.
func chainIDs(diffIDs []Digest) []Digest {
	chain := make([]Digest, 0, len(diffIDs))
	var below Digest
	for _, d := range diffIDs {
		below = chainID(below, d)
		chain = append(chain, below)
	}
	return chain
}

// countingHash digests and counts what passes through it.
type countingHash struct {
	hash.Hash
	n int64
}

func newCountingHash() *countingHash { return &countingHash{Hash: sha256.New()} }

func (c *countingHash) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return c.Hash.Write(p)
}

func (c *countingHash) digest() Digest { return sumDigest(c.Hash) }

// readVerified reads all of r and refuses it unless it is exactly size bytes
// that hash to want.
func readVerified(r io.Reader, want Digest, size int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, size+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) != size {
		return nil, fmt.Errorf("blob %s: is not %d bytes long: %w", want, size, ErrCorrupt)
	}
	if got := digestBytes(b); got != want {
		return nil, fmt.Errorf("blob %s: content has digest %s: %w", want, got, ErrCorrupt)
	}
	return b, nil
}

func isLowerHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return s != ""
}

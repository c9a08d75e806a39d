// Package style holds the rules of this repository that no linter knows: which
// package may import which, how long files and functions may be, where C may
// live, what must not be global, what every package and error must say and how
// commit subjects look. It has tests only; none needs root or the network.
package style

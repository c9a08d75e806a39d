package logs

import "unicode/utf8"

// character appends the non-ASCII character that s begins with and returns
// its length in s; 0 leaves it to encoding/json.
func (d *decoder) character(s []byte) int {
	r, n := utf8.DecodeRune(s)
	if r == utf8.RuneError && n <= 1 {
		return 0
	}
	d.text = append(d.text, s[:n]...)
	return n
}

// escape appends what the escape at the start of s stands for and returns its
// length in s; 0 for those that appendString does not make.
func (d *decoder) escape(s []byte) int {
	if len(s) < 2 {
		return 0
	}
	switch s[1] {
	case 'n':
		d.text = append(d.text, '\n')
	case 'r':
		d.text = append(d.text, '\r')
	case '"', '\\':
		d.text = append(d.text, s[1])
	case 'u':
		return d.escapeHex(s)
	default:
		return 0
	}
	return 2
}

// escapeHex appends the character of a \uXXXX; surrogates are left to
// encoding/json.
func (d *decoder) escapeHex(s []byte) int {
	if len(s) < 6 {
		return 0
	}
	var r rune
	for _, c := range s[2:6] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		default:
			return 0
		}
	}
	if !utf8.ValidRune(r) {
		return 0
	}
	d.text = utf8.AppendRune(d.text, r)
	return 6
}

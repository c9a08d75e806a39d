package logs

import (
	"encoding/json"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// suffix is what follows the text of a record, up to the time: built once for
// each stream.
func suffix(stream string, attrs map[string]string) []byte {
	b := append([]byte(`,"stream":`), appendString(nil, []byte(stream))...)
	if len(attrs) > 0 {
		// Maps of strings always encode, with sorted keys.
		raw, _ := json.Marshal(attrs)
		b = append(append(b, `,"attrs":`...), raw...)
	}
	return append(b, `,"time":"`...)
}

// appendRecord encodes one record, newline included. stamp is the time as
// RFC 3339.
func appendRecord(dst, text, suffix, stamp []byte) []byte {
	dst = append(dst, '{')
	// As docker, which leaves out empty text.
	if len(text) > 0 {
		dst = append(dst, `"log":`...)
		dst = appendString(dst, text)
	} else {
		suffix = suffix[1:]
	}
	dst = append(dst, suffix...)
	dst = append(dst, stamp...)
	return append(dst, "\"}\n"...)
}

// appendString encodes s as a JSON string the way docker's log driver does,
// byte for byte: newline and carriage return by letter, other controls, <, >
// and & as \u00xx, bytes that are not UTF-8 as \ufffd, and U+2028 and U+2029
// escaped because they end lines in JavaScript.
func appendString(dst, s []byte) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		b := s[i]
		if b < utf8.RuneSelf {
			if plainASCII(b) {
				i++
				continue
			}
			dst = append(dst, s[start:i]...)
			dst = appendEscape(dst, b)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRune(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(append(dst, s[start:i]...), `\ufffd`...)
			start = i + size
		case r == '\u2028' || r == '\u2029':
			dst = append(append(dst, s[start:i]...), `\u202`...)
			dst = append(dst, hexDigits[r&0xf])
			start = i + size
		}
		i += size
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// plainASCII tells whether b stands for itself in a JSON string.
func plainASCII(b byte) bool {
	return b >= ' ' && b != '"' && b != '\\' && b != '<' && b != '>' && b != '&'
}

// appendEscape encodes an ASCII byte that is not plain.
func appendEscape(dst []byte, b byte) []byte {
	switch b {
	case '"', '\\':
		return append(dst, '\\', b)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&0xf])
}

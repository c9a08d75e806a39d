package registry

import "strings"

// challenge is one way to say who one is, of those that a WWW-Authenticate header
// offers (RFC 9110 section 11.6.1).
type challenge struct {
	// scheme is in lower case: "basic", "bearer".
	scheme string
	// params have names in lower case; of a name given twice the first counts.
	params map[string]string
}

// Limits of what is read of a header: no server needs more.
const (
	maxChallenges = 16
	maxParams     = 32
)

// parseChallenges reads the header's values, each a list of challenges. Commas
// separate both challenges and parameters, so which of the two follows is only
// known at the next "=". What is malformed ends the reading of its value.
func parseChallenges(values []string) []challenge {
	var all []challenge
	for _, value := range values {
		s := value
		for len(all) < maxChallenges {
			s = strings.TrimLeft(s, " \t,")
			var scheme string
			if scheme, s = token68(s); scheme == "" {
				break
			}
			ch := challenge{scheme: strings.ToLower(scheme), params: map[string]string{}}
			var ok bool
			s, ok = ch.readParams(s)
			all = append(all, ch)
			if !ok {
				break
			}
		}
	}
	return all
}

// readParams reads parameters until the next challenge begins. It reports false
// where what follows is neither.
func (ch *challenge) readParams(s string) (string, bool) {
	for {
		rest := strings.TrimLeft(s, " \t,")
		name, after := token68(rest)
		after = strings.TrimLeft(after, " \t")
		if name == "" {
			return rest, rest == ""
		}
		if !strings.HasPrefix(after, "=") {
			// The name of a scheme, or the opaque text that some schemes have in
			// the place of parameters: that has no comma in front.
			if len(s) > 0 && s[0] == ' ' && !strings.ContainsAny(s[:len(s)-len(rest)], ",") {
				s = after
				continue
			}
			return rest, true
		}
		value, after, ok := paramValue(strings.TrimLeft(after[1:], " \t"))
		if !ok {
			return "", false
		}
		name = strings.ToLower(name)
		if _, twice := ch.params[name]; !twice && len(ch.params) < maxParams {
			ch.params[name] = value
		}
		s = after
	}
}

// paramValue reads a quoted string or a token. Unquoted values may have
// characters in them that RFC 9110 does not allow: registries send URLs so.
func paramValue(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, ", \t")
		if end < 0 {
			end = len(s)
		}
		return s[:end], s[end:], true
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

// token68 reads a name, or the opaque text of schemes without parameters.
func token68(s string) (token, rest string) {
	end := 0
	for end < len(s) && isTokenByte(s[end]) {
		end++
	}
	return s[:end], s[end:]
}

func isTokenByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~/", c) >= 0
}

package credentials

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// A config.json belongs to docker and to the user, and much of it is not known
// here. So it is not written anew but edited: all bytes that are not about the
// one login stay.

// object is where the parts of a JSON object are in a document.
type object struct {
	// open and end are the places of the braces.
	open, end int
	members   []member
}

type member struct {
	name                      string
	start, valueStart, behind int
}

// errNotObject is a document without the braces it should have.
var errNotObject = errors.New("not a JSON object")

// scan finds the parts of the object that starts at from, blanks aside.
func scan(doc []byte, from int) (object, error) {
	var o object
	d := json.NewDecoder(bytes.NewReader(doc[from:]))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return o, errNotObject
	}
	at := func() int { return from + int(d.InputOffset()) }
	o.open = at() - 1
	for d.More() {
		m := member{start: at()}
		m.start += len(doc[m.start:]) - len(bytes.TrimLeft(doc[m.start:], ", \t\r\n"))
		t, err := d.Token()
		if err != nil {
			return o, err
		}
		m.name, _ = t.(string)
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return o, err
		}
		m.behind = at()
		m.valueStart = m.behind - len(value)
		o.members = append(o.members, m)
	}
	if _, err := d.Token(); err != nil {
		return o, err
	}
	o.end = at() - 1
	return o, nil
}

// last returns the index of the last member of a name, which is the one that
// counts; -1 for none.
func (o object) last(name string) int {
	for i, m := range slices.Backward(o.members) {
		if m.name == name {
			return i
		}
	}
	return -1
}

// layout is how an object is written: what is between its brace and its first
// member, and by how much a deeper one is indented.
type layout struct{ before, unit string }

// indent is the start of the lines of the object's members.
func (l layout) indent() string { return l.before[strings.LastIndexByte(l.before, '\n')+1:] }

// layoutOf reads an object's layout; one without members has outer's, one level
// deeper.
func layoutOf(doc []byte, o object, outer layout) layout {
	if len(o.members) == 0 {
		if !strings.Contains(outer.before, "\n") {
			return outer
		}
		return layout{before: outer.before + outer.unit, unit: outer.unit}
	}
	return layout{before: string(doc[o.open+1 : o.members[0].start]), unit: outer.unit}
}

// encode writes a value as a member of an object with this layout.
func (l layout) encode(value any) ([]byte, error) {
	if !strings.Contains(l.before, "\n") {
		return json.Marshal(value)
	}
	return json.MarshalIndent(value, l.indent(), l.unit)
}

// setLogin puts an entry into the auths of a document, which may be empty.
func setLogin(doc []byte, key string, e entry) ([]byte, error) {
	if len(bytes.TrimSpace(doc)) == 0 {
		doc = []byte("{}\n")
	}
	top, err := scan(doc, 0)
	if err != nil {
		return nil, err
	}
	outer := layoutOf(doc, top, layout{before: "\n", unit: "\t"})
	if outer.unit = outer.indent(); outer.unit == "" {
		outer.unit = "\t"
	}
	i := top.last("auths")
	if i < 0 {
		return insert(doc, top, outer, "auths", map[string]entry{key: e})
	}
	auths, err := scan(doc, top.members[i].valueStart)
	if err != nil {
		// A null, say: there is nothing in it to keep.
		return replace(doc, top.members[i], outer, map[string]entry{key: e})
	}
	inner := layoutOf(doc, auths, outer)
	if i := auths.last(key); i >= 0 {
		return replace(doc, auths.members[i], inner, e)
	}
	return insert(doc, auths, inner, key, e)
}

// replace writes another value for a member.
func replace(doc []byte, m member, l layout, value any) ([]byte, error) {
	text, err := l.encode(value)
	if err != nil {
		return nil, err
	}
	return slices.Concat(doc[:m.valueStart], text, doc[m.behind:]), nil
}

// insert adds a member behind the others.
func insert(doc []byte, o object, l layout, name string, value any) ([]byte, error) {
	text, err := l.encode(value)
	if err != nil {
		return nil, err
	}
	quoted, err := json.Marshal(name)
	if err != nil {
		return nil, err
	}
	colon := ": "
	if !strings.Contains(l.before, "\n") {
		colon = ":"
	}
	added := slices.Concat([]byte(l.before), quoted, []byte(colon), text)
	if n := len(o.members); n > 0 {
		end := o.members[n-1].behind
		return slices.Concat(doc[:end], []byte(","), added, doc[end:]), nil
	}
	if strings.Contains(l.before, "\n") {
		added = append(added, strings.TrimSuffix(l.before, l.unit)...)
	}
	return slices.Concat(doc[:o.open+1], added, doc[o.end:]), nil
}

// removeLogins takes the entries out of a document's auths whose key is of the
// ones to go, however often they are there.
func removeLogins(doc []byte, goes func(key string) bool) ([]byte, error) {
	if len(bytes.TrimSpace(doc)) == 0 {
		return doc, nil
	}
	for {
		top, err := scan(doc, 0)
		if err != nil {
			return nil, err
		}
		o, i := findLogin(doc, top, goes)
		if i < 0 {
			return doc, nil
		}
		from, to := o.members[i].start, o.members[i].behind
		switch n := len(o.members); {
		case n == 1:
			from, to = o.open+1, o.end
		case i == n-1:
			from = o.members[i-1].behind
		default:
			to = o.members[i+1].start
		}
		doc = slices.Concat(doc[:from], doc[to:])
	}
}

// findLogin returns the first entry to go and the object it is in.
func findLogin(doc []byte, top object, goes func(key string) bool) (object, int) {
	for _, m := range top.members {
		if m.name != "auths" {
			continue
		}
		// What is no object has no entries.
		o, err := scan(doc, m.valueStart)
		if err != nil {
			continue
		}
		if i := slices.IndexFunc(o.members, func(m member) bool { return goes(m.name) }); i >= 0 {
			return o, i
		}
	}
	return object{}, -1
}

package nsenter

import "encoding/binary"

// ArgKind says how an argument's value is found.
type ArgKind uint8

const (
	// KindValue is the number itself.
	KindValue ArgKind = iota
	// KindSlot is the result of an earlier step.
	KindSlot
	// KindData is the address of bytes that travel with the plan.
	KindData
)

// Arg is one argument of a system call.
type Arg struct {
	kind  ArgKind
	value uint64
	slot  Slot
	data  *Data
	late  func() *Data
}

// Data is memory that an argument points at. Pointers inside it are patched
// to the addresses of the Data they refer to.
type Data struct {
	Bytes []byte
	// Pointers maps offsets in Bytes to what the eight bytes there point at.
	Pointers []Pointer
	// Text is how listings show the data; empty for a quoted string.
	Text string
}

// Pointer is an address inside Data.
type Pointer struct {
	Offset int
	To     *Data
}

// Int is an immediate argument.
func Int[T ~int | ~int32 | ~int64 | ~uint | ~uint32 | ~uint64 | ~uintptr | ~uint16](v T) Arg {
	return Arg{kind: KindValue, value: uint64(v)}
}

// Null is a null pointer.
func Null() Arg { return Arg{kind: KindValue} }

// Fd is the content of a slot.
func Fd(s Slot) Arg { return Arg{kind: KindSlot, slot: s} }

// Str is the address of a NUL-terminated string.
func Str(s string) Arg { return Ptr(CString(s)) }

// Bytes is the address of bytes; text is how listings show them.
func Bytes(b []byte, text string) Arg { return Ptr(&Data{Bytes: b, Text: text}) }

// Strs is the address of a NULL-terminated array of strings, as execve takes.
func Strs(list []string) Arg { return Ptr(StringArray(list)) }

// Ptr is the address of data.
func Ptr(d *Data) Arg { return Arg{kind: KindData, data: d} }

// Late is the address of data that is only known once the host steps before
// the child's have run; text is what listings show for it.
func Late(text string, f func() *Data) Arg {
	return Arg{kind: KindData, data: &Data{Text: text}, late: f}
}

// Kind returns how the value is found.
func (a Arg) Kind() ArgKind { return a.kind }

// Value returns an immediate's number.
func (a Arg) Value() uint64 { return a.value }

// Slot returns the slot of a KindSlot argument.
func (a Arg) Slot() Slot { return a.slot }

// Data returns what a KindData argument points at. For a late argument it is
// empty but for its text, also when the plan has run.
func (a Arg) Data() *Data { return a.data }

// resolve returns the data to send.
func (a Arg) resolve() *Data {
	if a.late != nil {
		return a.late()
	}
	return a.data
}

// CString returns the NUL-terminated form of s. A NUL inside s would cut it:
// callers refuse those before they build a plan.
func CString(s string) *Data {
	b := make([]byte, len(s)+1)
	copy(b, s)
	return &Data{Bytes: b}
}

// StringArray returns a NULL-terminated array of strings.
func StringArray(list []string) *Data {
	d := &Data{Bytes: make([]byte, 8*(len(list)+1)), Pointers: make([]Pointer, len(list))}
	for i, s := range list {
		d.Pointers[i] = Pointer{Offset: 8 * i, To: CString(s)}
	}
	return d
}

// Words returns little-endian 64-bit words as data, for small C structs.
func Words(text string, words ...uint64) *Data {
	b := make([]byte, 0, 8*len(words))
	for _, w := range words {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return &Data{Bytes: b, Text: text}
}

// MountAttr returns a struct mount_attr for mount_setattr(2). The user
// namespace fd is a host fd number: only host steps may set it.
func MountAttr(set, clear, propagation, userns uint64) *Data {
	return Words("", set, clear, propagation, userns)
}

// OpenHow returns a struct open_how for openat2(2).
func OpenHow(flags, mode, resolve uint64) *Data {
	return Words("", flags, mode, resolve)
}

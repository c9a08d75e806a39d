package teach

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"berth/nsenter"
)

// memory renders an argument that points at data. Structs are decoded from
// their bytes, so that a listing cannot differ from what the kernel gets; the
// data's own text is the answer for what has no known layout.
func (d *decoder) memory(s *nsenter.Step, i int, form string, data *nsenter.Data) string {
	if f, ok := d.context(s, form); ok {
		form = f
	}
	switch form {
	case "argv", "envp":
		return d.list(form, data)
	case "buf":
		return d.buffer(s, i, data)
	case "fsconfig_value":
		if value(s, 1) == unix.FSCONFIG_SET_BINARY {
			return d.opaque(data)
		}
		return d.text(data)
	case "ioctl_arg":
		if text := d.ioctlData(value(s, 1), data.Bytes); text != "" {
			return text
		}
	case "bpf_attr":
		if text := d.bpfAttr(value(s, 0), data.Bytes); text != "" {
			return text
		}
	case "str", "prctl_arg2", "keyctl_arg2":
		return d.text(data)
	}
	if text := d.structure(form, data.Bytes); text != "" {
		return text
	}
	return d.opaque(data)
}

// text renders a NUL-terminated string.
func (d *decoder) text(data *nsenter.Data) string {
	if data.Text != "" {
		return clean(data.Text)
	}
	return quote(cstring(data.Bytes), d.stringLimit())
}

// cstring returns the bytes before the first NUL: what the kernel reads.
func cstring(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// buffer renders bytes whose length is the next argument.
func (d *decoder) buffer(s *nsenter.Step, i int, data *nsenter.Data) string {
	if data.Text != "" {
		return clean(data.Text)
	}
	b := data.Bytes
	if i+1 < len(s.Args) {
		if n := value(s, i+1); n < uint64(len(b)) {
			b = b[:n]
		}
	}
	return quote(string(b), d.stringLimit())
}

// opaque renders data without a known layout.
func (d *decoder) opaque(data *nsenter.Data) string {
	if data.Text != "" {
		return clean(data.Text)
	}
	return "<" + strconv.Itoa(len(data.Bytes)) + " bytes>"
}

// list renders an array of strings. A listing shows an environment as its
// length only, as strace does.
func (d *decoder) list(form string, data *nsenter.Data) string {
	if data.Text != "" {
		return clean(data.Text)
	}
	n := len(data.Pointers)
	if form == "envp" && !d.full {
		return "[/* " + count(n, "variable") + " */]"
	}
	limit := maxList
	if d.full {
		limit = n
	}
	items := make([]string, 0, min(n, limit)+1)
	for i, p := range data.Pointers {
		if i == limit {
			items = append(items, "/* "+strconv.Itoa(n-i)+" more */")
			break
		}
		items = append(items, d.text(p.To))
	}
	return "[" + strings.Join(items, ", ") + "]"
}

// count returns "1 variable", "2 variables".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// structure renders a C struct, or returns "" when the bytes are too few for
// it or the form is none.
func (d *decoder) structure(form string, b []byte) string {
	switch form {
	case "open_how":
		return d.openHow(b)
	case "mount_attr":
		return d.mountAttr(b)
	case "clone_args":
		return d.cloneArgs(b)
	case "cap_header":
		return d.capHeader(b)
	case "cap_data":
		return d.capData(b)
	case "rlimit_value":
		if len(b) >= 16 {
			return "{rlim_cur=" + limit(u64(b, 0)) + ", rlim_max=" + limit(u64(b, 8)) + "}"
		}
	case "sched_attr":
		return d.schedAttr(b)
	case "seccomp_args":
		return d.seccompArgs(b)
	case "id_list":
		return d.idList(b)
	case "bitmap":
		return bitmap(b)
	}
	return ""
}

// The fields of structs are in the machine's order, which is little-endian on
// both architectures that berth knows.
func u16(b []byte, at int) uint64 { return uint64(binary.LittleEndian.Uint16(b[at:])) }
func u32(b []byte, at int) uint64 { return uint64(binary.LittleEndian.Uint32(b[at:])) }
func u64(b []byte, at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }

// openHow renders struct open_how (openat2(2)).
func (d *decoder) openHow(b []byte) string {
	if len(b) < 24 {
		return ""
	}
	text := "{flags=" + d.openFlags(u64(b, 0))
	if mode := u64(b, 8); mode != 0 {
		text += ", mode=" + octal(mode)
	}
	if resolve := u64(b, 16); resolve != 0 {
		text += ", resolve=" + resolveFlags().all(resolve, d.full)
	}
	return text + "}"
}

// mountAttr renders struct mount_attr (mount_setattr(2)).
func (d *decoder) mountAttr(b []byte) string {
	if len(b) < 32 {
		return ""
	}
	var fields []string
	if v := u64(b, 0); v != 0 {
		fields = append(fields, "attr_set="+mountAttrs().all(v, d.full))
	}
	if v := u64(b, 8); v != 0 {
		fields = append(fields, "attr_clr="+mountAttrs().all(v, d.full))
	}
	if v := u64(b, 16); v != 0 {
		fields = append(fields, "propagation="+mountFlags().all(v, true))
	}
	if u64(b, 0)&unix.MOUNT_ATTR_IDMAP != 0 {
		fields = append(fields, "userns_fd="+number(u64(b, 24)))
	}
	return "{" + strings.Join(fields, ", ") + "}"
}

// cloneArgs renders struct clone_args (clone3(2)).
func (d *decoder) cloneArgs(b []byte) string {
	if len(b) < 64 {
		return ""
	}
	text := "{flags=" + cloneFlags().all(u64(b, 0), d.full)
	if v := u64(b, 32); v != 0 {
		text += ", exit_signal=" + signalName(v)
	}
	if v := u64(b, 40); v != 0 {
		text += ", stack=" + pointer(v) + ", stack_size=" + number(u64(b, 48))
	}
	if len(b) >= 88 && u64(b, 0)&unix.CLONE_INTO_CGROUP != 0 {
		text += ", cgroup=" + number(u64(b, 80))
	}
	return text + "}"
}

// schedAttr renders struct sched_attr (sched_setattr(2)): the fields that the
// policy uses.
func (d *decoder) schedAttr(b []byte) string {
	if len(b) < 48 {
		return ""
	}
	policy := u32(b, 4)
	fields := []string{"sched_policy=" + schedPolicies().one(policy, true)}
	if v := u64(b, 8); v != 0 {
		fields = append(fields, "sched_flags="+schedFlags().all(v, true))
	}
	switch policy {
	case unix.SCHED_FIFO, unix.SCHED_RR:
		fields = append(fields, "sched_priority="+number(u32(b, 20)))
	case unix.SCHED_DEADLINE:
		fields = append(fields, "sched_runtime="+decimal(u64(b, 24)),
			"sched_deadline="+decimal(u64(b, 32)), "sched_period="+decimal(u64(b, 40)))
	default:
		fields = append(fields, "sched_nice="+strconv.Itoa(int(int32(u32(b, 16)))))
	}
	if len(b) >= 56 && u64(b, 8)&unix.SCHED_FLAG_UTIL_CLAMP != 0 {
		fields = append(fields, "sched_util_min="+decimal(u32(b, 48)), "sched_util_max="+decimal(u32(b, 52)))
	}
	return "{" + strings.Join(fields, ", ") + "}"
}

// seccompArgs renders struct sock_fprog. Nobody reads the instructions in a
// listing; their number tells one filter from another.
func (d *decoder) seccompArgs(b []byte) string {
	if len(b) < 16 {
		return ""
	}
	return "{" + count(int(u16(b, 0)), "instruction") + "}"
}

// limit renders a resource limit.
func limit(v uint64) string {
	if v == 1<<64-1 {
		return "RLIM_INFINITY"
	}
	return decimal(v)
}

// decimal renders an unsigned number.
func decimal(v uint64) string { return strconv.FormatUint(v, 10) }

// idList renders an array of 32-bit ids.
func (d *decoder) idList(b []byte) string {
	if len(b)%4 != 0 {
		return ""
	}
	var list []string
	for ; len(b) > 0; b = b[4:] {
		if len(list) == maxList && !d.full {
			list = append(list, "/* "+strconv.Itoa(len(b)/4)+" more */")
			break
		}
		list = append(list, decimal(u32(b, 0)))
	}
	return "[" + strings.Join(list, ", ") + "]"
}

// bitmap renders a set of CPUs or memory nodes as ranges: [0-3,8].
func bitmap(b []byte) string {
	var list []string
	bit := func(i int) bool { return i < 8*len(b) && b[i/8]>>(i%8)&1 != 0 }
	for i := 0; i < 8*len(b); i++ {
		if !bit(i) {
			continue
		}
		first := i
		for bit(i + 1) {
			i++
		}
		text := strconv.Itoa(first)
		if i > first {
			text += "-" + strconv.Itoa(i)
		}
		list = append(list, text)
	}
	return "[" + strings.Join(list, ",") + "]"
}

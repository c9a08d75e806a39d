package nsenter

import (
	"encoding/binary"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// call makes a host step's system call.
func (h *Run) call(s *Step) (int64, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	var args [6]uintptr
	for i, a := range s.Args {
		switch a.kind {
		case KindSlot:
			fd := h.Fd(a.slot)
			if fd < 0 {
				return 0, errSkipped
			}
			args[i] = uintptr(fd)
		case KindData:
			if d := a.resolve(); d != nil {
				args[i] = address(&pin, d)
			}
		default:
			args[i] = uintptr(a.value)
		}
	}
	for {
		value, _, errno := unix.Syscall6(s.Call, args[0], args[1], args[2], args[3], args[4], args[5])
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return 0, errno
		}
		return int64(value), nil
	}
}

// address pins data in memory, with what it points at, and returns where it
// is: the kernel reads it by plain numbers, which the collector cannot see.
func address(pin *runtime.Pinner, d *Data) uintptr {
	if len(d.Bytes) == 0 {
		d.Bytes = make([]byte, 1)
	}
	for _, p := range d.Pointers {
		binary.NativeEndian.PutUint64(d.Bytes[p.Offset:], uint64(address(pin, p.To)))
	}
	pin.Pin(&d.Bytes[0])
	return uintptr(unsafe.Pointer(&d.Bytes[0]))
}

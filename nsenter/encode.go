package nsenter

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// The wire format is defined in executor.h; these are its sizes and constants.
const (
	batchMagic   = 0x68747262
	batchVersion = 1
	batchHeader  = 32
	stepSize     = 96
	resultSize   = 32
	planBase     = 0x2000000000
	maxPlanSize  = 64 << 20
	maxOK        = 12
	pageSize     = 4096
)

// slotLookup tells what a slot of an earlier host step holds: found is false
// for slots that the child fills itself, fd is true for a descriptor, which
// the message brings, and false for a number, which is written in place.
type slotLookup func(Slot) (value int64, fd, found bool)

// encoder lays out one batch.
type encoder struct {
	offset int // of the batch in the shared memory
	buf    []byte
	// at remembers where data was placed, so that shared data is sent once.
	at map[*Data]int
}

// encode returns the bytes of a batch that will be mapped at planBase+offset.
// The layout is header, steps, results, data.
func encode(steps []Step, offset int, lookup slotLookup) ([]byte, error) {
	data := batchHeader + len(steps)*(stepSize+resultSize)
	e := &encoder{offset: offset, buf: make([]byte, data, data+16<<10), at: map[*Data]int{}}
	for i := range steps {
		if err := e.step(batchHeader+i*stepSize, &steps[i], lookup); err != nil {
			return nil, fmt.Errorf("encode step %q: %w", steps[i].Title(), err)
		}
	}
	if len(e.buf) == data {
		e.buf = append(e.buf, 0)
	}
	if len(e.buf) > maxPlanSize-offset {
		return nil, fmt.Errorf("encode plan of %d bytes: %w", len(e.buf), unix.E2BIG)
	}
	le := binary.LittleEndian
	le.PutUint32(e.buf[0:], batchMagic)
	le.PutUint32(e.buf[4:], batchVersion)
	le.PutUint32(e.buf[8:], uint32(len(steps)))
	le.PutUint32(e.buf[12:], uint32(data))
	le.PutUint64(e.buf[16:], uint64(len(e.buf)))
	return e.buf, nil
}

// step writes one struct plan_step at an offset of the buffer.
func (e *encoder) step(at int, s *Step, lookup slotLookup) error {
	if len(s.Args) > 6 {
		return fmt.Errorf("%d arguments: %w", len(s.Args), unix.EINVAL)
	}
	if len(s.OK) > maxOK {
		return fmt.Errorf("%d tolerated errnos: %w", len(s.OK), unix.EINVAL)
	}
	le := binary.LittleEndian
	le.PutUint16(e.buf[at:], uint16(s.Op))
	le.PutUint16(e.buf[at+2:], uint16(len(s.Args)))
	le.PutUint32(e.buf[at+4:], uint32(s.Out))
	le.PutUint32(e.buf[at+8:], uint32(s.Call))
	if s.Await {
		le.PutUint32(e.buf[at+12:], 1)
	}
	for i, a := range s.Args {
		kind, value := e.arg(a, lookup)
		e.buf[at+16+i] = byte(kind)
		le.PutUint64(e.buf[at+24+8*i:], value)
	}
	for i, errno := range s.OK {
		le.PutUint16(e.buf[at+72+2*i:], uint16(errno))
	}
	return nil
}

// arg returns the wire form of an argument.
func (e *encoder) arg(a Arg, lookup slotLookup) (ArgKind, uint64) {
	switch a.kind {
	case KindSlot:
		value, fd, found := lookup(a.slot)
		// A number is sent in place; an empty slot (-1) stays a slot, so
		// that the child skips the step as it skips those of its own.
		if found && !fd && value >= 0 {
			return KindValue, uint64(value)
		}
		return KindSlot, uint64(a.slot)
	case KindData:
		d := a.resolve()
		if d == nil {
			return KindValue, 0
		}
		return KindData, uint64(e.place(d))
	default:
		return KindValue, a.value
	}
}

// place appends data, and what it points at, and returns its offset.
func (e *encoder) place(d *Data) int {
	if at, ok := e.at[d]; ok {
		return at
	}
	// Eight bytes suit every struct that the kernel reads.
	for len(e.buf)%8 != 0 {
		e.buf = append(e.buf, 0)
	}
	at := len(e.buf)
	e.at[d] = at
	e.buf = append(e.buf, d.Bytes...)
	if len(d.Bytes) == 0 {
		e.buf = append(e.buf, 0)
	}
	for _, p := range d.Pointers {
		target := e.place(p.To)
		binary.LittleEndian.PutUint64(e.buf[at+p.Offset:], uint64(planBase+e.offset+target))
	}
	return at
}

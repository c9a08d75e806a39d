package nsenter

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"
)

// decoded is a batch read back, by rules written down a second time: the
// executor's are in C, the encoder's in Go, and neither knows this one.
type decoded struct {
	offset int // of the batch in the shared memory
	bytes  []byte
	steps  []decodedStep
}

type decodedStep struct {
	op   Op
	call uint32
	out  Slot
	args []decodedArg
	ok   []unix.Errno
}

type decodedArg struct {
	kind  ArgKind
	value uint64
}

var errBatch = errors.New("bad batch")

// decode reads a batch. It refuses what would make an interpreter leave the
// batch, its slots, or the operations that there are.
func decode(b []byte, offset int) (*decoded, error) {
	le := binary.LittleEndian
	if len(b) < batchHeader || len(b) > maxPlanSize {
		return nil, fmt.Errorf("%w: %d bytes", errBatch, len(b))
	}
	if le.Uint32(b) != batchMagic || le.Uint32(b[4:]) != batchVersion || le.Uint64(b[16:]) != uint64(len(b)) {
		return nil, fmt.Errorf("%w: header %x", errBatch, b[:batchHeader])
	}
	count, data := uint64(le.Uint32(b[8:])), uint64(le.Uint32(b[12:]))
	// The results follow the steps, and the data follows the results.
	if batchHeader+count*(stepSize+resultSize) > data || data > uint64(len(b)) {
		return nil, fmt.Errorf("%w: %d steps, data at %d of %d", errBatch, count, data, len(b))
	}
	d := &decoded{offset: offset, bytes: b}
	for i := range count {
		s, err := decodeStep(b[batchHeader+i*stepSize:][:stepSize], data, uint64(len(b)))
		if err != nil {
			return nil, fmt.Errorf("step %d: %w", i, err)
		}
		d.steps = append(d.steps, s)
	}
	return d, nil
}

func decodeStep(b []byte, data, size uint64) (decodedStep, error) {
	le := binary.LittleEndian
	s := decodedStep{op: Op(le.Uint16(b)), out: Slot(le.Uint32(b[4:])), call: le.Uint32(b[8:])}
	count := le.Uint16(b[2:])
	switch {
	case s.op != OpCall && s.op != OpFork && s.op != OpInit && s.op != OpExit:
		return s, fmt.Errorf("%w: operation %d", errBatch, s.op)
	case count > 6:
		return s, fmt.Errorf("%w: %d arguments", errBatch, count)
	case s.out < NoSlot || s.out >= MaxSlots:
		return s, fmt.Errorf("%w: result slot %d", errBatch, s.out)
	}
	for i := range count {
		a := decodedArg{ArgKind(b[16+i]), le.Uint64(b[24+8*i:])}
		bad := a.kind > KindData || a.kind == KindSlot && a.value >= MaxSlots ||
			a.kind == KindData && (a.value < data || a.value >= size)
		if bad {
			return s, fmt.Errorf("%w: argument %d: %+v", errBatch, i, a)
		}
		s.args = append(s.args, a)
	}
	for i := range maxOK {
		errno := unix.Errno(le.Uint16(b[72+2*i:]))
		if errno == 0 {
			break
		}
		s.ok = append(s.ok, errno)
	}
	return s, nil
}

// same reports how a decoded step differs from the one that was encoded.
func (d *decoded) same(got *decodedStep, want *Step, lookup slotLookup, at map[*Data]uint64) error {
	if got.op != want.Op || got.call != uint32(want.Call) || got.out != want.Out {
		return fmt.Errorf("got %+v, want %+v", got, want)
	}
	if fmt.Sprint(got.ok) != fmt.Sprint(want.OK) {
		return fmt.Errorf("tolerates %v, want %v", got.ok, want.OK)
	}
	if len(got.args) != len(want.Args) {
		return fmt.Errorf("%d arguments, want %d", len(got.args), len(want.Args))
	}
	for i, a := range want.Args {
		expect := decodedArg{kind: a.kind, value: a.value}
		switch a.kind {
		case KindSlot:
			expect.value = uint64(a.slot)
			if v, fd, found := lookup(a.slot); found && !fd && v >= 0 {
				expect = decodedArg{KindValue, uint64(v)}
			}
		case KindData:
			expect.value = got.args[i].value
			if err := d.sameData(expect.value, a.resolve(), at); err != nil {
				return fmt.Errorf("argument %d: %w", i, err)
			}
		}
		if got.args[i] != expect {
			return fmt.Errorf("argument %d: got %+v, want %+v", i, got.args[i], expect)
		}
	}
	return nil
}

// sameData compares data at an offset, and what it points at. The map holds
// what was seen, as data that is used twice must be sent once.
func (d *decoded) sameData(offset uint64, want *Data, at map[*Data]uint64) error {
	if before, ok := at[want]; ok {
		if before != offset {
			return fmt.Errorf("data is at %d and at %d", before, offset)
		}
		return nil
	}
	at[want] = offset
	if offset%8 != 0 {
		return fmt.Errorf("data at %d is not aligned", offset)
	}
	if offset+uint64(len(want.Bytes)) > uint64(len(d.bytes)) {
		return fmt.Errorf("data at %d of %d bytes leaves the batch", offset, len(want.Bytes))
	}
	got := bytes.Clone(d.bytes[offset:][:len(want.Bytes)])
	expect := bytes.Clone(want.Bytes)
	for _, p := range want.Pointers {
		address := binary.LittleEndian.Uint64(got[p.Offset:])
		if address < planBase+uint64(d.offset) {
			return fmt.Errorf("pointer at %d: address %#x is below the batch", p.Offset, address)
		}
		if err := d.sameData(address-planBase-uint64(d.offset), p.To, at); err != nil {
			return fmt.Errorf("pointer at %d: %w", p.Offset, err)
		}
		clear(got[p.Offset:][:8])
		clear(expect[p.Offset:][:8])
	}
	if !bytes.Equal(got, expect) {
		return fmt.Errorf("data at %d is %q, want %q", offset, got, expect)
	}
	return nil
}

// randomSteps returns steps of every shape that the encoder knows, and what
// the host has in its slots. They are to be encoded, not to be run.
func randomSteps(r *rand.Rand) ([]Step, slotLookup) {
	var pool []*Data
	values := map[Slot]slotValue{}
	for range r.IntN(20) {
		values[Slot(r.IntN(MaxSlots))] = slotValue{value: int64(r.IntN(100)) - 1, fd: r.IntN(2) == 0, set: true}
	}
	steps := make([]Step, r.IntN(30))
	for i := range steps {
		s := Call(Child, uintptr(r.IntN(1000)))
		s.Op = []Op{OpCall, OpCall, OpCall, OpFork, OpInit, OpExit}[r.IntN(6)]
		s.Out = Slot(r.IntN(MaxSlots+1)) - 1
		for range r.IntN(7) {
			s.Args = append(s.Args, randomArg(r, &pool))
		}
		for range r.IntN(maxOK + 1) {
			s = s.Tolerate(unix.Errno(1 + r.IntN(133)))
		}
		steps[i] = s
	}
	return steps, func(s Slot) (int64, bool, bool) { v := values[s]; return v.value, v.fd, v.set }
}

func randomArg(r *rand.Rand, pool *[]*Data) Arg {
	switch r.IntN(4) {
	case 0:
		return Int(r.Uint64())
	case 1:
		return Fd(Slot(r.IntN(MaxSlots)))
	case 2:
		d := randomData(r, pool, 3)
		return Late("late", func() *Data { return d })
	default:
		return Ptr(randomData(r, pool, 3))
	}
}

// randomData returns data that may point at other data, at data that other
// steps use, and at itself.
func randomData(r *rand.Rand, pool *[]*Data, depth int) *Data {
	if len(*pool) > 0 && r.IntN(4) == 0 {
		return (*pool)[r.IntN(len(*pool))]
	}
	d := &Data{Bytes: make([]byte, r.IntN(100))}
	*pool = append(*pool, d)
	for i := range d.Bytes {
		d.Bytes[i] = byte(r.Uint32())
	}
	for at := 0; at+8 <= len(d.Bytes) && depth > 0; at += 8 {
		if r.IntN(3) == 0 {
			d.Pointers = append(d.Pointers, Pointer{Offset: at, To: randomData(r, pool, depth-1)})
		}
	}
	return d
}

// roundTrip encodes random steps and compares what it reads back.
func roundTrip(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	steps, lookup := randomSteps(r)
	offset := r.IntN(1000) * pageSize
	b, err := encode(steps, offset, lookup)
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	if err := check(b); err != nil {
		t.Fatalf("seed %d: the executor refuses it: %v", seed, err)
	}
	d, err := decode(b, offset)
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	if len(d.steps) != len(steps) {
		t.Fatalf("seed %d: %d steps, want %d", seed, len(d.steps), len(steps))
	}
	at := map[*Data]uint64{}
	for i := range steps {
		if err := d.same(&d.steps[i], &steps[i], lookup, at); err != nil {
			t.Fatalf("seed %d, step %d: %v", seed, i, err)
		}
	}
	for i, c := range b[batchHeader+len(steps)*stepSize:][:len(steps)*resultSize] {
		if c != 0 {
			t.Fatalf("seed %d: byte %d of the results is %d before the run", seed, i, c)
		}
	}
}

func TestEncodeRoundTrip(t *testing.T) {
	for seed := range uint64(2000) {
		roundTrip(t, seed)
	}
}

func TestEncodeRefuses(t *testing.T) {
	seven := Call(Child, unix.SYS_GETPID, Int(1), Int(2), Int(3), Int(4), Int(5), Int(6), Int(7))
	errnos := make([]unix.Errno, maxOK+1)
	big := Bytes(make([]byte, maxPlanSize), "much")
	tests := []struct {
		name string
		step Step
		want unix.Errno
	}{
		{"seven arguments", seven, unix.EINVAL},
		{"thirteen errnos", Call(Child, unix.SYS_GETPID).Tolerate(errnos...), unix.EINVAL},
		{"64 MiB of data", Call(Child, unix.SYS_WRITE, Int(1), big, Int(1)), unix.E2BIG},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			nothing := func(Slot) (int64, bool, bool) { return 0, false, false }
			if _, err := encode([]Step{test.step}, 0, nothing); !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
		})
	}
}

package nsenter

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"
)

// FuzzEncode holds encoder, executor and decoder to one another. The fuzzer
// chooses the seed of random steps.
func FuzzEncode(f *testing.F) {
	for seed := range uint64(10) {
		f.Add(seed)
	}
	f.Fuzz(roundTrip)
}

// FuzzCheck holds the executor's validator to the decoder: no batch makes it
// read beyond the end, and one that it lets through has no index out of range.
func FuzzCheck(f *testing.F) {
	for seed := range uint64(20) {
		steps, lookup := randomSteps(rand.New(rand.NewPCG(seed, 2)))
		b, err := encode(steps, 0, lookup)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	arena := guarded(f, 1<<20)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 || len(b) > len(arena) {
			return
		}
		// The last byte lies before a page that nobody may read.
		at := arena[len(arena)-len(b):]
		copy(at, b)
		agree(t, at)
	})
}

// TestCheckMutations does what FuzzCheck does, without the fuzzing engine: it
// breaks valid batches where it hurts, in the header and the steps.
func TestCheckMutations(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	arena := guarded(t, 1<<20)
	passed, refused := 0, 0
	count := 20000
	if testing.Short() {
		count = 2000
	}
	for range count {
		steps, lookup := randomSteps(r)
		b, err := encode(steps, 0, lookup)
		if err != nil {
			t.Fatal(err)
		}
		at := arena[len(arena)-len(b):]
		copy(at, b)
		head := min(len(b), batchHeader+len(steps)*stepSize)
		for range 1 + r.IntN(3) {
			switch r.IntN(3) {
			case 0:
				at[r.IntN(head)] = byte(r.Uint32())
			case 1:
				at[r.IntN(head)] ^= 1 << r.IntN(8)
			default:
				binary.LittleEndian.PutUint32(at[r.IntN(head/4)*4:], []uint32{0, 1, 1 << 31, ^uint32(0), MaxSlots, 65536}[r.IntN(6)])
			}
		}
		if r.IntN(8) == 0 {
			at = at[r.IntN(len(at)):] // cut off its beginning
		}
		if agree(t, at) {
			passed++
		} else {
			refused++
		}
	}
	if passed < count/20 || refused < count/20 {
		t.Fatalf("%d passed, %d refused: the mutations test one side only", passed, refused)
	}
}

// agree fails when validator and decoder differ, and reports their verdict.
func agree(t *testing.T, b []byte) bool {
	checked := check(b)
	_, decoded := decode(b, 0)
	if tooMany(b) {
		decoded = errBatch
	}
	if (checked == nil) != (decoded == nil) {
		t.Fatalf("executor: %v, decoder: %v", checked, decoded)
	}
	return checked == nil
}

// tooMany is the executor's one limit that is no matter of ranges.
func tooMany(b []byte) bool {
	return len(b) >= batchHeader && binary.LittleEndian.Uint32(b[8:]) > 65536
}

// guarded returns memory that ends at an unreadable page.
func guarded(t testing.TB, size int) []byte {
	m, err := unix.Mmap(-1, 0, size+pageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(m) })
	if err := unix.Mprotect(m[size:], unix.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	return m[:size]
}

package nsenter

import (
	"slices"

	"golang.org/x/sys/unix"
)

// ChildResult looks at what became of a child step, by its index in the plan,
// while the plan runs: for host steps whose work depends on it. The zero
// Result is a step that was not sent yet. Whether the child has come past a
// step for sure is known behind an OpSync only.
func (h *Run) ChildResult(step int) Result {
	for _, b := range h.batches {
		i := slices.Index(b.steps, step)
		if i < 0 {
			continue
		}
		var buf [resultSize]byte
		offset := b.offset + batchHeader + len(b.steps)*stepSize + i*resultSize
		if n, err := unix.Pread(h.child.memory, buf[:], int64(offset)); err != nil || n < len(buf) {
			return Result{}
		}
		return decodeResult(buf[:])
	}
	return Result{}
}

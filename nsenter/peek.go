package nsenter

import (
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// ChildResult looks at what became of a child step, by its index in the plan,
// while the plan runs: for host steps whose work depends on it. The zero
// Result is a step that was not sent yet. Whether the child has come past a
// step for sure is known behind an OpSync only.
func (h *Run) ChildResult(step int) Result {
	at, ok := h.resultAt(step)
	if !ok {
		return Result{}
	}
	var buf [resultSize]byte
	if n, err := unix.Pread(h.child.memory, buf[:], at); err != nil || n < len(buf) {
		return Result{}
	}
	return decodeResult(buf[:])
}

// resultAt is where in the memory a child step's result is; false when the
// step was not sent yet.
func (h *Run) resultAt(step int) (int64, bool) {
	for _, b := range h.batches {
		if i := slices.Index(b.steps, step); i >= 0 {
			return int64(b.offset + batchHeader + len(b.steps)*stepSize + i*resultSize), true
		}
	}
	return 0, false
}

// Streams are the child's first three descriptors, as the options have them;
// nil is /dev/null.
func (h *Run) Streams() [3]*os.File {
	return [3]*os.File{h.opts.Stdin, h.opts.Stdout, h.opts.Stderr}
}

package logs

import (
	"encoding/binary"
	"errors"
	"runtime/debug"
	"sync"
	"time"
)

// errFull is why a record was dropped with mode=non-blocking.
var errFull = errors.New("the buffer was full (mode=non-blocking, max-buffer-size)")

// ring holds records between a payload that must not wait and a sink that
// may. It is memory of at most max bytes and some, in pieces that are given
// back; when it is full the newest record is dropped, as in docker.
type ring struct {
	max  int
	loss *losses

	mu     sync.Mutex
	filled sync.Cond
	pieces [][]byte
	size   int // of the pieces, and of the one that is being written
	closed bool
	ended  sync.WaitGroup
	once   sync.Once
}

// pieceSize is how much the ring grows at a time.
const pieceSize = 64 << 10

// ringCalm is how long nothing must have come before the memory of a flood is
// given back.
const ringCalm = time.Second

// headSize is what the ring needs for a record besides its text: length,
// stream, part and time.
const headSize = 4 + 1 + 4 + 8

func newRing(limit int, loss *losses) *ring {
	r := &ring{max: limit, loss: loss}
	r.filled.L = &r.mu
	return r
}

// put takes a record or drops it, and never waits.
func (r *ring) put(e *entry, to sink) {
	r.once.Do(func() { r.ended.Go(func() { r.drain(to) }) })
	r.mu.Lock()
	need := headSize + len(e.text)
	// As in docker, a single record may be larger than the buffer.
	if r.size > 0 && r.size+need > r.max {
		r.mu.Unlock()
		r.loss.add(1, errFull)
		return
	}
	last := len(r.pieces) - 1
	if last < 0 || len(r.pieces[last])+need > cap(r.pieces[last]) {
		r.pieces = append(r.pieces, make([]byte, 0, max(need, min(pieceSize, r.max))))
		last++
	}
	r.pieces[last] = appendHead(r.pieces[last], e)
	r.pieces[last] = append(r.pieces[last], e.text...)
	r.size += need
	r.filled.Signal()
	r.mu.Unlock()
}

// appendHead encodes all of a record but its text.
func appendHead(dst []byte, e *entry) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(e.text)))
	stream := byte(0)
	if e.stream == "stderr" {
		stream = 1
	}
	dst = append(dst, stream)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(e.part))
	return binary.LittleEndian.AppendUint64(dst, uint64(e.time.UnixNano()))
}

// cutEntry takes the first record off a piece.
func cutEntry(p []byte) (entry, []byte) {
	n := headSize + int(binary.LittleEndian.Uint32(p))
	e := entry{
		stream: "stdout",
		part:   int(binary.LittleEndian.Uint32(p[5:])),
		time:   time.Unix(0, int64(binary.LittleEndian.Uint64(p[9:]))).UTC(),
		text:   p[headSize:n],
	}
	if p[4] == 1 {
		e.stream = "stderr"
	}
	return e, p[n:]
}

// drain writes pieces until the ring is closed and empty.
func (r *ring) drain(to sink) {
	calm := time.AfterFunc(ringCalm, debug.FreeOSMemory)
	defer calm.Stop()
	for {
		r.mu.Lock()
		if len(r.pieces) == 0 {
			calm.Reset(ringCalm)
		}
		for len(r.pieces) == 0 && !r.closed {
			r.filled.Wait()
		}
		if len(r.pieces) == 0 {
			r.mu.Unlock()
			return
		}
		piece := r.pieces[0]
		r.pieces[0] = nil // or the list would hold on to it
		r.pieces = r.pieces[1:]
		r.mu.Unlock()
		for rest := piece; len(rest) > 0; {
			var e entry
			e, rest = cutEntry(rest)
			to.put(&e)
		}
		to.flush()
		r.mu.Lock()
		r.size -= len(piece)
		r.mu.Unlock()
	}
}

// close waits until all is written.
func (r *ring) close() {
	r.mu.Lock()
	r.closed = true
	r.filled.Signal()
	r.mu.Unlock()
	r.ended.Wait()
}

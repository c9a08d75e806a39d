package inflate

import (
	"errors"
	"hash/crc32"
	"io"
)

// Sizes of the buffers.
const (
	window = 32 << 10
	// outEnd is where decoding stops until what is there has been read. A match that
	// began before may go on for 258 bytes and a word, after some literals.
	outEnd  = window + 256<<10
	outSize = outEnd + 258 + 8 + 64
	inSize  = 64 << 10
	// inSlack is how far decoding may look beyond where it is: two words. At the end
	// of the input there are zeros.
	inSlack = 16
)

// Errors of streams.
var (
	errCorrupt  = errors.New("gzip: invalid compressed data")
	errHeader   = errors.New("gzip: invalid header")
	errChecksum = errors.New("gzip: invalid checksum")
	// errNoMore is an input that ends too early, in this package.
	errNoMore = errors.New("no more input")
)

// Reader reads what is in a gzip file.
type Reader struct {
	src io.Reader
	// in[ip:end] is input that has not been looked at; up to safe decoding needs not
	// ask for more. eof tells that nothing follows.
	in            [inSize + 4*inSlack]byte
	ip, end, safe int
	eof           bool
	hold          uint64
	count         uint

	// out[from:op] is what has not been read yet. Matches may go back to begin.
	// summed is up to where the checksum is known.
	out                     [outSize]byte
	from, op, begin, summed int
	crc, size               uint32

	// next is what comes next in the input.
	next       func(*Reader) error
	last       bool
	stored     int
	endOfCodes bool
	err        error

	lengths   [lengthSize]uint32
	distances [distanceSize]uint32
}

// NewReader reads the header of the first member.
func NewReader(src io.Reader) (*Reader, error) {
	z := &Reader{src: src, safe: -1, from: window, op: window, begin: window, summed: window}
	err := z.header()
	if err == errNoMore {
		err = io.ErrUnexpectedEOF
	}
	return z, err
}

// Read returns what is in all members. An input that ends before its last member
// does is io.ErrUnexpectedEOF.
func (z *Reader) Read(p []byte) (int, error) {
	for z.from == z.op {
		if z.err != nil {
			return 0, z.err
		}
		z.decode()
	}
	n := copy(p, z.out[z.from:z.op])
	z.from += n
	return n, nil
}

// decode fills out. All that it had has been read.
func (z *Reader) decode() {
	if z.op > window {
		shift := z.op - window
		copy(z.out[:window], z.out[shift:z.op])
		z.begin = max(0, z.begin-shift)
		z.from, z.op, z.summed = window, window, window
	}
	for z.op < outEnd && z.err == nil {
		z.err = z.next(z)
		if z.endOfCodes {
			z.endOfCodes = false
			z.endBlock()
		}
	}
	if z.err == errNoMore || z.eof && z.ip-int(z.count>>3) > z.end && z.err != io.EOF {
		z.err = io.ErrUnexpectedEOF
	}
	if z.err != nil && z.err != io.EOF {
		// What was made of zeros behind a cut input is not handed out.
		z.op = z.from
		return
	}
	z.sum()
}

func (z *Reader) sum() {
	z.crc = crc32.Update(z.crc, crc32.IEEETable, z.out[z.summed:z.op])
	z.size += uint32(z.op - z.summed)
	z.summed = z.op
}

// more makes sure that two words can be read at ip.
func (z *Reader) more() error {
	if z.ip <= z.safe {
		return nil
	}
	if z.eof {
		return errNoMore
	}
	// Whole bytes that were read ahead may be given back by align.
	keep := max(0, z.ip-8)
	copy(z.in[:], z.in[keep:z.end])
	z.end, z.ip = z.end-keep, z.ip-keep
	for z.end < z.ip+2*inSlack && !z.eof {
		n, err := z.src.Read(z.in[z.end:inSize])
		z.end += n
		if err == io.EOF {
			z.eof = true
		} else if err != nil {
			return err
		}
	}
	z.safe = z.end - inSlack
	if z.eof {
		clear(z.in[z.end : z.end+2*inSlack])
		z.safe = z.end + inSlack/2
	}
	return nil
}

// need makes sure that there are n bytes of input, at most four, at ip.
func (z *Reader) need(n int) error {
	for z.ip+n > z.end {
		if z.eof {
			return errNoMore
		}
		z.safe = -1
		if err := z.more(); err != nil {
			return err
		}
	}
	return nil
}

func (z *Reader) readByte() (byte, error) {
	if err := z.need(1); err != nil {
		return 0, err
	}
	z.ip++
	return z.in[z.ip-1], nil
}

func (z *Reader) readWord() (uint32, error) {
	var v uint32
	for i := range 4 {
		b, err := z.readByte()
		if err != nil {
			return 0, err
		}
		v |= uint32(b) << (8 * i)
	}
	return v, nil
}

// Flags of a member's header (RFC 1952 2.3).
const (
	flagHeaderCRC = 1 << 1
	flagExtra     = 1 << 2
	flagName      = 1 << 3
	flagComment   = 1 << 4
	flagReserved  = 0xe0
)

// header reads a member's header. What it says is of no use here.
func (z *Reader) header() error {
	var fixed [10]byte
	for i := range fixed {
		b, err := z.readByte()
		if err != nil {
			return err
		}
		fixed[i] = b
	}
	flags := fixed[3]
	if fixed[0] != 0x1f || fixed[1] != 0x8b || fixed[2] != 8 || flags&flagReserved != 0 {
		return errHeader
	}
	for _, f := range []struct {
		flag byte
		skip func() error
	}{{flagExtra, z.skipExtra}, {flagName, z.skipText}, {flagComment, z.skipText}, {flagHeaderCRC, func() error { return z.skip(2) }}} {
		if flags&f.flag == 0 {
			continue
		}
		if err := f.skip(); err != nil {
			return err
		}
	}
	z.begin, z.crc, z.size, z.next = z.op, 0, 0, (*Reader).block
	return nil
}

func (z *Reader) skip(n int) error {
	for range n {
		if _, err := z.readByte(); err != nil {
			return err
		}
	}
	return nil
}

func (z *Reader) skipText() error {
	for {
		if b, err := z.readByte(); b == 0 || err != nil {
			return err
		}
	}
}

func (z *Reader) skipExtra() error {
	low, err := z.readByte()
	if err != nil {
		return err
	}
	high, err := z.readByte()
	if err != nil {
		return err
	}
	return z.skip(int(low) | int(high)<<8)
}

// trailer checks a member's end.
func (z *Reader) trailer() error {
	z.sum()
	crc, err := z.readWord()
	if err != nil {
		return err
	}
	size, err := z.readWord()
	if err != nil {
		return err
	}
	if crc != z.crc || size != z.size {
		return errChecksum
	}
	z.next = (*Reader).between
	return nil
}

// between looks for another member. Zeros are padding.
func (z *Reader) between() error {
	for {
		b, err := z.readByte()
		if err == errNoMore {
			return io.EOF
		}
		if err != nil {
			return err
		}
		if b != 0 {
			z.ip--
			return z.header()
		}
	}
}

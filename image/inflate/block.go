package inflate

import "encoding/binary"

// Of the bits in hold, count are known to be consumed from in: those above may be
// set, to what the input has there, so that adding them again changes nothing.
// refill leaves at least 56.

// refill is for what is not in a hurry. The loop in codes has its own.
func (z *Reader) refill() {
	z.hold |= binary.LittleEndian.Uint64(z.in[z.ip:]) << (z.count & 63)
	z.ip += int((63 - z.count) >> 3)
	z.count |= 56
}

// take removes n bits, at most 16.
func (z *Reader) take(n uint) int {
	v := int(z.hold & (1<<(n&63) - 1))
	z.hold >>= n & 63
	z.count -= n
	return v
}

// align gives back what was read ahead, up to the next whole byte.
func (z *Reader) align() {
	z.ip -= int(z.count >> 3)
	z.hold, z.count = 0, 0
}

// block reads the header of a block.
func (z *Reader) block() error {
	if err := z.more(); err != nil {
		return err
	}
	z.refill()
	z.last = z.take(1) == 1
	switch z.take(2) {
	case 0:
		z.align()
		if err := z.need(4); err != nil {
			return err
		}
		size := binary.LittleEndian.Uint16(z.in[z.ip:])
		if size != ^binary.LittleEndian.Uint16(z.in[z.ip+2:]) {
			return errCorrupt
		}
		z.ip += 4
		z.stored, z.next = int(size), (*Reader).copyStored
		return nil
	case 1:
		var lengths [288]uint8
		for i := range lengths {
			switch {
			case i < 144:
				lengths[i] = 8
			case i < 256:
				lengths[i] = 9
			case i < 280:
				lengths[i] = 7
			default:
				lengths[i] = 8
			}
		}
		distances := [32]uint8{}
		for i := range distances {
			distances[i] = 5
		}
		return z.tables(lengths[:], distances[:])
	case 2:
		return z.dynamic()
	}
	return errCorrupt
}

// tables prepares the decoding of a block.
func (z *Reader) tables(lengths, distances []uint8) error {
	if !build(z.lengths[:], lengthBits, lengths, lengthEntry) || !build(z.distances[:], distanceBits, distances, distanceEntry) {
		return errCorrupt
	}
	z.next = (*Reader).codes
	return nil
}

// dynamic reads the codes of a block (RFC 1951 3.2.7).
func (z *Reader) dynamic() error {
	lengths, distances, given := z.take(5)+257, z.take(5)+1, z.take(4)+4
	if lengths > 286 || distances > 30 {
		return errCorrupt
	}
	var small [19]uint8
	order := [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	for _, symbol := range order[:given] {
		if err := z.more(); err != nil {
			return err
		}
		z.refill()
		small[symbol] = uint8(z.take(3))
	}
	var table [1 << codeLenBits]uint32
	if !build(table[:], codeLenBits, small[:], codeLenEntry) {
		return errCorrupt
	}
	var all [286 + 30]uint8
	if err := z.codeLengths(all[:lengths+distances], &table); err != nil {
		return err
	}
	if all[256] == 0 {
		return errCorrupt // A block that cannot end.
	}
	return z.tables(all[:lengths], all[lengths:lengths+distances])
}

// codeLengths reads the lengths of the code words, which are runs in a code.
func (z *Reader) codeLengths(all []uint8, table *[1 << codeLenBits]uint32) error {
	for i := 0; i < len(all); {
		if err := z.more(); err != nil {
			return err
		}
		z.refill()
		e := table[z.hold&(1<<codeLenBits-1)]
		if e&entrySpecial != 0 {
			return errCorrupt
		}
		z.take(uint(e & 0xff))
		value, repeat := z.run(int(e >> 16))
		if e>>16 == 16 && i > 0 {
			value = all[i-1]
		}
		if i+repeat > len(all) || e>>16 == 16 && i == 0 {
			return errCorrupt
		}
		for ; repeat > 0; repeat-- {
			all[i] = value
			i++
		}
	}
	return nil
}

// run tells which code length a symbol stands for, and how often. For 16 it is the
// one before.
func (z *Reader) run(symbol int) (length uint8, times int) {
	switch symbol {
	case 16:
		return 0, 3 + z.take(2)
	case 17:
		return 0, 3 + z.take(3)
	case 18:
		return 0, 11 + z.take(7)
	}
	return uint8(symbol), 1
}

// copyStored copies what a stored block has.
func (z *Reader) copyStored() error {
	for z.stored > 0 && z.op < outEnd {
		if err := z.need(1); err != nil {
			return err
		}
		n := copy(z.out[z.op:outEnd], z.in[z.ip:z.ip+min(z.stored, z.end-z.ip)])
		z.op += n
		z.ip += n
		z.stored -= n
	}
	if z.stored == 0 {
		z.endBlock()
	}
	return nil
}

func (z *Reader) endBlock() {
	z.next = (*Reader).block
	if z.last {
		z.align()
		z.next = (*Reader).trailer
	}
}

// codes decodes literals and matches until the block or the room in out ends. It
// is the one loop whose speed counts: state is in variables, one refill serves a
// few literals, and a match is copied by words, beyond its end where there is room
// that is written again.
//
//nolint:cyclop // a call in this loop costs as much as what it would do
func (z *Reader) codes() (err error) {
	in, out, lengths, distances := z.in[:], z.out[:], &z.lengths, &z.distances
	hold, count, ip, op := z.hold, z.count, z.ip, z.op
block:
	for op < outEnd {
		if ip > z.safe {
			z.ip = ip
			if err = z.more(); err != nil {
				break
			}
			ip = z.ip
		}
		hold |= binary.LittleEndian.Uint64(in[ip:]) << (count & 63)
		ip += int((63 - count) >> 3)
		count |= 56
		e := lengths[hold&(1<<lengthBits-1)]
		for e&entryLiteral != 0 {
			hold >>= e & 63
			count -= uint(e & 0xff)
			out[op] = byte(e >> 16)
			op++
			if count < maxLengthBits {
				continue block
			}
			e = lengths[hold&(1<<lengthBits-1)]
		}
		if e&entrySpecial != 0 {
			if e&entrySubtable != 0 {
				hold >>= lengthBits
				count -= lengthBits
				e = lengths[(e>>16+uint32(hold)&(1<<(e>>8&15)-1))&(lengthSize-1)]
			}
			if e&(entryLiteral|entrySpecial) != 0 {
				hold >>= e & 63
				count -= uint(e & 0xff)
				if e&entryLiteral != 0 {
					out[op] = byte(e >> 16)
					op++
					continue
				}
				if z.endOfCodes = e&entryEnd != 0; !z.endOfCodes {
					err = errCorrupt
				}
				break
			}
		}
		to := op + int(e>>16) + int(hold&(1<<(e&63)-1)>>(e>>8&15))
		hold >>= e & 63
		count -= uint(e & 0xff)
		hold |= binary.LittleEndian.Uint64(in[ip:]) << (count & 63)
		ip += int((63 - count) >> 3)
		count |= 56
		e = distances[hold&(1<<distanceBits-1)]
		if e&entrySubtable != 0 {
			hold >>= distanceBits
			count -= distanceBits
			e = distances[(e>>16+uint32(hold)&(1<<(e>>8&15)-1))&(distanceSize-1)]
		}
		distance := int(e>>16) + int(hold&(1<<(e&63)-1)>>(e>>8&15))
		hold >>= e & 63
		count -= uint(e & 0xff)
		from := op - distance
		if e&entrySpecial != 0 || from < z.begin {
			err = errCorrupt
			break
		}
		if distance < 8 {
			repeat(out[from:to], distance)
		} else {
			for ; op < to; op, from = op+8, from+8 {
				binary.LittleEndian.PutUint64(out[op:], binary.LittleEndian.Uint64(out[from:]))
			}
		}
		op = to
	}
	z.hold, z.count, z.ip, z.op = hold, count, ip, op
	return err
}

// maxLengthBits is how many bits a match's length takes at most.
const maxLengthBits = 15 + 5

// repeat fills b with its first n bytes, again and again.
func repeat(b []byte, n int) {
	for done := n; done < len(b); done *= 2 {
		copy(b[done:], b[:done])
	}
}

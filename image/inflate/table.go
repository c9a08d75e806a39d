package inflate

import "math/bits"

// Sizes of the decoding tables. Codes of up to so many bits are found in one step,
// longer ones in a second table behind the first. The arrays have room for the
// worst code there can be (2342 and 402 entries) and the size of a power of two, so
// that a masked index needs no check.
const (
	maxCode      = 15
	lengthBits   = 11
	lengthSize   = 4096
	distanceBits = 8
	distanceSize = 512
	codeLenBits  = 7
)

// An entry of a table:
//
//	literal    bit 31, the byte from bit 16, the bits of its code in the low byte
//	base       a length or a distance: its base from bit 16, the bits of its code
//	           from bit 8, those of code and extra bits together in the low byte
//	subtable   bits 15 and 14: where it starts from bit 16, its index's bits from
//	           bit 8, the bits of the first index in the low byte
//	end        bits 15 and 13: the end of the block
//	invalid    bit 15: no code is like this
//
// In a second table the bits of the first index are not counted any more.
const (
	entryLiteral  = 1 << 31
	entrySpecial  = 1 << 15
	entrySubtable = 1 << 14
	entryEnd      = 1 << 13
)

// lengthEntry and distanceEntry return the entry of a symbol before the bits of its
// code are known, with the number of its extra bits in the low byte (RFC 1951
// 3.2.5).
func lengthEntry(symbol int) uint32 {
	switch {
	case symbol < 256:
		return entryLiteral | uint32(symbol)<<16
	case symbol == 256:
		return entrySpecial | entryEnd
	case symbol < 265:
		return uint32(symbol-257+3) << 16
	case symbol < 285:
		extra := (symbol - 261) / 4
		return uint32((4+(symbol-261)%4)<<extra+3)<<16 | uint32(extra)
	case symbol == 285:
		return 258 << 16
	}
	return entrySpecial
}

func distanceEntry(symbol int) uint32 {
	switch {
	case symbol < 4:
		return uint32(symbol+1) << 16
	case symbol < 30:
		extra := symbol/2 - 1
		return uint32((2+symbol%2)<<extra+1)<<16 | uint32(extra)
	}
	return entrySpecial
}

// codeLenEntry is that of the code in which the lengths of the others are written.
func codeLenEntry(symbol int) uint32 { return uint32(symbol) << 16 }

// build fills a table for a code that is given by the number of bits of each
// symbol's code word, and returns false when there is no such code. first is how
// many bits the first table's index has.
func build(table []uint32, first int, lengths []uint8, entry func(symbol int) uint32) bool {
	var count [maxCode + 1]int
	for _, n := range lengths {
		count[n]++
	}
	longest := maxCode
	for longest > 0 && count[longest] == 0 {
		longest--
	}
	// A code must use all words that there are, but for one with a single word.
	left := 1
	for n := 1; n <= maxCode; n++ {
		left = left<<1 - count[n]
		if left < 0 {
			return false
		}
	}
	count[0] = 0
	if left > 0 {
		if longest > 1 {
			return false
		}
		for i := range table[:1<<first] {
			table[i] = entrySpecial
		}
	}
	// Symbols in the order of their code words.
	var next [maxCode + 2]int
	for n := 1; n <= maxCode; n++ {
		next[n+1] = next[n] + count[n]
	}
	var sorted [288]uint16
	for symbol, n := range lengths {
		if n != 0 {
			sorted[next[n]] = uint16(symbol)
			next[n]++
		}
	}
	b := builder{table: table, first: first, longest: longest, count: count, free: 1 << first, prefix: -1}
	at, code := 0, 0
	for n := 1; n <= longest; n++ {
		for range count[n] {
			b.add(code, n, entry(int(sorted[at])))
			at++
			code++
		}
		code <<= 1
	}
	return true
}

// builder fills a table with code words in ascending order.
type builder struct {
	table          []uint32
	first, longest int
	// count is how many words of each length are to come.
	count [maxCode + 1]int
	// free is where the next second table goes; start and bits are the present one's,
	// which belongs to the words that begin with prefix.
	free, start, bits, prefix int
}

func (b *builder) add(code, n int, entry uint32) {
	// Bits of code words come highest first, the others lowest first.
	index := int(bits.Reverse16(uint16(code)) >> (16 - n))
	used, size, table := n, b.first, b.table
	if n > b.first {
		if prefix := index & (1<<b.first - 1); prefix != b.prefix {
			b.second(prefix, n)
		}
		index >>= b.first
		used, size, table = n-b.first, b.bits, b.table[b.start:]
	}
	b.count[n]--
	if entry&(entryLiteral|entrySpecial) == 0 {
		entry += uint32(used) << 8
	}
	entry += uint32(used)
	for i := index; i < 1<<size; i += 1 << used {
		table[i] = entry
	}
}

// second makes a second table for the words with a prefix, the first of which has n
// bits: as large as the words need that can still follow.
func (b *builder) second(prefix, n int) {
	b.prefix, b.start, b.bits = prefix, b.free, n-b.first
	room := 1 << b.bits
	for n < b.longest {
		if room -= b.count[n]; room <= 0 {
			break
		}
		n++
		b.bits++
		room <<= 1
	}
	b.free += 1 << b.bits
	b.table[prefix] = entrySpecial | entrySubtable | uint32(b.start)<<16 | uint32(b.bits)<<8 | uint32(b.first)
}

package inflate

import "math/bits"

// entry is what a table says of the bits that come next:
//
//	literal      1<<31 | byte<<16                | bits
//	length, distance     base<<16 | code<<8      | bits
//	subtable     1<<15 | 1<<12 | index<<16 | its bits<<8
//	end of block 1<<15 | 1<<14             | bits
//	no symbol    1<<15 | 1<<13
//
// bits are those of the symbol's code and what follows it of the value, code
// those of the code alone.
type entry uint32

const (
	literal    entry = 1 << 31
	special    entry = 1 << 15 // one of the three below
	endOfBlock entry = 1 << 14
	invalid    entry = 1 << 13
	subtable   entry = 1 << 12
)

const (
	maxLitLen = 288 // of the fixed code; 286 elsewhere
	maxDist   = 32  // likewise, and 30
	maxCode   = 15  // bits

	litLenBits  = 11
	distBits    = 8
	codeLenBits = 7
	// The most entries that any code of 15 bits takes with its subtables (zlib's
	// examples/enough.c: 288 symbols from 11 bits, 32 from 8).
	litLenSize  = 2342
	distSize    = 402
	codeLenSize = 1 << codeLenBits
)

func (e entry) bits() uint { return uint(e & 0xff) }

// value is a length or distance: its base and the bits that follow its code in b.
func (e entry) value(b uint64) int {
	return int(e>>16) + int((b&(1<<(e&63)-1))>>(e>>8&15))
}

// sub is the index that the bits b have in the subtable.
func (e entry) sub(b uint64) uint { return uint(e>>16) + uint(b&(1<<(e>>8&15)-1)) }

// base and more of the length symbols from 257 on, and of the distance symbols.
var (
	lengthBase = [...]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthMore = [...]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase   = [...]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distMore   = [...]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
)

// A symbol's entry without its code's bits.
func litLenSymbol(s int) entry {
	switch {
	case s < 256:
		return literal | entry(s)<<16
	case s == 256:
		return special | endOfBlock
	case s-257 < len(lengthBase):
		return entry(lengthBase[s-257])<<16 | entry(lengthMore[s-257])
	}
	return special | invalid
}

func distSymbol(s int) entry {
	if s >= len(distBase) {
		return special | invalid
	}
	return entry(distBase[s])<<16 | entry(distMore[s])
}

func codeLenSymbol(s int) entry { return entry(s) << 16 }

// build fills table for the canonical code of these lengths, rootBits of it
// looked up at once. It answers false for lengths that make no code: every
// string of bits must mean one symbol, but that a code may have one symbol of
// one bit, or none.
func (d *Decoder) build(table []entry, rootBits uint, lengths []uint8, symbol func(int) entry) bool {
	var count [maxCode + 1]int
	for _, n := range lengths {
		count[n]++
	}
	count[0] = 0
	longest, used, left := 0, 0, 1
	for n := 1; n <= maxCode; n++ {
		left = left<<1 - count[n]
		if left < 0 {
			return false
		}
		if count[n] > 0 {
			longest = n
		}
		used += count[n]
	}
	if left > 0 {
		if used > 1 || longest > 1 {
			return false
		}
		for i := range table[:1<<rootBits] {
			table[i] = special | invalid
		}
	}
	var next [maxCode + 2]int
	for n := 1; n <= maxCode; n++ {
		next[n+1] = next[n] + count[n]
	}
	order := d.unordered[:used]
	for s, n := range lengths {
		if n > 0 {
			order[next[n]] = uint16(s)
			next[n]++
		}
	}
	d.place(table, rootBits, lengths, order, count, symbol)
	return true
}

// place gives every symbol, in the order of the codes, its places.
func (d *Decoder) place(table []entry, rootBits uint, lengths []uint8, order []uint16, count [maxCode + 1]int, symbol func(int) entry) {
	code, at := uint(0), uint(0) // at is where the last subtable begins
	end, prefix, subBits := uint(1)<<rootBits, ^uint(0), uint(0)
	length := uint(0)
	for _, s := range order {
		n := uint(lengths[s])
		code <<= n - length
		length = n
		reversed := uint(bits.Reverse16(uint16(code)) >> (16 - n))
		e := symbol(int(s)) + entry(n)<<8 + entry(n)
		if n <= rootBits {
			for i := reversed; i < 1<<rootBits; i += 1 << n {
				table[i] = e
			}
		} else {
			if root := reversed & (1<<rootBits - 1); root != prefix {
				prefix, at = root, end
				subBits = subtableBits(n, rootBits, count)
				end += 1 << subBits
				table[root] = special | subtable | entry(at)<<16 | entry(subBits)<<8
			}
			for i := reversed >> rootBits; i < 1<<subBits; i += 1 << (n - rootBits) {
				table[at+i] = e
			}
		}
		count[n]--
		code++
	}
}

// subtableBits is how many bits a subtable needs that begins with a code of n
// bits, with count codes of each length still to be placed.
func subtableBits(n, rootBits uint, count [maxCode + 1]int) uint {
	b := n - rootBits
	for left := 1 << b; b+rootBits < maxCode; b++ {
		left -= count[b+rootBits]
		if left <= 0 {
			break
		}
		left <<= 1
	}
	return b
}

func (d *Decoder) useFixed() {
	if d.fixed {
		return
	}
	lengths := d.lengths[:maxLitLen]
	for i := range lengths {
		switch {
		case i < 144, i >= 280:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		default:
			lengths[i] = 7
		}
	}
	d.build(d.litLen[:], litLenBits, lengths, litLenSymbol)
	for i := range maxDist {
		lengths[i] = 5
	}
	d.build(d.dist[:], distBits, lengths[:maxDist], distSymbol)
	d.fixed = true
}

// codeOrder is the order in which a block's header gives the lengths of the
// code for lengths.
var codeOrder = [...]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// readCodes reads the header of a block with codes of its own.
func (d *Decoder) readCodes() error {
	d.fixed = false
	sizes, err := d.take(14)
	if err != nil {
		return err
	}
	litLens, dists, codes := int(sizes&31)+257, int(sizes>>5&31)+1, int(sizes>>10)+4
	if litLens > 286 || dists > 30 {
		return &CorruptError{"a block with too many symbols"}
	}
	var lengths [len(codeOrder)]uint8
	for _, i := range codeOrder[:codes] {
		n, err := d.take(3)
		if err != nil {
			return err
		}
		lengths[i] = uint8(n)
	}
	if !d.build(d.codeLen[:], codeLenBits, lengths[:], codeLenSymbol) {
		return &CorruptError{"the lengths of the code for lengths are not a code"}
	}
	if err := d.readLengths(litLens + dists); err != nil {
		return err
	}
	if !d.build(d.litLen[:], litLenBits, d.lengths[:litLens], litLenSymbol) {
		return &CorruptError{"the lengths of the literals are not a code"}
	}
	if !d.build(d.dist[:], distBits, d.lengths[litLens:litLens+dists], distSymbol) {
		return &CorruptError{"the lengths of the distances are not a code"}
	}
	return nil
}

// readLengths reads count lengths, runs of which are written shorter.
func (d *Decoder) readLengths(count int) error {
	for i := 0; i < count; {
		if err := d.fill(); err != nil {
			return err
		}
		e := d.codeLen[d.bits&(1<<codeLenBits-1)]
		if e&invalid != 0 {
			return errCode
		}
		if err := d.drop(e); err != nil {
			return err
		}
		symbol := uint8(e >> 16)
		if symbol < 16 {
			d.lengths[i] = symbol
			i++
			continue
		}
		value, shortest, more := uint8(0), uint(3), uint(3)
		switch {
		case symbol == 16 && i == 0:
			return &CorruptError{"the first length repeats a previous one"}
		case symbol == 16:
			value, more = d.lengths[i-1], 2
		case symbol == 18:
			shortest, more = 11, 7
		}
		run, err := d.take(more)
		if err != nil {
			return err
		}
		end := i + int(run+shortest)
		if end > count {
			return &CorruptError{"a run of lengths beyond the last symbol"}
		}
		for ; i < end; i++ {
			d.lengths[i] = value
		}
	}
	return nil
}

package git

// changesByRarity is changesOf where lines that occur rarely are matched first,
// as git's histogram diff does, by which it merges.
func changesByRarity(base, side []rune) []change {
	h := histogram{base: base, side: side, kept: make([]bool, len(base)), taken: make([]bool, len(side))}
	h.match(0, len(base), 0, len(side))
	var all []change
	for i, j := 0, 0; i < len(base) || j < len(side); {
		if i < len(base) && j < len(side) && h.kept[i] && h.taken[j] {
			i, j = i+1, j+1
			continue
		}
		c := change{from: i, at: j}
		for i < len(base) && !h.kept[i] {
			i++
		}
		for j < len(side) && !h.taken[j] {
			j++
		}
		c.to, c.lines = i, side[c.at:j]
		all = append(all, c)
	}
	return all
}

// histogram marks the lines that two texts have in common, in their order.
type histogram struct {
	base, side  []rune
	kept, taken []bool
}

// mostPlaces is how often a line may occur to be matched, as git has it.
const mostPlaces = 64

// match takes the longest of the runs whose rarest line is rarest, and goes on
// before and behind it.
func (h *histogram) match(a0, a1, b0, b1 int) {
	for a0 < a1 && b0 < b1 {
		places := map[rune][]int{}
		for i := a0; i < a1; i++ {
			places[h.base[i]] = append(places[h.base[i]], i)
		}
		bestA, bestB, length, rarity := 0, 0, 0, len(h.base)+1
		for j := b0; j < b1; {
			next := j + 1
			here := places[h.side[j]]
			if len(here) > mostPlaces {
				here = nil
			}
			for _, i := range here {
				s, t, n, rare := h.run(places, i, j, a0, a1, b0, b1)
				next = max(next, t+n)
				if rare < rarity || rare == rarity && n > length {
					bestA, bestB, length, rarity = s, t, n, rare
				}
			}
			j = next
		}
		if length == 0 {
			return
		}
		for k := range length {
			h.kept[bestA+k], h.taken[bestB+k] = true, true
		}
		h.match(a0, bestA, b0, bestB)
		a0, b0 = bestA+length, bestB+length
	}
}

// run is the whole run of equal lines around i and j: where it begins, its
// length, and how often the rarest of its lines occurs in the base's part.
func (h *histogram) run(places map[rune][]int, i, j, a0, a1, b0, b1 int) (s, t, n, rare int) {
	s, t = i, j
	rare = len(places[h.base[i]])
	for s > a0 && t > b0 && h.base[s-1] == h.side[t-1] {
		s, t = s-1, t-1
		rare = min(rare, len(places[h.base[s]]))
	}
	e, f := i+1, j+1
	for e < a1 && f < b1 && h.base[e] == h.side[f] {
		rare = min(rare, len(places[h.base[e]]))
		e, f = e+1, f+1
	}
	return s, t, e - s, rare
}

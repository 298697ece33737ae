package layered

import "slices"

// heights sets the y of each knot: in sweeps, each layer moves as near to its
// neighbours as the order and the gap let it.
func heights(knots []knot, rows [][]int, gap float64) {
	for _, row := range rows {
		y := 0.0
		for _, k := range row {
			knots[k].y = y + knots[k].height/2
			y += knots[k].height + gap
		}
	}
	for sweep := range sweeps {
		for i := range rows {
			l := i
			if sweep%2 == 1 {
				l = len(rows) - 1 - i
			}
			level(knots, rows[l], gap)
		}
	}
}

// level moves the knots of a layer to the places that are nearest, by least
// squares, to the middles of their neighbours, and keep order and gap.
//
// With the room that the knots before it need taken off, knot i wants w[i], and
// the places must not fall. That is isotonic regression: pools of neighbours that
// want to pass each other share their mean.
func level(knots []knot, row []int, gap float64) {
	type pool struct{ sum, weight, count float64 }
	var pools []pool
	room := make([]float64, len(row))
	for i, k := range row {
		if i > 0 {
			room[i] = room[i-1] + (knots[row[i-1]].height+knots[k].height)/2 + gap
		}
		pools = append(pools, pool{(wish(knots, k) - room[i]) * knots[k].weight, knots[k].weight, 1})
		for n := len(pools) - 1; n > 0 && pools[n-1].sum*pools[n].weight > pools[n].sum*pools[n-1].weight; n-- {
			pools[n-1].sum += pools[n].sum
			pools[n-1].weight += pools[n].weight
			pools[n-1].count += pools[n].count
			pools = pools[:n]
		}
	}
	i := 0
	for _, p := range pools {
		for range int(p.count) {
			knots[row[i]].y = p.sum/p.weight + room[i]
			i++
		}
	}
}

// wish returns where a knot would stand if it were alone in its layer: level with
// the middle of its neighbours, or where it is.
func wish(knots []knot, k int) float64 {
	sum, n := 0.0, 0
	for _, neighbours := range [][]int{knots[k].left, knots[k].right} {
		for _, other := range neighbours {
			sum += knots[other].y
			n++
		}
	}
	if n == 0 {
		return knots[k].y
	}
	return sum / float64(n)
}

// place returns the layout: columns as wide as their widest box, and everything
// moved to begin at zero.
func place(g Graph, knots []knot, rows [][]int, chains [][]int) Layout {
	left, width := columns(g, rows)
	top, bottom := 0.0, 0.0
	for i, k := range knots {
		if i == 0 || k.y-k.height/2 < top {
			top = k.y - k.height/2
		}
		if i == 0 || k.y+k.height/2 > bottom {
			bottom = k.y + k.height/2
		}
	}
	out := Layout{Size: Size{W: width, H: bottom - top}}
	for i, s := range g.Sizes {
		k := knots[i]
		out.Nodes = append(out.Nodes, Point{left[k.layer], k.y - s.H/2 - top})
	}
	for i, c := range chains {
		var points []Point
		for j, at := range c {
			k := knots[at]
			if j > 0 {
				points = append(points, Point{left[k.layer], k.y - top})
			}
			if j < len(c)-1 {
				points = append(points, Point{left[k.layer] + boxWidth(g, rows, at, k.layer), k.y - top})
			}
		}
		if len(points) > 0 && g.Edges[i][0] != c[0] {
			slices.Reverse(points) // it was turned round
		}
		out.Edges = append(out.Edges, points)
	}
	return out
}

// boxWidth returns how wide the knot is: a point of an edge passes its whole column.
func boxWidth(g Graph, rows [][]int, k, layer int) float64 {
	if k < len(g.Sizes) {
		return g.Sizes[k].W
	}
	return columnWidth(g, rows[layer])
}

// columns returns where each layer begins, and the width of all.
func columns(g Graph, rows [][]int) (left []float64, width float64) {
	for i, row := range rows {
		if i > 0 {
			width += g.Gap.W
		}
		left = append(left, width)
		width += columnWidth(g, row)
	}
	return left, width
}

// columnWidth returns the width of the widest box of a layer.
func columnWidth(g Graph, row []int) float64 {
	widest := 0.0
	for _, k := range row {
		if k < len(g.Sizes) {
			widest = max(widest, g.Sizes[k].W)
		}
	}
	return widest
}

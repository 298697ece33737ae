// Package layered lays out a directed graph for people who read it along its
// edges, from left to right.
//
// It is Sugiyama's method in five steps, each a function:
//
//	acyclic    edges that close a cycle are turned round
//	layers     each node is right of all that lead to it, and as near as it can be
//	chains     an edge over several layers becomes a chain of points, one in each
//	order      sweeps sort each layer by the barycentres of its neighbours; the
//	           order with the fewest crossings stays
//	heights    nodes move towards their neighbours as far as their order lets them
//
// Invariant: boxes do not overlap.
// Invariant: an edge that closes no cycle leads from left to right.
// Invariant: the same graph is laid out the same way each time.
package layered

import (
	"cmp"
	"slices"
)

// A Graph is what is laid out. Distances are in pixels.
type Graph struct {
	Sizes []Size   // of the nodes
	Edges [][2]int // from, to: indices of Sizes; edges of a node to itself are left out
	Gap   Size     // between columns and between boxes of one; zero: 90 and 18
}

// A Size is how large a box is.
type Size struct{ W, H float64 }

// A Point is a place; y grows downwards.
type Point struct{ X, Y float64 }

// A Layout is where everything is.
type Layout struct {
	Size  Size
	Nodes []Point   // top left corners
	Edges [][]Point // by the index in Graph.Edges; two points or more, nil if it was left out
}

// A knot is a node, or a point of an edge that passes through a layer.
type knot struct {
	layer  int
	height float64
	y      float64 // of its centre
	weight float64 // how much it wants to be level with its neighbours
	left   []int   // neighbours in the layer before
	right  []int
}

// sweeps bounds the work for order and for heights.
const sweeps = 12

// Lay returns the layout of g.
func Lay(g Graph) Layout {
	if g.Gap == (Size{}) {
		g.Gap = Size{90, 18}
	}
	edges := acyclic(len(g.Sizes), g.Edges)
	layer := layers(len(g.Sizes), edges)
	knots := make([]knot, len(g.Sizes))
	for i, s := range g.Sizes {
		knots[i] = knot{layer: layer[i], height: s.H, weight: 1}
	}
	knots, chains := chain(knots, edges)
	rows := order(knots)
	heights(knots, rows, g.Gap.H)
	return place(g, knots, rows, chains)
}

// acyclic returns the edges without those of a node to itself, which become
// {-1, -1}, and with those that close a cycle turned round.
func acyclic(n int, edges [][2]int) [][2]int {
	out := make([][2]int, len(edges))
	next := make([][]int, n)
	for i, e := range edges {
		out[i] = e
		next[e[0]] = append(next[e[0]], i)
	}
	const fresh, open, done = 0, 1, 2
	state := make([]int, n)
	var visit func(int)
	visit = func(v int) {
		state[v] = open
		for _, i := range next[v] {
			to := edges[i][1]
			switch {
			case to == v:
				out[i] = [2]int{-1, -1}
			case state[to] == open:
				out[i] = [2]int{to, v}
			case state[to] == fresh:
				visit(to)
			}
		}
		state[v] = done
	}
	for v := range n {
		if state[v] == fresh {
			visit(v)
		}
	}
	return out
}

// layers returns the layer of each node: one right of the last that leads to it.
// What nothing leads to stands just left of what it leads to.
func layers(n int, edges [][2]int) []int {
	layer := make([]int, n)
	for range n { // the longest path has fewer than n edges
		moved := false
		for _, e := range edges {
			if e[0] >= 0 && layer[e[1]] <= layer[e[0]] {
				layer[e[1]] = layer[e[0]] + 1
				moved = true
			}
		}
		if !moved {
			break
		}
	}
	led := make([]bool, n)
	nearest := make([]int, n)
	for _, e := range edges {
		if e[0] < 0 {
			continue
		}
		led[e[1]] = true
		if nearest[e[0]] == 0 || layer[e[1]] < nearest[e[0]] {
			nearest[e[0]] = layer[e[1]]
		}
	}
	for v := range n {
		if !led[v] && nearest[v] > 0 {
			layer[v] = nearest[v] - 1
		}
	}
	return layer
}

// chain adds a knot for each layer that an edge passes through, and connects
// neighbours. It returns the knots of each edge.
func chain(knots []knot, edges [][2]int) ([]knot, [][]int) {
	chains := make([][]int, len(edges))
	for i, e := range edges {
		if e[0] < 0 {
			continue
		}
		from, to := e[0], e[1]
		chains[i] = []int{from}
		for l := knots[from].layer + 1; l < knots[to].layer; l++ {
			knots = append(knots, knot{layer: l, height: 4, weight: 4})
			chains[i] = append(chains[i], len(knots)-1)
		}
		chains[i] = append(chains[i], to)
		for j := range len(chains[i]) - 1 {
			a, b := chains[i][j], chains[i][j+1]
			knots[a].right = append(knots[a].right, b)
			knots[b].left = append(knots[b].left, a)
		}
	}
	return knots, chains
}

// order returns the knots of each layer from top to bottom.
func order(knots []knot) [][]int {
	rows := startingOrder(knots)
	best, fewest := copyRows(rows), crossings(knots, rows)
	for sweep := 0; sweep < sweeps && fewest > 0; sweep++ {
		at := positions(knots, rows)
		for i := range rows {
			l := i
			if sweep%2 == 1 {
				l = len(rows) - 1 - i
			}
			sortRow(knots, rows[l], at, sweep%2 == 0)
			for j, k := range rows[l] {
				at[k] = float64(j)
			}
		}
		if c := crossings(knots, rows); c < fewest {
			best, fewest = copyRows(rows), c
		}
	}
	return best
}

// startingOrder puts each knot beside those that are reached from the same one.
func startingOrder(knots []knot) [][]int {
	var rows [][]int
	seen := make([]bool, len(knots))
	var visit func(int)
	visit = func(k int) {
		if seen[k] {
			return
		}
		seen[k] = true
		for len(rows) <= knots[k].layer {
			rows = append(rows, nil)
		}
		rows[knots[k].layer] = append(rows[knots[k].layer], k)
		for _, next := range knots[k].right {
			visit(next)
		}
		for _, next := range knots[k].left {
			visit(next)
		}
	}
	for k := range knots {
		visit(k)
	}
	return rows
}

// sortRow sorts a layer by the mean place of the neighbours on one side. Who has
// none there keeps its place.
func sortRow(knots []knot, row []int, at []float64, byLeft bool) {
	want := make(map[int]float64, len(row))
	for _, k := range row {
		neighbours := knots[k].right
		if byLeft {
			neighbours = knots[k].left
		}
		want[k] = at[k]
		if len(neighbours) > 0 {
			want[k] = mean(neighbours, at)
		}
	}
	slices.SortStableFunc(row, func(a, b int) int { return cmp.Compare(want[a], want[b]) })
}

// mean returns the mean of at over the indices.
func mean(indices []int, at []float64) float64 {
	sum := 0.0
	for _, i := range indices {
		sum += at[i]
	}
	return sum / float64(len(indices))
}

// positions returns the place of each knot in its layer.
func positions(knots []knot, rows [][]int) []float64 {
	at := make([]float64, len(knots))
	for _, row := range rows {
		for j, k := range row {
			at[k] = float64(j)
		}
	}
	return at
}

// copyRows returns rows that do not change with the given ones.
func copyRows(rows [][]int) [][]int {
	out := make([][]int, len(rows))
	for i, row := range rows {
		out[i] = slices.Clone(row)
	}
	return out
}

// crossings returns how many pairs of edges between neighbouring layers cross.
func crossings(knots []knot, rows [][]int) int {
	at := positions(knots, rows)
	n := 0
	for _, row := range rows {
		var ends []float64 // of edges in the order of their beginnings
		for _, k := range row {
			first := len(ends)
			for _, to := range knots[k].right {
				for _, end := range ends[:first] {
					if end > at[to] {
						n++
					}
				}
				ends = append(ends, at[to])
			}
		}
	}
	return n
}

package layered

import (
	"math/rand/v2"
	"reflect"
	"testing"
)

// random returns a graph of n nodes, with cycles and edges of nodes to themselves.
func random(seed uint64, n, edges int) Graph {
	r := rand.New(rand.NewPCG(seed, 1))
	var g Graph
	for range n {
		g.Sizes = append(g.Sizes, Size{80 + 100*r.Float64(), 30 + 20*r.Float64()})
	}
	for range edges {
		g.Edges = append(g.Edges, [2]int{r.IntN(n), r.IntN(n)})
	}
	return g
}

// overlap reports whether boxes a and b share some place.
func overlap(a, b Point, sizeA, sizeB Size) bool {
	const rounding = 1e-6
	return a.X+sizeA.W > b.X+rounding && b.X+sizeB.W > a.X+rounding &&
		a.Y+sizeA.H > b.Y+rounding && b.Y+sizeB.H > a.Y+rounding
}

func TestBoxesDoNotOverlapAndStayInside(t *testing.T) {
	for seed := range uint64(200) {
		n := int(seed%40) + 1
		g := random(seed, n, n+int(seed%17))
		l := Lay(g)
		for i, a := range l.Nodes {
			if a.X < 0 || a.Y < -1e-6 || a.X+g.Sizes[i].W > l.Size.W+1e-6 || a.Y+g.Sizes[i].H > l.Size.H+1e-6 {
				t.Errorf("seed %d: node %d at %v is outside %v", seed, i, a, l.Size)
			}
			for j := range i {
				if overlap(a, l.Nodes[j], g.Sizes[i], g.Sizes[j]) {
					t.Errorf("seed %d: nodes %d and %d overlap", seed, i, j)
				}
			}
		}
	}
}

func TestEdgesWithoutCyclesLeadToTheRight(t *testing.T) {
	for seed := range uint64(100) {
		g := random(seed, 30, 50)
		for i, e := range g.Edges {
			g.Edges[i] = [2]int{min(e[0], e[1]), max(e[0], e[1])}
		}
		for i, points := range Lay(g).Edges {
			if (points == nil) != (g.Edges[i][0] == g.Edges[i][1]) {
				t.Errorf("seed %d: edge %v has points %v", seed, g.Edges[i], points)
			}
			for j := 1; j < len(points); j++ {
				if points[j].X < points[j-1].X {
					t.Errorf("seed %d: edge %v runs back: %v", seed, g.Edges[i], points)
				}
			}
		}
	}
}

func TestEdgesTouchTheirBoxes(t *testing.T) {
	g := random(3, 12, 20)
	l := Lay(g)
	for i, points := range l.Edges {
		if points == nil {
			continue
		}
		from, to := g.Edges[i][0], g.Edges[i][1]
		first, last := points[0], points[len(points)-1]
		for _, end := range []struct {
			p    Point
			node int
		}{{first, from}, {last, to}} {
			box := l.Nodes[end.node]
			middle := box.Y + g.Sizes[end.node].H/2
			atSide := end.p.X == box.X || end.p.X == box.X+g.Sizes[end.node].W
			if !atSide || end.p.Y < middle-1e-6 || end.p.Y > middle+1e-6 {
				t.Errorf("edge %d to %d ends at %v, not at the side of %v", from, to, end.p, box)
			}
		}
	}
}

func TestSameGraphSameLayout(t *testing.T) {
	g := random(7, 40, 60)
	if a, b := Lay(g), Lay(g); !reflect.DeepEqual(a, b) {
		t.Error("two layouts of one graph differ")
	}
}

// What can be drawn without crossings is drawn so, and a pipeline is a line.
func TestPlainGraphsArePlain(t *testing.T) {
	box := Size{100, 40}
	line := Lay(Graph{Sizes: []Size{box, box, box}, Edges: [][2]int{{0, 1}, {1, 2}}})
	for i, want := range []Point{{0, 0}, {190, 0}, {380, 0}} {
		if line.Nodes[i] != want {
			t.Errorf("node %d of a line is at %v; want %v", i, line.Nodes[i], want)
		}
	}
	twisted := Graph{Sizes: make([]Size, 6), Edges: [][2]int{{0, 5}, {1, 4}, {2, 3}}}
	knots := make([]knot, 6)
	for i, layer := range layers(6, twisted.Edges) {
		knots[i].layer = layer
	}
	knots, _ = chain(knots, twisted.Edges)
	if n := crossings(knots, order(knots)); n != 0 {
		t.Errorf("three edges that need not cross have %d crossings", n)
	}
	if empty := Lay(Graph{}); len(empty.Nodes) != 0 {
		t.Errorf("the empty graph has nodes: %v", empty)
	}
}

func BenchmarkLay(b *testing.B) {
	g := random(1, 300, 450)
	for b.Loop() {
		Lay(g)
	}
}

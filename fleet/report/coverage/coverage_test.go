package coverage

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/divvy-collector/divvy/fleet/owner"
)

// A node knows targets, each "url label=value …", and who owns what.
type node struct {
	name    string
	targets []string
	owner   func(owner.Key) string // nil: it does not share its targets
}

// parse returns a target's mark. Its key is that of its labels and its URL.
func parse(target string) Mark {
	words := strings.Fields(target)
	b := labels.NewBuilder(labels.FromStrings("__address__", words[0]))
	for _, w := range words[1:] {
		name, value, _ := strings.Cut(w, "=")
		b.Set(name, value)
	}
	return Mark{Key: owner.TargetKey(b.Labels()), URL: "http://" + words[0], Labels: b.Labels()}
}

// open returns the book of a node, and its marks.
func (n node) open() (Book, []Mark) {
	b := NewBook(n.name, n.owner != nil)
	var marks []Mark
	for _, t := range n.targets {
		marks = append(marks, parse(t))
	}
	slices.SortFunc(marks, func(a, b Mark) int {
		if a.Key < b.Key {
			return -1
		}
		return 1
	})
	for _, m := range marks {
		name := ""
		if n.owner != nil {
			name = n.owner(m.Key)
		}
		b.Add(m.Key, name)
	}
	return b, marks
}

// judgeNodes judges what nodes know, each of another opinion.
func judgeNodes(nodes ...node) Judgement {
	var books []Book
	var marks [][]Mark
	for _, n := range nodes {
		b, m := n.open()
		books, marks = append(books, b), append(marks, m)
	}
	odd, whole := Compare(books)
	return Judge(books, odd, whole, marks)
}

// always is the View in which one node owns everything.
func always(name string) func(owner.Key) string { return func(owner.Key) string { return name } }

// byTarget is the View in which each target has the owner that is named.
func byTarget(owners map[string]string) func(owner.Key) string {
	keys := map[owner.Key]string{}
	for target, name := range owners {
		keys[parse(target).Key] = name
	}
	return func(k owner.Key) string { return keys[k] }
}

// say writes a judgement as text: counts, then a line for each place.
func say(j Judgement) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d targets, %d unowned, %d multiple\n", j.Targets, j.Unowned, j.Multiple)
	for i := range j.Places {
		fmt.Fprintf(&b, "%s: %s\n", j.Places[i].URL, j.Places[i].Text(false))
	}
	return b.String()
}

func TestFaultsHaveNames(t *testing.T) {
	f := func(name, want string, nodes ...node) {
		t.Helper()
		want = strings.TrimLeft(strings.ReplaceAll(want, "\t", ""), "\n")
		if diff := cmp.Diff(want, say(judgeNodes(nodes...))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	a, b, c := always("a"), always("b"), always("c")
	const remedy = "remove what is different per node, such as constants.hostname or sys.env, from the rule or the target that sets it"

	f("all agree", `
		2 targets, 0 unowned, 0 multiple
		`, node{"a", []string{"h:1", "h:2"}, b}, node{"b", []string{"h:1", "h:2"}, b})

	f("a label is another one on each node, and nobody is lucky", "\n"+
		"1 targets, 1 unowned, 0 multiple\n"+
		"http://h:1: label `instance` differs: \"a\" on node a, \"b\" on node b; each node takes it for a target of its own, and nobody scrapes it; "+remedy+"\n",
		node{"a", []string{"h:1 instance=a"}, b}, node{"b", []string{"h:1 instance=b"}, a})

	f("each owns what it knows", "\n"+
		"1 targets, 0 unowned, 1 multiple\n"+
		"http://h:1: label `instance` differs: \"a\" on node a, \"b\" on node b, \"c\" on node c; each node takes it for a target of its own, and a, b and c scrape it, more than once in all; "+remedy+"\n",
		node{"a", []string{"h:1 instance=a"}, a}, node{"b", []string{"h:1 instance=b"}, b}, node{"c", []string{"h:1 instance=c"}, c})

	f("by chance one does", "\n"+
		"1 targets, 0 unowned, 0 multiple\n"+
		"http://h:1: label `instance` differs: \"a\" on node a, \"b\" on node b; each node takes it for a target of its own, and by chance only a scrapes it; "+remedy+"\n",
		node{"a", []string{"h:1 instance=a"}, a}, node{"b", []string{"h:1 instance=b"}, a})

	f("two labels differ, others are well", "\n"+
		"2 targets, 1 unowned, 0 multiple\n"+
		"http://h:1: label `host` differs: \"x\" on node a, \"y\" on node b; each node takes it for a target of its own, and nobody scrapes it; "+remedy+" (zone, too)\n",
		node{"a", []string{"h:1 host=x zone=u job=j", "h:2"}, byTarget(map[string]string{"h:1 host=x zone=u job=j": "b", "h:2": "a"})},
		node{"b", []string{"h:1 host=y zone=v job=j", "h:2"}, byTarget(map[string]string{"h:1 host=y zone=v job=j": "a", "h:2": "a"})})

	f("a parameter", "\n"+
		"1 targets, 1 unowned, 0 multiple\n"+
		"http://h:1: URL parameter `sig` differs: \"1\" on node a, \"2\" on node b; each node takes it for a target of its own, and nobody scrapes it; "+remedy+"\n",
		node{"a", []string{"h:1 __param_sig=1"}, b}, node{"b", []string{"h:1 __param_sig=2"}, a})

	f("a node does not find it, and is to serve it", `
		2 targets, 1 unowned, 0 multiple
		http://h:1: b does not find it: nobody scrapes it; compare what discovery says there
		`, node{"a", []string{"h:1", "h:2"}, b}, node{"b", []string{"h:2"}, b})

	f("a node has nothing at all", `
		2 targets, 1 unowned, 0 multiple
		http://h:1: b does not find it: nobody scrapes it; compare what discovery says there
		http://h:2: b does not find it: by chance only a scrapes it; compare what discovery says there
		`, node{"a", []string{"h:1", "h:2"}, byTarget(map[string]string{"h:1": "b", "h:2": "a"})}, node{"b", nil, nil})

	f("they do not agree on who is there", `
		1 targets, 0 unowned, 1 multiple
		http://h:1: a and b scrape it, more than once in all: nodes do not agree on who is in the cluster
		`, node{"a", []string{"h:1"}, a}, node{"b", []string{"h:1"}, b})

	f("each takes the other one for the owner", `
		1 targets, 1 unowned, 0 multiple
		http://h:1: nobody scrapes it: nodes do not agree on who is in the cluster
		`, node{"a", []string{"h:1"}, b}, node{"b", []string{"h:1"}, a})

	f("one does not share", `
		1 targets, 0 unowned, 1 multiple
		http://h:1: b scrapes all targets of this component, which other nodes share out: give it the same clustering block on every node
		`, node{"a", []string{"h:1"}, a}, node{"b", []string{"h:1"}, nil})

	f("a node of other software serves its own", `
		1 targets, 0 unowned, 0 multiple
		`, node{"a", []string{"h:1"}, c}, node{"b", []string{"h:1"}, c})
}

// Where one URL has many targets, as those of a prober, those that nodes share
// are no fault, and one that is missing is not taken for another one.
func TestTargetsAtOnePlaceAreToldApart(t *testing.T) {
	all := []string{"h:1 __param_target=x", "h:1 __param_target=y", "h:1 __param_target=z"}
	b := always("b")
	j := judgeNodes(node{"a", all, b}, node{"b", all[:2], b})
	if j.Targets != 3 || j.Unowned != 1 || len(j.Places) != 1 || !slices.Equal(j.Places[0].lacking, []string{"b"}) {
		t.Errorf("one that is missing: %+v", j)
	}
	named := func(node string) (list []string) {
		for _, t := range all {
			list = append(list, t+" instance="+node)
		}
		return list
	}
	j = judgeNodes(node{"a", named("a"), always("a")}, node{"b", named("b"), b})
	if j.Targets != 3 || j.Multiple != 3 || len(j.Places) != 1 || !slices.Equal(j.Places[0].Labels, []string{"instance"}) {
		t.Errorf("all have another label: %+v", j)
	}
}

// Counts are those that come out when every target is followed on its own.
func TestCountsEqualTheDumbOnes(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		names := []string{"a", "b", "c", "d"}[:2+r.IntN(3)]
		owners := map[owner.Key]string{}
		var nodes []node
		want := map[string]int{}
		knows := map[string][]string{}
		for i := range 20 {
			target := fmt.Sprintf("h:%d", i)
			owners[parse(target).Key] = names[r.IntN(len(names))]
			for _, n := range names {
				if r.IntN(5) > 0 {
					knows[n] = append(knows[n], target)
				}
			}
		}
		for _, n := range names {
			nodes = append(nodes, node{n, knows[n], func(k owner.Key) string { return owners[k] }})
			for _, target := range knows[n] {
				if _, ok := want[target]; !ok {
					want[target] = 0
				}
				if owners[parse(target).Key] == n {
					want[target]++
				}
			}
		}
		unowned := 0
		for n := range maps.Values(want) {
			if n == 0 {
				unowned++
			}
		}
		if j := judgeNodes(nodes...); j.Targets != len(want) || j.Unowned != unowned || j.Multiple != 0 {
			t.Fatalf("seed %d: %d targets, %d unowned, %d multiple; want %d, %d, 0", seed, j.Targets, j.Unowned, j.Multiple, len(want), unowned)
		}
	}
}

func TestBooksTravelWhole(t *testing.T) {
	b, _ := node{"a", []string{"h:1", "h:2", "h:3"}, byTarget(map[string]string{"h:1": "a", "h:3": "c"})}.open()
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	var got Book
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	got.Nodes = b.Nodes
	if diff := cmp.Diff(b, got, cmp.AllowUnexported(Book{})); diff != "" {
		t.Error(diff)
	}
}

func FuzzBook(f *testing.F) {
	b, _ := node{"a", []string{"h:1", "h:2"}, always("b")}.open()
	text, err := json.Marshal(b)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"keys":"AAAAAAAAAAE=","owners":"AAE=","names":["",""]}`))
	f.Add([]byte(`{"keys":"AAAAAAAAAAE=","owners":"AAI=","names":[""]}`))
	f.Add([]byte(`{"names":[]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var b Book
		if json.Unmarshal(text, &b) != nil {
			return
		}
		b.Nodes = []string{"x"}
		other := NewBook("y", true)
		other.Add(7, "x")
		books := []Book{b, other}
		odd, whole := Compare(books)
		if j := Judge(books, odd, whole, nil); j.Targets < len(b.keys) {
			t.Errorf("%d keys are %d targets", len(b.keys), j.Targets)
		}
	})
}

package sim

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/divvy-collector/divvy/fleet/member/roster"
)

// A play is a History on its way.
type play struct {
	*World
	settled time.Duration   // when the cluster was last settled
	woken   time.Duration   // when the last pause ends
	owners  []string        // of each key, then
	changed map[string]bool // nodes to which something happened since
	deeds   map[Deed]bool   // that were done since
}

// Play plays h and returns the first law that it breaks, or nil:
//
//   - settled: all nodes name the same owner of each key, which serves each
//     slot once, in storms but for false deaths, which heal;
//   - only starts and leaves, in calm weather: no slot missed, none doubled;
//   - crashes and pauses, in calm weather: none but those that Blame excuses,
//     and a woken node serves nothing of before it woke;
//   - one crash: no hole longer than the interval and five seconds;
//   - no partition or pause: not seen as two clusters for over ten seconds;
//   - only keys of or to nodes to which something happened move.
func Play(h History) error { return playInto(h, nil) }

// Transcript returns what becomes of h: its steps, the stages of the nodes, and
// at the end the slots that were not served once and in time.
func Transcript(h History) string {
	var b strings.Builder
	b.WriteString(strings.SplitAfterN(h.String(), "\n", 2)[0])
	if err := playInto(h, &b); err != nil {
		fmt.Fprintln(&b, err)
	}
	return b.String()
}

// playInto plays h and writes it down if there is a transcript.
func playInto(h History, transcript *strings.Builder) error {
	p := &play{World: New(h.Config)}
	for i := range h.Nodes {
		p.Start(fmt.Sprintf("node-%d", i))
		p.Run(time.Second)
	}
	p.Run(settling + 10*time.Second)
	if p.owners = p.Owners(); p.owners == nil {
		return fmt.Errorf("not settled at the start")
	}
	p.begin()
	if transcript != nil {
		p.note = func(text string) { fmt.Fprintf(transcript, "%-9s %s\n", p.Now().Round(time.Millisecond), text) }
	}
	for i, s := range h.Steps {
		p.noted(s.String())
		p.do(s)
		if s.Do != Settle {
			continue
		}
		p.listSlots()
		if err := p.check(); err != nil {
			return fmt.Errorf("step %d, at %s: %w", i+1, p.Now(), err)
		}
	}
	return nil
}

// listSlots notes every slot that was not served once and in time since the
// cluster was settled.
func (p *play) listSlots() {
	if p.note == nil {
		return
	}
	end := p.Now() - p.cfg.Interval
	for i := range p.keys {
		for s := range p.slots(i, p.settled, end) {
			if got := p.at(i, s); got.count != 1 || got.at[0].Sub(s) > tickEvery+p.cfg.Skew {
				p.note(p.describe(i, s))
			}
		}
	}
	p.note(p.Tally(p.settled, end).String())
}

// maxSplit is how long a cluster may be seen as two.
const maxSplit = 10 * time.Second

// begin takes note of a settled cluster.
func (p *play) begin() {
	p.settled = p.Now() - p.cfg.Interval
	p.changed, p.deeds = map[string]bool{}, map[Deed]bool{}
	p.Split()
}

// do lets s happen.
func (p *play) do(s Step) {
	n := p.Node(s.Node)
	runs := n != nil && n.running()
	switch s.Do {
	case Wait:
		p.Run(s.For)
		return
	case Settle:
		p.Cut(nil)
		p.Run(max(p.woken-p.Now(), 0) + settling + 5*p.cfg.Delay)
		return
	case Heal:
		p.Cut(nil)
		return
	case Cut, Mute:
		p.part(s)
		return
	case Start:
		if n != nil && n.alive {
			return
		}
		delete(p.dark, s.Node)
		p.Start(s.Node)
	case Usurp:
		host := "other-" + s.Node
		if o := p.Node(host); o != nil && o.alive || !runs {
			return
		}
		p.StartAs(s.Node, host)
	default:
		if !runs || p.running() < 3 {
			return
		}
		p.end(s, n)
	}
	p.deeds[s.Do] = true
	p.changed[s.Node] = true
}

// end stops n in the way that s says.
func (p *play) end(s Step, n *Node) {
	switch s.Do {
	case Leave:
		n.Leave()
	case Kill:
		n.Kill()
	case Vanish:
		n.Vanish()
	case Pause:
		n.Pause(s.For)
		p.woken = max(p.woken, p.Now()+s.For)
	}
}

// part cuts the network. Everybody may be touched by it.
func (p *play) part(s Step) {
	some := map[string]bool{}
	for _, host := range strings.Split(s.Node, ",") {
		some[host] = true
	}
	p.Cut(func(a, b string) bool { return some[a] != some[b] && (s.Do == Cut || some[a]) })
	p.deeds[s.Do] = true
}

func (p *play) running() int {
	count := 0
	for _, n := range p.nodes {
		if n.running() && n.roster.Stage() != roster.Leaving {
			count++
		}
	}
	return count
}

// soonOwners returns Owners. In a storm nodes are found dead by mistake at any
// moment, the present one too: then it lets the time pass that healing may take.
func (p *play) soonOwners() []string {
	owners := p.Owners()
	for end := p.Now() + maxSplit; owners == nil && !p.calm() && p.Now() < end; owners = p.Owners() {
		p.Run(tickEvery)
	}
	return owners
}

// check checks the laws since the cluster was last settled.
func (p *play) check() error {
	before, owners := p.owners, p.soonOwners()
	if owners == nil {
		return fmt.Errorf("not settled: %s", p.stages())
	}
	p.owners = owners
	all, last := p.Tally(p.settled, p.Now()-p.cfg.Interval), p.Tally(p.Now()-2*p.cfg.Interval, p.Now()-p.cfg.Interval/2)
	split := p.Split()
	planned := !p.any(Kill, Vanish, Pause, Cut, Mute)
	crash := p.any(Kill, Vanish) && !p.any(Pause, Cut, Mute)
	moved, blame := p.moved(before, owners), ""
	if p.calm() && !p.any(Cut, Mute) {
		blame = cmp.Or(p.Blame(p.settled, p.Now()-p.cfg.Interval), p.Stale(p.settled))
	}
	switch {
	case last.Missed > 0, p.calm() && last.Doubled > 0:
		return fmt.Errorf("settled, and: %s", last)
	case p.calm() && planned && all.Missed+all.Doubled > 0:
		return fmt.Errorf("only planned changes, and: %s", all)
	case p.calm() && crash && len(p.changed) == 1 && all.Hole > p.cfg.Interval+5*time.Second+2*p.cfg.Skew:
		return fmt.Errorf("one crash, and: %s", all)
	case (planned || crash) && split > maxSplit:
		return fmt.Errorf("seen as two clusters for %s", split)
	case blame != "":
		return errors.New(blame)
	case moved != "":
		return fmt.Errorf("moved without need: %s", moved)
	}
	p.begin()
	return nil
}

// moved names keys that moved between nodes to which nothing happened.
func (p *play) moved(before, after []string) string {
	for i := range before {
		if before[i] != after[i] && !p.changed[before[i]] && !p.changed[after[i]] {
			return fmt.Sprintf("key %d from %s to %s", i, before[i], after[i])
		}
	}
	return ""
}

func (p *play) any(deeds ...Deed) bool {
	for _, d := range deeds {
		if p.deeds[d] {
			return true
		}
	}
	return false
}

// calm reports whether the weather is such that planned changes lose nothing.
func (p *play) calm() bool {
	return p.cfg.Delay <= 200*time.Millisecond && p.cfg.Loss <= 0.01 && p.cfg.Skew <= 50*time.Millisecond
}

// stages returns how far each running node is.
func (w *World) stages() string {
	var list []string
	for _, n := range w.Alive() {
		list = append(list, fmt.Sprintf("%s on %s %s %x", n.Name, n.Host, n.roster.Stage(), n.roster.Digest(n.clock())>>48))
	}
	return strings.Join(list, ", ")
}

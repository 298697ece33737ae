package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// A display shows one state after the other.
type display interface {
	show(demoState)
	close()
}

// A lineDisplay writes one line for each state.
type lineDisplay struct{ w io.Writer }

func (l lineDisplay) show(d demoState) { fmt.Fprintln(l.w, d.line()) }
func (l lineDisplay) close()           {}

// A screenDisplay paints states over each other on a terminal's other screen.
type screenDisplay struct {
	out     io.Writer
	restore func()
}

// Escape sequences that every terminal knows.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // the other screen, no cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	toTop       = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
)

// openDisplay returns a screen if con is a terminal, else lines. Keys that are
// pressed on the terminal go to keys until ctx ends.
func openDisplay(ctx context.Context, con console, keys chan<- byte) display {
	in, inIsFile := con.in.(*os.File)
	out, outIsFile := con.out.(*os.File)
	if !inIsFile || !outIsFile || !term.IsTerminal(int(in.Fd())) || !term.IsTerminal(int(out.Fd())) {
		return lineDisplay{con.out}
	}
	state, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return lineDisplay{con.out}
	}
	fmt.Fprint(out, enterScreen)
	// A read of the terminal cannot be interrupted; this goroutine ends with
	// the next key or with the process.
	go readKeys(ctx, in, keys)
	return &screenDisplay{out: out, restore: func() { _ = term.Restore(int(in.Fd()), state) }}
}

// readKeys sends each byte of in to keys until ctx ends.
func readKeys(ctx context.Context, in io.Reader, keys chan<- byte) {
	for key := make([]byte, 1); ; {
		if _, err := in.Read(key); err != nil {
			return
		}
		select {
		case keys <- key[0]:
		case <-ctx.Done():
			return
		}
	}
}

func (s *screenDisplay) show(d demoState) {
	fmt.Fprint(s.out, toTop+strings.Join(d.screen(), clearLine+"\r\n")+clearLine+clearBelow)
}

func (s *screenDisplay) close() {
	fmt.Fprint(s.out, leaveScreen)
	s.restore()
}

package demo

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// A display shows one state after the other. close may be called twice.
type display interface {
	show(state)
	close()
}

// A lineDisplay writes one line for each state, and one for each event.
type lineDisplay struct {
	w      io.Writer
	events int // that were written
}

func (l *lineDisplay) show(s state) {
	for _, e := range s.events[l.events:] {
		fmt.Fprintln(l.w, e)
	}
	l.events = len(s.events)
	fmt.Fprintln(l.w, s.line())
}

func (l *lineDisplay) close() {}

// A screenDisplay paints states over each other on a terminal's other screen.
type screenDisplay struct {
	out   *os.File
	leave func()
}

// Escape sequences that every terminal knows.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // the other screen, no cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	toTop       = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
)

// openDisplay returns a screen if in and out are a terminal, else lines. Keys
// that are pressed on the terminal go to keys until ctx ends.
func openDisplay(ctx context.Context, in io.Reader, out io.Writer, keys chan<- byte) display {
	keyboard, inIsFile := in.(*os.File)
	paper, outIsFile := out.(*os.File)
	if !inIsFile || !outIsFile || !term.IsTerminal(int(keyboard.Fd())) || !term.IsTerminal(int(paper.Fd())) {
		return &lineDisplay{w: out}
	}
	before, err := term.MakeRaw(int(keyboard.Fd()))
	if err != nil {
		return &lineDisplay{w: out}
	}
	fmt.Fprint(paper, enterScreen)
	// A read of the terminal cannot be interrupted; this goroutine ends with
	// the next key or with the process.
	go readKeys(ctx, keyboard, keys)
	return &screenDisplay{out: paper, leave: sync.OnceFunc(func() {
		fmt.Fprint(paper, leaveScreen)
		_ = term.Restore(int(keyboard.Fd()), before)
	})}
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

func (d *screenDisplay) show(s state) {
	columns, rows, err := term.GetSize(int(d.out.Fd()))
	if err != nil {
		columns, rows = 80, 24
	}
	lines := s.screen(rows)
	lines = lines[:min(rows, len(lines))]
	for i, line := range lines {
		lines[i] = cut(line, columns)
	}
	fmt.Fprint(d.out, toTop+strings.Join(lines, clearLine+"\r\n")+clearLine+clearBelow)
}

func (d *screenDisplay) close() { d.leave() }

// cut returns line without what does not fit into the columns.
func cut(line string, columns int) string {
	runes := []rune(line)
	return string(runes[:min(columns, len(runes))])
}

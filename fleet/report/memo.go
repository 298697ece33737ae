package report

import (
	"math"
	"sync"
	"time"
)

// A memo keeps a value for a while. Who asks while it is being
// made waits for it.
type memo[T any] struct {
	mu     sync.Mutex
	value  T
	at     time.Time     // when it was begun; zero: never
	making chan struct{} // closed when it is made; nil: nobody makes it
}

// get returns the value, made by make if the last one is as old as limit at now.
func (m *memo[T]) get(now time.Time, limit time.Duration, make func() T) T {
	m.mu.Lock()
	for m.making != nil {
		making := m.making
		m.mu.Unlock()
		<-making
		m.mu.Lock()
	}
	if age := now.Sub(m.at); !m.at.IsZero() && age < limit && age > -limit {
		defer m.mu.Unlock()
		return m.value
	}
	done := newDone()
	m.making = done
	m.mu.Unlock()
	value := make()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.value, m.at, m.making = value, now, nil
	close(done)
	return value
}

// last returns the value that was made last and its age at now; forever if
// there is none.
func (m *memo[T]) last(now time.Time) (value T, age time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.at.IsZero() {
		return m.value, forever
	}
	return m.value, now.Sub(m.at).Abs()
}

const forever = time.Duration(math.MaxInt64)

func newDone() chan struct{} { return make(chan struct{}) }

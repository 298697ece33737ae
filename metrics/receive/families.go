package receive

import (
	"strings"
	"sync"

	"github.com/divvy-collector/divvy/telemetry"
)

// maxFamilies bounds what is remembered of the metadata of version 1.0.
const maxFamilies = 50_000

// A familyTable is what senders of version 1.0 said about families: there,
// metadata comes in requests of its own.
type familyTable struct {
	mu     sync.RWMutex
	byName map[string]*telemetry.Metadata
}

// learn remembers list. Families beyond the bound are not taken.
func (f *familyTable) learn(list []telemetry.Metadata) {
	if len(list) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range list {
		md := &list[i]
		old := f.byName[md.Family]
		if old != nil && *old == *md || old == nil && len(f.byName) >= maxFamilies {
			continue
		}
		f.byName[md.Family] = md
	}
}

// lookup returns what is known of the family of a series, or nil.
func (f *familyTable) lookup(name string) *telemetry.Metadata {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if md := f.byName[name]; md != nil || len(f.byName) == 0 {
		return md
	}
	for _, suffix := range familySuffixes {
		if family, has := strings.CutSuffix(name, suffix); has {
			return f.byName[family]
		}
	}
	return nil
}

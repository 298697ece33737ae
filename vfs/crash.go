package vfs

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// sectorBytes is what a disk writes whole or not at all.
const sectorBytes = 512

// Crash returns the disk as the next process finds it when this one was killed:
// everything that was written, and no lock. m can go on being used.
func (m *Mem) Crash() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := NewMem()
	maps.Copy(c.dirs, m.dirs)
	twins := map[*inode]*inode{}
	twin := func(f *inode) *inode {
		if twins[f] == nil {
			twins[f] = &inode{data: slices.Clone(f.data), synced: slices.Clone(f.synced)}
		}
		return twins[f]
	}
	for name, f := range m.names {
		c.names[name] = twin(f)
	}
	for name, f := range m.durable {
		c.durable[name] = twin(f)
	}
	return c
}

// PowerCut returns the disk as it may be found after the machine lost power:
// what was synced, and of what was not, whatever r picks. A name that was made
// or deleted since the last SyncDir is there or not; a sector that was written
// since the last Sync is new or old (zeros, where the file was shorter), and
// the file has some length between the old and the new one.
func (m *Mem) PowerCut(r *rand.Rand) *Mem {
	c := m.Crash()
	c.names = pickNames(r, c.durable, c.names)
	for _, name := range slices.Sorted(maps.Keys(c.names)) {
		f := c.names[name]
		f.data = pickSectors(r, f.synced, f.data)
		f.synced = slices.Clone(f.data)
	}
	c.durable = maps.Clone(c.names)
	return c
}

// pickNames keeps what old and now agree on, and any part of the rest. Of two
// names for one file, after a rename, just one is kept.
func pickNames(r *rand.Rand, old, now map[string]*inode) map[string]*inode {
	picked, placed := map[string]*inode{}, map[*inode]bool{}
	pick := func(from, other map[string]*inode) {
		for _, name := range slices.Sorted(maps.Keys(from)) {
			f := from[name]
			if picked[name] == nil && !placed[f] && (other[name] == f || r.IntN(2) == 0) {
				picked[name], placed[f] = f, true
			}
		}
	}
	pick(old, now)
	pick(now, old)
	for name, f := range old { // a renamed file has one of its names
		if slices.Contains(slices.Collect(maps.Values(now)), f) && !placed[f] && picked[name] == nil {
			picked[name], placed[f] = f, true
		}
	}
	return picked
}

// pickSectors mixes the sectors of two versions of a file.
func pickSectors(r *rand.Rand, old, now []byte) []byte {
	n := len(old) + r.IntN(max(len(now)-len(old), 0)+1)
	mix := make([]byte, n)
	copy(mix, old)
	for off := 0; off < n; off += sectorBytes {
		if end := min(off+sectorBytes, n); r.IntN(2) == 0 && off < len(now) {
			copy(mix[off:end], now[off:])
		}
	}
	return mix
}

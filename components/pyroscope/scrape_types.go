package pyroscope

import (
	"slices"

	"github.com/divvy-collector/divvy/profiles/scrape"
)

// profilingConfig is the block profiling_config: which profiles are taken.
type profilingConfig struct {
	Memory            profilingTarget   `alloy:"profile.memory,block,optional"`
	Block             profilingTarget   `alloy:"profile.block,block,optional"`
	Goroutine         profilingTarget   `alloy:"profile.goroutine,block,optional"`
	Mutex             profilingTarget   `alloy:"profile.mutex,block,optional"`
	ProcessCPU        profilingTarget   `alloy:"profile.process_cpu,block,optional"`
	FGProf            profilingTarget   `alloy:"profile.fgprof,block,optional"`
	GoDeltaProfMemory profilingTarget   `alloy:"profile.godeltaprof_memory,block,optional"`
	GoDeltaProfMutex  profilingTarget   `alloy:"profile.godeltaprof_mutex,block,optional"`
	GoDeltaProfBlock  profilingTarget   `alloy:"profile.godeltaprof_block,block,optional"`
	Custom            []customProfiling `alloy:"profile.custom,block,optional"`

	// PathPrefix stands before each path; empty: nothing does.
	PathPrefix string `alloy:"path_prefix,attr,optional"`
}

// profilingTarget is one type of profile. Its defaults are those of
// profilingConfig.
type profilingTarget struct {
	Enabled bool   `alloy:"enabled,attr,optional"`
	Path    string `alloy:"path,attr,optional"`
	Delta   bool   `alloy:"delta,attr,optional"` // the target is asked for what happens in some seconds
}

// customProfiling is a type of profile that the label of its block names.
type customProfiling struct {
	Enabled bool   `alloy:"enabled,attr"`
	Path    string `alloy:"path,attr"`
	Delta   bool   `alloy:"delta,attr,optional"`
	Name    string `alloy:",label"`
}

// SetToDefault sets the documented defaults.
func (c *profilingConfig) SetToDefault() {
	*c = profilingConfig{
		Memory:            profilingTarget{Enabled: true, Path: "/debug/pprof/allocs"},
		Block:             profilingTarget{Enabled: true, Path: "/debug/pprof/block"},
		Goroutine:         profilingTarget{Enabled: true, Path: "/debug/pprof/goroutine"},
		Mutex:             profilingTarget{Enabled: true, Path: "/debug/pprof/mutex"},
		ProcessCPU:        profilingTarget{Enabled: true, Path: "/debug/pprof/profile", Delta: true},
		FGProf:            profilingTarget{Path: "/debug/fgprof", Delta: true},
		GoDeltaProfMemory: profilingTarget{Path: "/debug/pprof/delta_heap"},
		GoDeltaProfMutex:  profilingTarget{Path: "/debug/pprof/delta_mutex"},
		GoDeltaProfBlock:  profilingTarget{Path: "/debug/pprof/delta_block"},
	}
}

// types lists the types that are enabled. A custom one replaces that of its
// name.
func (c *profilingConfig) types() []scrape.Type {
	var list []scrape.Type
	add := func(name string, t profilingTarget) {
		list = slices.DeleteFunc(list, func(other scrape.Type) bool { return other.Name == name })
		if t.Enabled {
			list = append(list, scrape.Type{Name: name, Path: t.Path, Lasts: t.Delta})
		}
	}
	add("memory", c.Memory)
	add("block", c.Block)
	add("goroutine", c.Goroutine)
	add("mutex", c.Mutex)
	add("process_cpu", c.ProcessCPU)
	add("fgprof", c.FGProf)
	add("godeltaprof_memory", c.GoDeltaProfMemory)
	add("godeltaprof_mutex", c.GoDeltaProfMutex)
	add("godeltaprof_block", c.GoDeltaProfBlock)
	for _, custom := range c.Custom {
		add(custom.Name, profilingTarget{Enabled: custom.Enabled, Path: custom.Path, Delta: custom.Delta})
	}
	return list
}

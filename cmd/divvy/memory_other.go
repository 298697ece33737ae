//go:build !linux

package main

// limitMemory knows no container limits here.
func limitMemory() int64 { return 0 }

// returnPages has nothing to give back here.
func returnPages() error { return nil }

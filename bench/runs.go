package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A run is one measurement and what it is of. A table is made of runs. They are
// kept beside it, as lines of JSON, so that what is measured later can be put
// into the same table.
type run struct {
	Scenario  string
	Collector string
	Build     string    // of the collector: the start of its binary's SHA-256
	Size      int64     // of the binary, in bytes
	At        time.Time // when it began
	Seconds   int       // that were measured
	Series    int       // that arrive
	measurement
}

// record returns the file of the runs behind the table out.
func (p plan) record() string {
	return strings.TrimSuffix(p.out, filepath.Ext(p.out)) + ".jsonl"
}

// earlier returns the runs that the table is to keep: all of the scenarios that
// are not measured now, and of those that are, the ones of the same builds.
func (p plan) earlier(list []collector) ([]run, error) {
	if !p.keep {
		return nil, nil
	}
	file, err := os.Open(p.record())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read earlier runs: %w", err)
	}
	defer file.Close()
	runs, err := decodeRuns(file)
	if err != nil {
		return nil, fmt.Errorf("read earlier runs from %s: %w", p.record(), err)
	}
	return slices.DeleteFunc(runs, func(r run) bool { return p.replaces(r, list) }), nil
}

// replaces reports whether r is measured again now, with another build.
func (p plan) replaces(r run, list []collector) bool {
	return slices.ContainsFunc(p.scenarios, func(s scenario) bool {
		return s.name == r.Scenario && slices.ContainsFunc(list, func(c collector) bool {
			return c.name == r.Collector && c.build != r.Build && p.wants(s, c)
		})
	})
}

// save writes the table and the runs behind it, if it is wanted as a file.
func (p plan) save(runs []run) error {
	if p.out == "" {
		return nil
	}
	err := os.WriteFile(p.out, []byte(markdown(runs)), 0o644)
	return errors.Join(err, os.WriteFile(p.record(), encodeRuns(runs), 0o644))
}

// encodeRuns returns runs as lines of JSON.
func encodeRuns(runs []run) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	for _, r := range runs {
		if err := e.Encode(r); err != nil {
			panic("BUG: a run is not JSON: " + err.Error())
		}
	}
	return b.Bytes()
}

// decodeRuns reads what encodeRuns wrote.
func decodeRuns(r io.Reader) (runs []run, err error) {
	d := json.NewDecoder(r)
	for {
		var one run
		switch err := d.Decode(&one); {
		case errors.Is(err, io.EOF):
			return runs, nil
		case err != nil:
			return nil, err
		}
		runs = append(runs, one)
	}
}

// buildOf returns what tells a binary from others.
func buildOf(binary string) (string, error) {
	file, err := os.Open(binary)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", fmt.Errorf("read %s: %w", binary, err)
	}
	return hex.EncodeToString(sum.Sum(nil))[:8], nil
}

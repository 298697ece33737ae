//go:build !linux

package fetch

import "errors"

// mapBytes borrows nothing here.
func mapBytes(int, bool) ([]byte, error) { return nil, errors.ErrUnsupported }

func unmapBytes([]byte) {}

//go:build !linux

package main

import (
	"errors"
	"os/exec"
)

// startBound needs what only Linux has, as do the checks of what is left over.
func startBound(*exec.Cmd) error {
	return errors.New("torture runs on Linux only")
}

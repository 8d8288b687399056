//go:build !linux

package private

import "os/exec"

// startBound starts cmd. Only Linux can bind a process's life to Parley's; elsewhere a database that outlived a
// killed Parley is ended by the next Start (endFormer).
func startBound(cmd *exec.Cmd) error { return cmd.Start() }

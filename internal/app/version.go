package app

import (
	"fmt"
	"runtime"
)

// Version and Commit are set by the linker (see Makefile).
var (
	Version = "dev"
	Commit  = "none"
)

// Build is the line that `fengsui version` prints.
func Build() string {
	return fmt.Sprintf("fengsui %s (commit %s, %s, vendor bridge: not in this version)", Version, Commit, runtime.Version())
}

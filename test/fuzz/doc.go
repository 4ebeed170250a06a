//go:build linux

// Command fuzz runs every fuzz target of the module for a while and writes the
// outcome, with date and commit, as a section of docs/benchmarks.md. It fails
// when a target does and says where the input is that made it fail.
//
//	go run ./test/fuzz [-time 10m] [-jobs 1] [-only expression] [-write docs/benchmarks.md]
package main

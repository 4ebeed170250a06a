// Command bench measures the shipped binary on this machine and writes
// docs/benchmarks.md. The server runs on one core with its defaults; what loads
// it runs on another. Every answer is checked, rounds in which the machine was
// not ours are repeated, and each figure is the median of its rounds. Linux only.
//
//	go run ./test/bench -binary bin/fengsui [-only name] [-write docs/benchmarks.md]
package main

// Command bench measures the shipped binary on this machine and writes its
// sections of docs/benchmarks.md. The server runs on one core with its defaults,
// Kamailio beside it by turns; what loads them runs on another. Every answer is
// checked, rounds in which the machine was not ours are repeated, and each figure
// is the median of its rounds. Linux only.
//
//	go run ./test/bench -binary bin/fengsui [-only name,name] [-write docs/benchmarks.md]
//
// While others use the machine, -disturbed tries the code and writes nothing.
package main

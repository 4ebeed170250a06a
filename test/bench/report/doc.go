// Package report keeps docs/benchmarks.md and runs what writes it: each runner (test/bench, test/fuzz,
// test/soak) writes its own sections and leaves those of the others as they are.
// What the page says is kept beside it as JSON, from which the page is made again.
package report

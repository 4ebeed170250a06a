// Package main shows that the server's memory does not grow and that honest
// devices are answered whatever strangers send: millions of keepalives, storms of
// unknown devices, forged sources, half requests, bodies of gigabytes that never
// come, and a mix of garbage.
//
// `make soak` runs the long form and writes its section of docs/benchmarks.md;
// `go test ./test/soak` runs the short one. The load comes from 127.0.0.0/8 and
// goes to the real binary, which has its defaults.
package main

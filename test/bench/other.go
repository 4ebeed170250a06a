//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "bench: reads /proc and batches with sendmmsg: it needs Linux")
	os.Exit(1)
}

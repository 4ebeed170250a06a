//go:build race

package reuse_test

const poisoned = true

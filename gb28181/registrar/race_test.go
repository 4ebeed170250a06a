//go:build race

package registrar_test

const raced = true // sync.Pool forgets on purpose then

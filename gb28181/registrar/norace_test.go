//go:build !race

package registrar_test

const raced = false

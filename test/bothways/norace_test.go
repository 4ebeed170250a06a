//go:build !race

package bothways_test

const raceEnabled = false

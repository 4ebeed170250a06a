//go:build linux

package main

import (
	"errors"
	"fmt"
)

const (
	searchWithin = 0.02 // the bracket that probing ends with
	searchSteps  = 16   // at most, of each phase
)

var errNoRate = errors.New("no rate is sustained")

// search finds the highest rate that holds, to within 2 %, from a guess. probe
// tries a rate for a short time; prove for the whole window, and only what is
// proved is returned. As a hiccup of the machine can spoil one try, a rate fails
// only when it fails twice.
func search(guess float64, probe, prove func(rate float64) (bool, error)) (float64, error) {
	low, high := 0.85*guess, 0.0
	for step := 0; ; step++ { // down to what holds
		ok, err := twice(probe, low)
		if err != nil {
			return 0, err
		}
		if ok {
			break
		}
		if step == searchSteps {
			return 0, fmt.Errorf("%w: not even %.0f/s", errNoRate, low)
		}
		low, high = 0.8*low, low
	}
	for step := 0; high == 0 && step < searchSteps; step++ { // up to what does not
		next := 1.15 * low
		ok, err := twice(probe, next)
		if err != nil {
			return 0, err
		}
		if ok {
			low = next
		} else {
			high = next
		}
	}
	for high-low > searchWithin*low {
		middle := (low + high) / 2
		ok, err := twice(probe, middle)
		if err != nil {
			return 0, err
		}
		if ok {
			low = middle
		} else {
			high = middle
		}
	}
	for step := 0; step < searchSteps; step++ {
		ok, err := twice(prove, low)
		if err != nil || ok {
			return low, err
		}
		low *= 1 - searchWithin
	}
	return 0, fmt.Errorf("%w for the whole window, not even %.0f/s", errNoRate, low)
}

func twice(try func(rate float64) (bool, error), rate float64) (bool, error) {
	ok, err := try(rate)
	if ok || err != nil {
		return ok, err
	}
	return try(rate)
}

//go:build race

package sip_test

func init() { racing = true }

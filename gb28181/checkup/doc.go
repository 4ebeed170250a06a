// Package checkup runs the conformance test of one device: a list of steps, each
// with its clause, that ask the device something and judge what it does. Nothing
// is changed at the device unless that is asked for.
package checkup

// Package registrar answers REGISTER and keepalive (GB/T 28181-2022 9.1 and
// 9.6; signalling.md sections 2.9 and 2.12). It decides who a device is; what a
// device is doing is the table's of package device.
//
// It implements intake.Direct: it keeps nothing for a challenge, asks only
// caches, and waits for nothing. What it refuses it keeps as an [Attempt], with
// the check that failed in plain words.
package registrar

// Package device owns every device's lifetime: where it is reached, until when
// it is registered, and whether it is there, with the reason, the evidence and
// its age (GB/T 28181-2022 9.1 and 9.6; signalling.md sections 2.9.1 and 2.12).
//
// The registrar and everything else that hears of a device report to the
// [Table]; who wants to know asks it or watches it. An idle device is a row:
// one wheel times all of them, and no goroutine or timer waits for any.
package device

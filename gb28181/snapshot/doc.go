// Package snapshot has devices take pictures and upload them to us by HTTP, and
// keeps these for a while (2022 9.14; signalling.md section 3.14).
package snapshot

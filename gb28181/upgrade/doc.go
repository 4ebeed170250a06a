// Package upgrade has devices install software and follows each upgrade across the
// registration that comes with it, until the device says how it went (2022 9.13;
// signalling.md sections 3.14 and 3.15.11).
package upgrade

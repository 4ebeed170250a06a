// Package ptz reads and writes the eight-byte front-end commands that a
// DeviceControl carries as hexadecimal text in PTZCmd (GB/T 28181-2016 and -2022
// A.3; signalling.md section 4): movement, lens, presets, cruises, scans and
// auxiliary switches.
//
// A movement goes on until a stop: Command{Action: Move{}} ends one, and a cruise
// or a scan too; Command{Action: Lens{}} ends focus and iris.
package ptz

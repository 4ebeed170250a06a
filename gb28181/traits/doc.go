// Package traits knows what each device is like: which quirks it has and why,
// and what it says beyond the standard, vendor header fields and free texts.
//
// It holds something only for devices that have a quirk or said something, so a
// question about any other costs one look into a map.
package traits

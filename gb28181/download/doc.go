// Package download keeps recordings of devices in files (GB/T 28181-2022 9.9): a
// job for each, which asks the device for the recording, writes what comes, asks
// again for what is missing after a cut, and survives a restart with what is
// there. A file can be read while it grows.
package download

// Package command asks devices questions: one request, one answer matched by
// device, CmdType and SN (signalling.md section 3.2). It probes whether a device
// lives, and after a first registration it surveys the device: the steps that
// the application adds, then DeviceInfo and DeviceStatus, all devices together no
// faster than the configured pace.
//
// It is the Prober of package device and the Asker of package catalog.
package command

//go:build !linux

package stream

import "net"

const maxSegments = 1

// segmentation reports that this system has none.
func segmentation(*net.UDPConn, int) bool { return false }

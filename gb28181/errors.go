package gb28181

import "errors"

// What callers decide on. Each is wrapped with the value it is about.
var (
	ErrBadID          = errors.New("bad GB/T 28181 ID")
	ErrUnknownDevice  = errors.New("unknown device")
	ErrUnknownChannel = errors.New("unknown channel")
	ErrOffline        = errors.New("device is offline")
	ErrTimeout        = errors.New("device did not answer in time")
	ErrRefused        = errors.New("device refused")
)

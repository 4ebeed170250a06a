// Package spine holds integration tests only: the whole server in this process
// (internal/app) against simulated devices (internal/sim) on loopback sockets.
// Each test follows one behaviour from the device's wire to what the HTTP API
// shows. Rows and sections in its comments are those of the protocol reference
// signalling.md.
package spine

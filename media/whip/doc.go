// Package whip takes the microphone of a browser by WebRTC: the client posts an
// offer and gets the answer (RFC 9725). Only G.711 is agreed on, in the law that
// the listener wants where the browser has it, so that nothing is decoded.
//
// It shares the ports of package whep.
package whip

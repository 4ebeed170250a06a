// Package voice is speech on its way to a loudspeaker: G.711 in both laws, WAV
// files, what a microphone sends, and the even pace at which sound has to leave.
//
// Sound is 8 kHz mono throughout; a frame is 20 ms of it, 160 bytes of G.711.
package voice

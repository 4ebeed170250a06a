// Package whep serves streams to browsers by WebRTC: the client posts an offer
// and gets the answer (draft-ietf-wish-whep). Pictures and G.711 go as they are,
// nothing is transcoded.
//
// All viewers share one UDP port and one TCP port.
package whep

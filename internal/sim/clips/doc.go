// Package clips holds four seconds of moving pictures and of sound that a
// simulated camera repeats for ever: H.264 and H.265 with the frame number
// burnt in, in a main and a sub encoding, and a beep each second in G.711 or
// AAC. The pictures are made by make.sh and embedded.
package clips

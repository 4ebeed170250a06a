// Package play starts, controls and ends pictures (GB/T 28181-2022 9.2, 9.8, 9.9):
// one coordinator. Of live pictures there is one INVITE for each (device, channel,
// profile) however many ask; a recording has a session for each caller, which can
// pause it, seek and change its speed.
//
// A start goes through named stages (device, receiver, offer, answer, connect,
// packet, key frame), each timed; failure at any of them unwinds one undo list,
// so that ports, SSRCs and dialogs are as before, and comes back as a
// [StartError] with the stages and a remedy in words.
package play

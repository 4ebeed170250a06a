// Package play starts and ends live pictures (GB/T 28181-2022 9.2): one
// coordinator, one INVITE for each (device, channel, profile) however many ask.
//
// A start goes through named stages (device, receiver, offer, answer, connect,
// packet, key frame), each timed; failure at any of them unwinds one undo list,
// so that ports, SSRCs and dialogs are as before, and comes back as a
// [StartError] with the stages and a remedy in words.
package play

// Package subscribe holds our subscriptions at devices, now those of catalogs:
// one table and one timer for all. A subscription is made after registration,
// refreshed in its dialog before the time granted is over, and repaired as
// signalling.md section 5.2 says. NOTIFYs are matched by Call-ID, else by device
// and CmdType, and handed on.
package subscribe

// Package subscribe holds our subscriptions at devices, to catalogs, alarms,
// positions and where cameras look: one table and one timer for all. A subscription is made after registration,
// refreshed in its dialog before the time granted is over, and repaired as
// signalling.md section 5.2 says. NOTIFYs are matched by Call-ID, else by device
// and CmdType, and handed on; so is what devices report by MESSAGE.
package subscribe

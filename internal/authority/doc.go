// Package authority is a certificate authority of one house: a root made at the
// first start and kept in a folder, and a certificate for the names and addresses
// of this machine, made anew before it ends. A browser gives a microphone to HTTPS
// only; whoever installs the root once has it without a warning.
package authority

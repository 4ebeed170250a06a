// Package backup keeps what a server must not lose in one file.
//
// The file is a gzipped tar (RFC 1952, POSIX ustar) of mode 0600, because secrets
// are in it. Its entries, in this order:
//
//	manifest.json   who made it, when, and of each other entry name, size in bytes and SHA-256
//	fengsui.db      the database, copied while a server may be running
//	files           of the data folder, by their path in it with slashes
//
// What is read back is believed only when every entry is as the manifest says.
package backup

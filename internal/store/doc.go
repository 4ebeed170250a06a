// Package store keeps the durable records: provisioned devices, registrations,
// channels, users, API keys and settings. Its [Store] is SQLite in one file;
// the methods are few and speak in records, so that PostgreSQL can stand behind
// the same ones.
//
// What devices cause (registrations, channels) is written behind: the calls
// never block and never touch the disk. What people cause is written through:
// when the call returns, it is kept.
package store

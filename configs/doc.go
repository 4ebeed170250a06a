// Package configs holds the configuration of the server: a struct a subsystem,
// working defaults, and checks that report every fault at once by its YAML key.
//
// Values come in this order, a later one winning: defaults, file, environment
// (FENGSUI_SIP_QUERY_RATE for sip.query_rate), --set key=value. Package configs
// does no I/O: it is given the bytes.
package configs

// Package api is the HTTP face: the REST interface with its OpenAPI document,
// events, play addresses, the console, health and metrics. It knows people and
// programs (sessions, keys, roles), turns the services' errors into the codes of
// package fault, and holds no state of devices: every answer is asked of the
// services, whose interfaces are declared here.
//
// Every route needs authentication but those of [Server.Open]; what is not in
// the table of routes is refused.
package api

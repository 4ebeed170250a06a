// Package telemetry makes what the process tells of itself: the logger, the
// metrics registry, and the trace of a call (W3C Trace Context) that joins its
// log lines, its answer and its events.
package telemetry

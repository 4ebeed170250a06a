// Package e2e shows from outside what the server promises: each test starts
// the real binary as a process, on free ports of loopback and with a data
// folder of its own, and uses it as devices, players and people do: by SIPp and
// the simulator, by FFmpeg, by Chromium, by plain HTTP.
//
// A test that cannot run here fails and says what is missing;
// scripts/test-tools.sh installs it. FENGSUI_BINARY names a binary to test
// instead of one built for the run, FENGSUI_SCREENSHOTS a folder that keeps
// what the browser showed.
package e2e

// Package app builds the server: every part by its constructor in [New], in one
// readable function, joined by the small adapters of this package; [App.Run]
// runs them and closes them in reverse.
package app

// Package epoll waits for many connections together, and reads and writes them
// without waiting: by epoll(7) on Linux. Elsewhere there is none, and [New] says
// so. Nothing here starts a goroutine.
package epoll

//go:build !race

package reuse

// poison does nothing but in race builds.
type poison[T any] struct{}

func (poison[T]) lay(*T)          {}
func (poison[T]) lift(string, *T) {}
func (poison[T]) drop(*T)         {}

func returnedTwice(string) {}

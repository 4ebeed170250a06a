//go:build race

package reuse

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"unsafe"
)

// pattern fills memory that is in a pool.
const pattern = 0xDB

// poison makes the use of what was returned seen. While an item is in its pool,
// numbers in it are the pattern, and what points anywhere is nil; so are the
// bytes behind fields tagged `reuse:"own"`. When it is taken again, any other
// value in it was written by someone who had returned it.
type poison[T any] struct {
	mu     sync.Mutex
	before map[*T]*T // what free items were
}

// lay overwrites an item that was returned.
func (p *poison[T]) lay(item *T) {
	before := new(T)
	*before = *item
	p.mu.Lock()
	if p.before == nil {
		p.before = make(map[*T]*T)
	}
	p.before[item] = before
	p.mu.Unlock()
	visit(reflect.ValueOf(item).Elem(), "", false, func(_ string, v reflect.Value, owned bool) {
		if owned {
			b := v.Bytes()
			fill(b[:cap(b)])
		}
		if numeric(v.Type()) {
			fill(memory(v))
			return
		}
		v.SetZero()
	})
}

// lift checks that nobody wrote to a free item and makes it what it was.
func (p *poison[T]) lift(pool string, item *T) {
	p.mu.Lock()
	before := p.before[item]
	delete(p.before, item)
	p.mu.Unlock()
	var used []string
	visit(reflect.ValueOf(item).Elem(), "", false, func(name string, v reflect.Value, _ bool) {
		if numeric(v.Type()) && !filled(memory(v)) || !numeric(v.Type()) && !v.IsZero() {
			used = append(used, name)
		}
	})
	visit(reflect.ValueOf(before).Elem(), "", false, func(name string, v reflect.Value, owned bool) {
		if !owned {
			return
		}
		if b := v.Bytes(); !filled(b[:cap(b)]) {
			used = append(used, "bytes of "+name)
		}
	})
	if used != nil {
		panic(fmt.Sprintf("reuse: pool %s: %T used after it was returned: %s", pool, item, strings.Join(used, ", ")))
	}
	*item = *before
}

// drop forgets an item that is left to the collector, poisoned.
func (p *poison[T]) drop(item *T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.before, item)
}

func returnedTwice(pool string) {
	panic("reuse: pool " + pool + ": returned twice, or not taken from it")
}

// visit calls f for each field in v that is no struct or array of others. Locks
// are passed over: they may be waited for.
func visit(v reflect.Value, name string, owned bool, f func(name string, v reflect.Value, owned bool)) {
	t := v.Type()
	switch {
	case t == reflect.TypeFor[Mark](), t.PkgPath() == "sync":
	case t.Kind() == reflect.Struct:
		for i := range t.NumField() {
			field := t.Field(i)
			x := v.Field(i)
			x = reflect.NewAt(x.Type(), unsafe.Pointer(x.UnsafeAddr())).Elem() // may be set though not exported
			visit(x, strings.TrimPrefix(name+"."+field.Name, "."), field.Tag.Get("reuse") == "own", f)
		}
	case t.Kind() == reflect.Array && !numeric(t):
		for i := range t.Len() {
			visit(v.Index(i), fmt.Sprintf("%s[%d]", name, i), false, f)
		}
	default:
		f(name, v, owned)
	}
}

// numeric reports whether any bits are a value of the type. A bool is none: its
// byte is 0 or 1.
func numeric(t reflect.Type) bool {
	if t.Kind() == reflect.Array {
		return numeric(t.Elem())
	}
	return t.Kind() >= reflect.Int && t.Kind() <= reflect.Complex128
}

func memory(v reflect.Value) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(v.UnsafeAddr())), v.Type().Size())
}

func fill(b []byte) {
	if len(b) == 0 {
		return
	}
	b[0] = pattern
	for n := 1; n < len(b); n *= 2 {
		copy(b[n:], b[:n])
	}
}

func filled(b []byte) bool { return len(b) == bytes.Count(b, []byte{pattern}) }

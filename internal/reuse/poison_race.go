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

// ownedMost is how many bytes behind a field are overwritten: the race detector
// takes its time for each.
const ownedMost = 2 << 10

// poison makes the use of what was returned seen. While an item is in its pool,
// numbers in it are the pattern, and what points anywhere is nil; the first bytes
// behind fields tagged `reuse:"own"` are the pattern too. When it is taken again,
// any other value in it was written by someone who had returned it.
type poison[T any] struct {
	once  sync.Once
	plan  []field // of T, in the order of their offsets
	image []byte  // what a free item's memory is

	mu     sync.Mutex
	before map[*T]*T // what free items were
}

// field is one that is no struct and no array of others.
type field struct {
	name    string
	offset  uintptr
	size    uintptr
	numeric bool
	own     bool // bytes, and the item's alone
	passed  bool // a mark or a lock: not looked at
}

func (p *poison[T]) prepare() {
	t := reflect.TypeFor[T]()
	p.plan = fields(nil, t, "", 0, false)
	p.image = make([]byte, t.Size())
	for _, f := range p.plan {
		if f.numeric {
			fill(p.image[f.offset:][:f.size])
		}
	}
	p.before = make(map[*T]*T)
}

// lay overwrites an item that was returned.
func (p *poison[T]) lay(item *T) {
	p.once.Do(p.prepare)
	before := new(T)
	*before = *item
	p.mu.Lock()
	p.before[item] = before
	p.mu.Unlock()
	var zero T
	*item = zero
	m := memory(item)
	for _, f := range p.plan {
		if f.numeric {
			copy(m[f.offset:], p.image[f.offset:][:f.size])
		}
		if f.own {
			fill(owned(before, f))
		}
	}
}

// lift checks that nobody wrote to a free item and makes it what it was.
func (p *poison[T]) lift(pool string, item *T) {
	p.mu.Lock()
	before := p.before[item]
	delete(p.before, item)
	p.mu.Unlock()
	var used []string
	m := memory(item)
	for _, f := range p.plan {
		if !f.passed && !bytes.Equal(m[f.offset:][:f.size], p.image[f.offset:][:f.size]) {
			used = append(used, f.name)
		}
		if f.own && !filled(owned(before, f)) {
			used = append(used, "bytes of "+f.name)
		}
	}
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

// fields appends those of a type that begins at an offset of the item.
func fields(list []field, t reflect.Type, name string, offset uintptr, own bool) []field {
	switch {
	case t == reflect.TypeFor[Mark](), t.PkgPath() == "sync":
		return append(list, field{name: name, offset: offset, size: t.Size(), passed: true})
	case t.Kind() == reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			list = fields(list, f.Type, strings.TrimPrefix(name+"."+f.Name, "."), offset+f.Offset, f.Tag.Get("reuse") == "own")
		}
		return list
	case t.Kind() == reflect.Array && !numeric(t):
		for i := range t.Len() {
			list = fields(list, t.Elem(), fmt.Sprintf("%s[%d]", name, i), offset+uintptr(i)*t.Elem().Size(), false)
		}
		return list
	}
	return append(list, field{name: name, offset: offset, size: t.Size(), numeric: numeric(t), own: own})
}

// numeric reports whether any bits are a value of the type. A bool is none: its
// byte is 0 or 1.
func numeric(t reflect.Type) bool {
	if t.Kind() == reflect.Array {
		return numeric(t.Elem())
	}
	return t.Kind() >= reflect.Int && t.Kind() <= reflect.Complex128
}

// memory is the item itself.
func memory[T any](item *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(item)), unsafe.Sizeof(*item))
}

// owned is the memory behind a field of bytes.
func owned[T any](item *T, f field) []byte {
	b := *(*[]byte)(unsafe.Add(unsafe.Pointer(item), f.offset))
	return b[:min(cap(b), ownedMost)]
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

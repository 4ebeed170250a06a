package reuse_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"fengsui/internal/reuse"
)

// thing has a field of every kind that poison treats in its own way.
type thing struct {
	reuse.Mark

	n      int
	grid   [2][3]uint16
	names  [2]string
	next   *thing
	open   bool
	mine   []byte `reuse:"own"`
	theirs []byte
	inner  struct{ at float64 }
	mu     sync.Mutex
}

func newThings(k *reuse.Keeper) *reuse.Pool[thing, *thing] {
	return reuse.NewPool[thing](k, reuse.Spec{Name: "things", Level: reuse.Requests, Bytes: 256, Share: 1.0 / 64},
		func() *thing { return &thing{mine: make([]byte, 16)} }, nil)
}

func TestReturnedItemIsTakenAgainAsItWas(t *testing.T) {
	p := newThings(nil)
	a := p.Get()
	a.n, a.grid[1][2], a.names[1], a.next, a.open, a.theirs, a.inner.at = 7, 9, "seven", &thing{}, true, []byte("theirs"), 1.5
	a.mu.Lock() // who waits for a returned item's lock would hang if that were overwritten
	grid, next, theirs := a.grid, a.next, a.theirs
	p.Put(a)
	b := p.Get()
	if a != b {
		t.Fatal("another item was made")
	}
	b.mu.Unlock()
	if b.n != 7 || b.grid != grid || b.names[1] != "seven" || b.next != next || !b.open || b.inner.at != 1.5 || len(b.mine) != 16 {
		t.Errorf("item = %+v", b)
	}
	if string(theirs) != "theirs" {
		t.Errorf("memory that is not the item's became %q", theirs)
	}
	if c := p.Counts(); c != (reuse.Counts{Taken: 2, Returned: 1, Missed: 1}) || c.Out() != 1 || c.HitRate() != 0.5 {
		t.Errorf("counts = %+v", c)
	}
}

// In race builds the second return panics. In others it is counted and has no
// other effect: the item is never given to two.
func TestItemReturnedTwiceIsCaught(t *testing.T) {
	p := newThings(nil)
	a := p.Get()
	p.Put(a)
	said := panics(func() { p.Put(a) })
	if poisoned != strings.Contains(said, "things: returned twice") {
		t.Errorf("panic = %q in a race build: %v", said, poisoned)
	}
	if c := p.Counts(); c.Twice != 1 || c.Returned != 1 {
		t.Errorf("counts = %+v", c)
	}
	if b, c := p.Get(), p.Get(); b == c {
		t.Error("one item given to two")
	}
}

func TestItemThatThePoolDidNotMakeIsRefused(t *testing.T) {
	p := newThings(nil)
	said := panics(func() { p.Put(new(thing)) })
	if poisoned != (said != "") || p.Counts().Twice != 1 || p.Free() != 0 {
		t.Errorf("panic %q, counts %+v, free %d", said, p.Counts(), p.Free())
	}
}

// In race builds the next to take the item panics. In others the write is lost
// on whoever sets the field next, as with any memory; the pool still works.
func TestUseAfterReturnIsCaught(t *testing.T) {
	for name, use := range map[string]func(*thing){
		"n":             func(x *thing) { x.n = 1 },
		"grid":          func(x *thing) { x.grid[1][1]++ },
		"names[0]":      func(x *thing) { x.names[0] = "late" },
		"next":          func(x *thing) { x.next = x },
		"open":          func(x *thing) { x.open = true },
		"theirs":        func(x *thing) { x.theirs = []byte("late") },
		"inner.at":      func(x *thing) { x.inner.at = 2 },
		"mine":          func(x *thing) { x.mine = []byte("late") },
		"bytes of mine": nil, // below: whoever kept the slice
	} {
		p := newThings(nil)
		a := p.Get()
		kept := a.mine
		p.Put(a)
		if use == nil {
			kept[3] = 'x'
		} else {
			use(a)
		}
		said := panics(func() { p.Get() })
		if !poisoned && said != "" || poisoned && !strings.Contains(said, "used after it was returned: "+name) {
			t.Errorf("%s: panic = %q in a race build: %v", name, said, poisoned)
		}
	}
}

func TestReadAfterReturnSeesNothingOfTheItem(t *testing.T) {
	if !poisoned {
		p := newThings(nil)
		a := p.Get()
		a.n = 7
		p.Put(a)
		if a.n != 7 {
			t.Error("an item was changed by its return, which costs time")
		}
		return
	}
	p := newThings(nil)
	a := p.Get()
	a.n, a.next = 7, &thing{}
	copy(a.mine, "secret")
	kept := a.mine
	p.Put(a)
	if a.n == 7 || a.next != nil || bytes.Contains(kept, []byte("secret")) {
		t.Errorf("after return: n = %d, next = %p, bytes %q", a.n, a.next, kept)
	}
}

func TestPoolKeepsNoMoreThanItsSize(t *testing.T) {
	p := newThings(nil)
	take := func(n int) (all []*thing) {
		for range n {
			all = append(all, p.Get())
		}
		return all
	}
	put := func(all []*thing) {
		for _, x := range all {
			p.Put(x)
		}
	}
	put(take(30))
	if c := p.Counts(); p.Free() != reuse.Floor || c.Dropped != 30-reuse.Floor || c.Missed != 30 {
		t.Errorf("free %d, counts %+v", p.Free(), c)
	}
	p.Resize(30)
	put(take(30))
	put(take(30))
	if c := p.Counts(); p.Free() != 30 || c.Missed != 30+22 || c.Out() != 0 {
		t.Errorf("grown: free %d, counts %+v", p.Free(), c)
	}
	p.Resize(3)
	if p.Free() != 3 {
		t.Errorf("shrunk to 3, free %d", p.Free())
	}
	p.Resize(0)
	put(take(1))
	if p.Free() != 0 {
		t.Errorf("a pool of size 0 keeps %d", p.Free())
	}
}

func TestItemIsCleanedBeforeItIsKept(t *testing.T) {
	p := reuse.NewPool[thing](nil, reuse.Spec{Name: "clean"}, func() *thing { return new(thing) }, func(x *thing) { x.next = nil })
	a := p.Get()
	a.next = &thing{}
	p.Put(a)
	if b := p.Get(); b != a || b.next != nil {
		t.Error("what was cleaned away is there")
	}
}

// Every item is with one user at a time, however many there are.
func TestNoItemIsWithTwoUsers(t *testing.T) {
	p := newThings(nil)
	p.Resize(16)
	var users sync.WaitGroup
	for i := range 8 {
		users.Go(func() {
			for j := range 2000 {
				x := p.Get()
				x.n = i
				if x.mine[0] = byte(j); x.n != i {
					panic(fmt.Sprintf("item of %d has %d", i, x.n))
				}
				p.Put(x)
				if j%500 == 0 {
					p.Resize(8 + i)
				}
			}
		})
	}
	users.Wait()
	if c := p.Counts(); c.Out() != 0 || c.Taken != 16000 || int(c.Missed-c.Dropped) < p.Free() {
		t.Errorf("counts = %+v, free %d", c, p.Free())
	}
}

func panics(f func()) (said string) {
	defer func() {
		if r := recover(); r != nil {
			said = fmt.Sprint(r)
		}
	}()
	f()
	return ""
}

func BenchmarkGetPut(b *testing.B) {
	p := newThings(nil)
	b.ReportAllocs()
	for b.Loop() {
		p.Put(p.Get())
	}
}

func BenchmarkGetPutParallel(b *testing.B) {
	p := newThings(nil)
	p.Resize(64)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			p.Put(p.Get())
		}
	})
}

func BenchmarkSyncPoolGetPut(b *testing.B) {
	p := sync.Pool{New: func() any { return new(thing) }}
	for b.Loop() {
		p.Put(p.Get())
	}
}
